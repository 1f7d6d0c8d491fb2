import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { readBody } from "../host/read-body.js";
import {
  HEADERS,
  PEER_PROTOCOL,
  PeerGate,
  type Rejection,
  readEnvelope,
  type SignedEnvelope,
  signAnswer,
  type Target,
} from "./authentication.js";
import { decodeMessage, encodeMessage } from "./codec.js";
import * as limits from "./limits.js";

export interface HandlerContext {
  readonly from: NodeId;
  /** The caller's X-Request-Id; empty when it sent none. */
  readonly requestId: string;
  /** Aborted when the caller is gone, or the transport closes. */
  readonly signal: AbortSignal;
}
export type PeerHandler = (body: unknown, context: HandlerContext) => Promise<{ status: number; body: unknown }>;

export interface PeerServerOptions {
  readonly selfId: NodeId;
  readonly secret: string;
  readonly peers: Iterable<NodeId>;
  readonly clusterId: () => string;
  /** How long a message's HTTP answer waits for the core's answer. */
  readonly holdMs: number;
  readonly onMessage: (message: PeerMessage, ref: number) => void;
  readonly onRejected: (reason: Rejection, peer: NodeId | "", theirs?: string) => void;
  /** The last of a peer's connections to this node was closed: it may have died. */
  readonly onDisconnected: (peer: NodeId) => void;
  readonly onHandlerError: (error: unknown, path: string, context: HandlerContext) => void;
}

/** A request whose sender is proved, and the one way to answer it. */
interface Incoming {
  readonly envelope: SignedEnvelope;
  readonly body: Buffer;
  readonly response: ServerResponse;
}
interface Held {
  readonly incoming: Incoming;
  readonly timer: NodeJS.Timeout;
}

/** What peers ask of this node: messages of the core, and JSON requests to handlers. */
export class PeerServer {
  private readonly gate: PeerGate;
  private readonly handlers = new Map<string, PeerHandler>();
  private readonly held = new Map<number, Held>();
  private readonly running = new Map<AbortController, Promise<void>>();
  /** Open connections by the peer that proved to be at their other end. */
  private readonly connections = new Map<NodeId, Set<Socket>>();
  private lastRef = 0;
  private incomingBytes = 0;
  /** Large bodies that arrive on connections on which nobody has proved anything yet, the oldest first. */
  private readonly strangers = new Map<IncomingMessage, number>();
  private readonly proved = new WeakSet<Socket>();
  private isClosed = false;

  constructor(private readonly options: PeerServerOptions) {
    this.gate = new PeerGate(options);
  }

  /** Takes what peers ask, and leaves the rest to `other`: messages come too often for a way through the whole app. */
  listener(other: RequestListener): RequestListener {
    return (request, response) => {
      const [path = ""] = (request.url ?? "").split("?", 1);
      const isPeers = path === limits.PEER_PATH || path.startsWith(`${limits.PEER_PATH}/`);
      if (isPeers) this.receive(request, response);
      else other(request, response);
    };
  }

  handle(path: string, handler: PeerHandler): void {
    this.handlers.set(`${limits.PEER_PATH}/${path}`, handler);
  }

  /** Writes `message` as the answer to the held request `ref`; false if that has been answered, or is another peer's. */
  answer(message: PeerMessage, ref: number): boolean {
    const held = this.held.get(ref);
    if (held === undefined || held.incoming.envelope.from !== message.to) return false;
    const body = encodeMessage(message);
    this.release(ref);
    this.write(held.incoming, 200, body);
    return true;
  }

  /** Answers what is held, tells the handlers to end, and gives them a moment to do so. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const [ref, { incoming }] of this.held) {
      this.release(ref);
      this.write(incoming, 204);
    }
    for (const controller of this.running.keys()) controller.abort();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, limits.CLOSE_WAIT_MS);
    });
    await Promise.race([Promise.allSettled(this.running.values()), patience]);
    clearTimeout(timer);
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const envelope = readEnvelope(request.headers);
    const early = this.gate.precheck(envelope);
    if (envelope === null || early !== null) {
      const theirs = early === "other_version" ? envelope?.protocol : undefined;
      this.reject(response, early ?? "malformed", theirs === undefined ? "" : (envelope?.from ?? ""), { theirs });
      return;
    }
    const length = Number(request.headers["content-length"] ?? limits.BODY_BYTES_MAX);
    const reserved = length > limits.SMALL_BODY_BYTES ? Math.min(length, limits.BODY_BYTES_MAX) : 0;
    if (this.incomingBytes + reserved > limits.INCOMING_BYTES_MAX) {
      unsigned(response, 503, "too many large requests at once");
      return;
    }

    // Whoever cannot prove who they are may at most hold this reservation, and not for long.
    this.incomingBytes += reserved;
    if (reserved > 0 && !this.proved.has(request.socket)) this.admitStranger(request, reserved);
    const arrival = watchArrival(request, reserved > 0 && request.url === limits.MESSAGES_PATH ? response : null);
    response.once("close", () => {
      this.incomingBytes -= reserved;
      this.strangers.delete(request);
    });
    readBody(request, limits.BODY_BYTES_MAX, (read) => {
      arrival.end();
      if (read.ok) this.judge(request, { envelope, body: read.body, response });
      else unsigned(response, 413, "the body cannot be read");
    });
  }

  /** A peer's first body is there in a moment: of too many, those go that have taken longest. */
  private admitStranger(request: IncomingMessage, reserved: number): void {
    this.strangers.set(request, reserved);
    let bytes = [...this.strangers.values()].reduce((sum, one) => sum + one, 0);
    for (const [oldest, size] of this.strangers) {
      if (bytes <= limits.STRANGERS_BYTES_MAX) return;
      bytes -= size;
      this.strangers.delete(oldest);
      oldest.destroy();
    }
  }

  private judge(request: IncomingMessage, incoming: Incoming): void {
    const target: Target = { method: request.method ?? "", path: request.url ?? "" };
    const { envelope, body, response } = incoming;
    const verdict = this.gate.check(target, envelope, body);
    if (verdict.ok) {
      this.track(envelope.from, request.socket);
      this.dispatch(target, incoming);
    } else this.reject(response, verdict.reason, envelope.from, { proved: { incoming, session: verdict.session } });
  }

  private track(peer: NodeId, socket: Socket): void {
    const open = this.connections.get(peer) ?? new Set();
    this.connections.set(peer, open);
    if (open.has(socket)) return;
    socket.emit(limits.PROVED_PEER);
    this.proved.add(socket);
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      if (open.size === 0 && !this.isClosed) this.options.onDisconnected(peer);
    });
  }

  private dispatch(target: Target, incoming: Incoming): void {
    const refusal = this.refusalOf(target);
    if (refusal !== null) {
      this.writeJson(incoming, refusal.status, { code: refusal.code });
      return;
    }
    const handler = this.handlers.get(target.path);
    if (handler === undefined) {
      this.accept(incoming);
      return;
    }
    const controller = new AbortController();
    const { from, requestId } = incoming.envelope;
    const context: HandlerContext = { from, requestId, signal: controller.signal };
    const work = this.run(handler, target.path, incoming, context)
      .catch((error: unknown) => this.options.onHandlerError(error, target.path, context))
      .finally(() => this.running.delete(controller));
    this.running.set(controller, work);
    incoming.response.once("close", () => controller.abort());
  }

  private refusalOf({ method, path }: Target): { status: number; code: string } | null {
    if (this.isClosed) return { status: 503, code: "closing" };
    if (method !== "POST") return { status: 405, code: "method_not_allowed" };
    if (path === limits.MESSAGES_PATH) return null;
    if (!this.handlers.has(path)) return { status: 404, code: "not_found" };
    return this.running.size < limits.RUNNING_HANDLERS_MAX ? null : { status: 503, code: "overloaded" };
  }

  private accept(incoming: Incoming): void {
    const { envelope, body, response } = incoming;
    let message: PeerMessage;
    try {
      message = decodeMessage(body);
      if (message.from !== envelope.from || message.to !== envelope.to) throw new Error("not the envelope's sender");
    } catch {
      this.options.onRejected("bad_message", envelope.from);
      this.writeJson(incoming, 400, { code: "bad_message" });
      return;
    }
    const ref = ++this.lastRef;
    if (this.held.size < limits.HELD_ANSWERS_MAX) {
      const timer = setTimeout(() => {
        this.release(ref);
        this.write(incoming, 204);
      }, this.options.holdMs);
      this.held.set(ref, { incoming, timer });
      response.once("close", () => this.release(ref));
    } else {
      this.write(incoming, 204);
    }
    // Held before it is delivered: the core may answer at once.
    this.options.onMessage(message, ref);
  }

  private release(ref: number): void {
    clearTimeout(this.held.get(ref)?.timer);
    this.held.delete(ref);
  }

  private async run(handler: PeerHandler, path: string, incoming: Incoming, context: HandlerContext): Promise<void> {
    let body: unknown;
    try {
      body = JSON.parse(incoming.body.toString("utf8"));
    } catch {
      this.writeJson(incoming, 400, { code: "malformed_json" });
      return;
    }
    try {
      const answer = await handler(body, context);
      this.writeJson(incoming, answer.status, answer.body);
    } catch (error) {
      this.options.onHandlerError(error, path, context);
      this.writeJson(incoming, 500, { code: "internal_error" });
    }
  }

  private writeJson(incoming: Incoming, status: number, body: unknown): void {
    this.write(incoming, status, Buffer.from(JSON.stringify(body ?? null)));
  }

  private write(incoming: Incoming, status: number, body: Buffer = Buffer.alloc(0), session = ""): void {
    const { response, envelope } = incoming;
    if (response.headersSent || response.destroyed) return;
    const signature = signAnswer(this.options.secret, envelope.signature, { status, session, body });
    response.setHeader(HEADERS.signature, signature);
    if (session !== "") response.setHeader(HEADERS.session, session);
    if (envelope.requestId !== "") response.setHeader("X-Request-Id", envelope.requestId);
    // Node refuses to know a length for 204; every other answer has one.
    response.writeHead(status, status === 204 ? {} : { "content-length": body.length });
    response.end(body);
  }

  /** 401. Signed only where the sender proved that it has the secret and needs the session; counted always. */
  private reject(
    response: ServerResponse,
    reason: Rejection,
    peer: NodeId | "",
    about: { proved?: { incoming: Incoming; session: string }; theirs?: string | undefined },
  ): void {
    const { proved, theirs } = about;
    const isFirstContact = reason === "unknown_boot" && proved?.incoming.envelope.session === "";
    if (!isFirstContact) this.options.onRejected(reason, peer, theirs);
    if (response.headersSent) return;
    response.setHeader("WWW-Authenticate", "Quorumlog-HMAC-SHA-256");
    response.setHeader(HEADERS.protocol, PEER_PROTOCOL);
    if (proved === undefined || proved.session === "") unsigned(response, 401, reason);
    else this.write(proved.incoming, 401, undefined, proved.session);
  }
}

/**
 * A body that comes too slowly is given up. A large one of a message says on the way how it gets on, and when it is
 * complete, so that its sender waits for a narrow link and not for one that loses it.
 */
function watchArrival(request: IncomingMessage, told: ServerResponse | null): { end(): void } {
  const startedAt = performance.now();
  let bytes = 0;
  let toldAt = startedAt;
  const tell = (): void => {
    toldAt = performance.now();
    if (told !== null && !told.headersSent && !told.destroyed) told.writeProcessing();
  };
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (performance.now() - toldAt >= limits.PROGRESS_MS) tell();
  });
  const timer = setInterval(() => {
    const lateMs = performance.now() - startedAt - limits.BODY_ARRIVAL_MS;
    if (lateMs >= 0 && bytes <= lateMs * limits.BODY_BYTES_PER_MS_MIN) request.destroy();
  }, ARRIVAL_LOOK_MS);
  const end = (): void => clearInterval(timer);
  request.once("close", end);
  return {
    end: () => {
      end();
      tell();
    },
  };
}
const ARRIVAL_LOOK_MS = 500;

/** An answer to somebody unproved. The rest of the body is not read: the connection goes. */
function unsigned(response: ServerResponse, status: number, detail: string): void {
  if (response.headersSent || response.destroyed) return;
  const code = status === 401 ? "unauthorized_peer" : status === 413 ? "too_large" : "not_ready";
  const type = `http://${response.req.headers.host ?? "localhost"}/problems/${code}`;
  response.writeHead(status, { Connection: "close", "Content-Type": "application/problem+json" });
  response.end(JSON.stringify({ type, status, code, detail }));
}
