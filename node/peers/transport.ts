import type { RequestListener } from "node:http";
import { connect } from "node:net";
import type { Logger } from "pino";
import type { BulkEnd } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { PEER_PROTOCOL, type Rejection } from "./authentication.js";
import { PeerClient, PeerError, type PeerResult, type RequestOptions } from "./peer-client.js";
import { type PeerHandler, PeerServer } from "./peer-server.js";

export interface PeerTransportOptions {
  readonly selfId: NodeId;
  /** CLUSTER_SECRET. */
  readonly secret: string;
  /** The other members' base URLs, by id. */
  readonly peers: ReadonlyMap<NodeId, string>;
  /** `makeBootNonce()`, once a process. */
  readonly bootNonce: string;
  readonly timeouts: {
    /** How long the answer to a message is held for the core: about half an election timeout. */
    readonly holdMs: number;
    /** For a message without blocks; longer than the peers' `holdMs`. */
    readonly controlMs: number;
    /** For a message with blocks without progress; longer than the peers' `holdMs`. */
    readonly bulkIdleMs: number;
  };
  /** A message came; with `ref` when it arrived as a request, so that `send(answer, ref)` can answer it in place. */
  readonly onMessage: (message: PeerMessage, ref?: number) => void;
  /** One message with blocks is on its way to a peer: more of it has arrived, or it is over. */
  readonly onBulkProgress: (peer: NodeId, round: number) => void;
  readonly onBulkOver: (peer: NodeId, round: number, end: BulkEnd) => void;
  readonly onUnreachable: (peer: NodeId) => void;
  /** All of a peer's connections were closed and a new one to it is refused: its process has ended. */
  readonly onGone: (peer: NodeId) => void;
  /** Something was refused and changed nothing; `peer` is who it claimed to come from, as far as that is known. */
  readonly onRejected: (reason: Rejection, peer: NodeId | "") => void;
  readonly logger: Logger;
}

/** A peer that is refused for one reason is refused often; the log says so once in this time. */
const REPEAT_WARNING_MS = 10_000;
const PROBE_MS = 250;

/** How this node speaks with its peers: messages of the core (they may be lost), and authenticated JSON requests. */
export class PeerTransport {
  private readonly server: PeerServer;
  private readonly clients: Map<NodeId, PeerClient>;
  private readonly warnedAt = new Map<string, number>();
  private clusterId = "";

  constructor(private readonly options: PeerTransportOptions) {
    const { selfId, secret, bootNonce, timeouts, onMessage, onUnreachable } = options;
    const peers = [...options.peers].filter(([id]) => id !== selfId);
    const onRejected = (reason: Rejection, peer: NodeId | "", theirs?: string): void =>
      this.reject(reason, peer, theirs);
    const clusterId = (): string => this.clusterId;
    this.server = new PeerServer({
      selfId,
      secret,
      peers: peers.map(([id]) => id),
      clusterId,
      holdMs: timeouts.holdMs,
      onMessage,
      onRejected,
      onDisconnected: (peer) => this.probe(peer),
      onHandlerError: (error, path, { from, requestId }) =>
        options.logger.error({ err: error, path, peer: from, requestId }, "a peer's request failed here"),
    });
    this.clients = new Map(
      peers.map(([peerId, address]) => {
        const client = new PeerClient({
          selfId,
          peerId,
          address,
          secret,
          bootNonce,
          clusterId,
          controlTimeoutMs: timeouts.controlMs,
          bulkIdleMs: timeouts.bulkIdleMs,
          onBulkProgress: (round) => options.onBulkProgress(peerId, round),
          onBulkOver: (round, end) => options.onBulkOver(peerId, round, end),
          onMessage: (message) => onMessage(message),
          onUnreachable: () => onUnreachable(peerId),
          onRejected: (reason, theirs) => onRejected(reason, peerId, theirs),
        });
        return [peerId, client];
      }),
    );
  }

  /** A server's listener that takes the peers' requests and leaves the rest to `other`. */
  listener(other: RequestListener): RequestListener {
    return this.server.listener(other);
  }

  /** Known once the genesis is committed; from then on messages of another cluster are refused. */
  setClusterId(id: string): void {
    this.clusterId = id;
  }

  /** Sends, as the answer to `ref` while that is still held, else as a message of its own. It may be lost. */
  send(message: PeerMessage, ref?: number): void {
    if (ref !== undefined && this.server.answer(message, ref)) return;
    this.clients.get(message.to)?.post(message);
  }

  /**
   * Authenticated JSON request to `/peer/v1/<path>`. The body of the answer is what the peer says: parse it.
   * Throws PeerError when there is no authentic answer. A request may be sent twice (after a stale keep-alive
   * socket), so what it asks for must be idempotent.
   */
  async request(peer: NodeId, path: string, body: unknown, options: RequestOptions): Promise<PeerResult> {
    const client = this.clients.get(peer);
    if (client === undefined) throw new PeerError(peer, "unreachable", "no address is configured", false);
    return client.request(path, body, options);
  }

  handle(path: string, handler: PeerHandler): void {
    this.server.handle(path, handler);
  }

  async close(): Promise<void> {
    await Promise.all([this.server.close(), ...[...this.clients.values()].map((client) => client.close())]);
  }

  /** One attempt to connect: only a refusal says that nobody is there; a timeout may be a slow network. */
  private probe(peer: NodeId): void {
    const address = this.options.peers.get(peer);
    if (address === undefined) return;
    const { hostname, port } = new URL(address);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80), timeout: PROBE_MS });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") this.options.onGone(peer);
    });
    for (const end of ["connect", "timeout"] as const) socket.once(end, () => socket.destroy());
  }

  private reject(reason: Rejection, peer: NodeId | "", theirs?: string): void {
    this.options.onRejected(reason, peer);
    const key = `${reason} ${peer}`;
    const now = performance.now();
    if (now - (this.warnedAt.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_WARNING_MS) return;
    this.warnedAt.set(key, now);
    const hint =
      reason === "other_version"
        ? `: ${peer} speaks version ${theirs} of the peer protocol and this node version ${PEER_PROTOCOL}; run the same Quorumlog on both`
        : reason === "bad_signature" || reason === "refused_by_peer"
          ? ": is CLUSTER_SECRET the same?"
          : "";
    this.options.logger.warn({ reason, peer }, `peer message refused (${reason})${hint}`);
  }
}
