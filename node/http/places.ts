import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { PROVED_PEER } from "../peers/limits.js";
import { ProblemError } from "../problems.js";
import { Holdings } from "../service/fair-places.js";
import { clientOf } from "./client-address.js";
import { isPeersPath } from "./door/judge.js";

export interface PlaceLimits {
  /** Connections of clients. */
  readonly clientsMax: number;
  /** Connections beyond, of whom it is not known yet whether they are peers'. */
  readonly reservedMax: number;
  /** How long one of these has to say who it is. */
  readonly reservedMs: number;
}
export const PLACES: PlaceLimits = { clientsMax: 4_000, reservedMax: 500, reservedMs: 2_000 };

/** Connections of clients beyond, for addresses that have few. */
const CLIENTS_SPARE = 400;
const FEW = 8;

const PROBES = new Set(["/livez", "/readyz"]);
const RETRY_AFTER_SECONDS = 5;

/**
 * Who may hold a connection. Clients can take all places that there are for clients, and none of the others: a
 * connection that comes when these are taken is a peer's, asks for this node's health, or goes.
 */
export class Places {
  /** With their addresses. */
  private readonly clients = new Map<Duplex, string>();
  private readonly held = new Holdings();
  /** In the order in which they came. */
  private readonly reserved = new Map<Duplex, NodeJS.Timeout>();

  constructor(private readonly limits: PlaceLimits) {}

  watch(server: Server): void {
    const { clientsMax, reservedMax } = this.limits;
    // With room for all connections of many peers; what comes beyond the reserved ones pushes out an older one anyway.
    server.maxConnections = clientsMax + 8 * reservedMax;
    server.on("connection", (socket: Socket) => {
      if (!taken.has(socket)) this.take(socket);
    });
  }

  /** Whether the request may be answered where its connection stands. */
  judge(req: IncomingMessage): ProblemError | null {
    const { socket } = req;
    if (!this.reserved.has(socket) || this.add(socket)) return null;
    const path = pathOf(req);
    return isPeersPath(path) || PROBES.has(path) ? null : tooMany(this.clients.size);
  }

  /** Whether the connection goes with the answer to this request. A peer's stays: the answer may be the proof that it is one. */
  endsWith(req: IncomingMessage): boolean {
    return this.reserved.has(req.socket) && !isPeersPath(pathOf(req));
  }

  /** The connection is no client's, or closed. */
  private leave(socket: Duplex): void {
    clearTimeout(this.reserved.get(socket));
    this.reserved.delete(socket);
    const address = this.clients.get(socket);
    if (address !== undefined) this.held.add(address, -1);
    this.clients.delete(socket);
  }

  /** False: there is no place for one more client, or for one from this address. */
  private add(socket: Socket): boolean {
    const { clientsMax } = this.limits;
    const address = clientOf(socket);
    const max = clientsMax + (this.held.of(address) < FEW ? CLIENTS_SPARE : 0);
    if (this.clients.size >= max) return false;
    this.leave(socket);
    this.clients.set(socket, address);
    this.held.add(address, 1);
    return true;
  }

  private take(socket: Socket): void {
    const { reservedMax, reservedMs } = this.limits;
    taken.add(socket);
    socket.once(PROVED_PEER, () => this.leave(socket));
    socket.once("close", () => this.leave(socket));
    if (this.add(socket)) return;
    // The oldest has had its time to say who it is.
    const [oldest] = this.reserved.keys();
    if (this.reserved.size >= reservedMax && oldest !== undefined) {
      this.leave(oldest);
      oldest.destroy();
    }
    const timer = setTimeout(() => socket.destroy(), reservedMs).unref();
    this.reserved.set(socket, timer);
  }
}

const pathOf = (req: IncomingMessage): string => (req.url ?? "").split("?", 1)[0] ?? "";

/** Connections that came; one whose Upgrade is ignored is given to the server again. */
const taken = new WeakSet<Duplex>();

const tooMany = (clients: number): ProblemError =>
  new ProblemError(
    "too_many_connections",
    `${clients} clients are connected to this node; no more are taken. Nothing was written.`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
