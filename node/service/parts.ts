import type { Logger } from "pino";
import type { NodeId } from "../../shared/ids.js";
import type { Clock } from "../clock.js";
import type { Config } from "../config.js";
import type { DiskWatch } from "../host/disk-watch.js";
import { PeerError } from "../peers/peer-client.js";
import type { PeerHandler } from "../peers/peer-server.js";
import type { PeerTransport } from "../peers/transport.js";
import { ProblemError } from "../problems.js";
import type { Driver } from "../replica/driver.js";
import type { Storage } from "../storage/port.js";
import type { LeaderWatch } from "./leader-watch.js";
import type { ReadLimits } from "./reads.js";

/** How long one peer may take to say what it knows; a node that does not is listed as such. */
export const PEER_ANSWER_MS_MAX = 1_000;
/** Between looks for a leader during an election. */
export const LEADER_POLL_MS = 20;
export const RETRY_AFTER_SECONDS = 1;

/** How a node asks another one, and answers it: the messages of their replicas go another way. */
export type PeerPort = Pick<PeerTransport, "request" | "handle">;

export interface LogServiceOptions {
  readonly config: Pick<Config, "nodeId" | "members" | "self" | "electionTimeoutMs" | "requestTimeoutMs">;
  readonly version: string;
  readonly storage: Storage;
  readonly driver: Driver;
  /** null for a node that stands alone. */
  readonly transport: PeerPort | null;
  readonly disk: Pick<DiskWatch, "isLow" | "describe" | "onChecked">;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly clock: Clock;
  readonly readLimits?: ReadLimits;
}

/** What the parts of the service share. */
export interface Parts extends LogServiceOptions {
  readonly peers: PeerDesk;
  readonly leaders: LeaderWatch;
}

export interface PeerAnswer<T> {
  readonly peer: NodeId;
  /** null for one that does not answer in time. */
  readonly answer: T | null;
  /** False if this node did not even try, for a reason of its own: that says nothing of the peer. */
  readonly wasAsked: boolean;
}

/** Questions to the other members, and the answers to theirs. */
export class PeerDesk {
  constructor(private readonly options: Pick<LogServiceOptions, "config" | "transport">) {}

  transport(): PeerPort {
    if (this.options.transport === null) throw unavailable("This node stands alone and knows no other.");
    return this.options.transport;
  }

  handle(path: string, handler: (body: unknown) => ReturnType<PeerHandler>): void {
    this.options.transport?.handle(path, handler);
  }

  /** Asks every other member at once. */
  async askAll<T>(path: string, body: unknown, parse: (body: unknown) => T): Promise<PeerAnswer<T>[]> {
    const { config } = this.options;
    const peers = config.members.filter((member) => member.id !== config.nodeId);
    return Promise.all(peers.map(({ id }) => this.asked(id, path, body, parse)));
  }

  async ask<T>(peer: NodeId, path: string, body: unknown, parse: (body: unknown) => T): Promise<T | null> {
    return (await this.asked(peer, path, body, parse)).answer;
  }

  private async asked<T>(
    peer: NodeId,
    path: string,
    body: unknown,
    parse: (body: unknown) => T,
  ): Promise<PeerAnswer<T>> {
    try {
      const answer = await this.transport().request(peer, path, body, { timeoutMs: PEER_ANSWER_MS_MAX });
      return { peer, answer: answer.status === 200 ? parse(answer.body) : null, wasAsked: true };
    } catch (error) {
      const isOurs = error instanceof PeerError && (error.failure === "overloaded" || error.failure === "closed");
      return { peer, answer: null, wasAsked: !isOurs };
    }
  }
}

export const ok = (body: unknown): { status: number; body: unknown } => ({ status: 200, body });

export const unavailable = (detail: string): ProblemError =>
  new ProblemError("no_quorum", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
export const notReady = (detail: string, cause?: unknown): ProblemError =>
  new ProblemError("not_ready", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });

/** What the promise gives, or null if it does not within `ms`. */
export function resultWithin<T>(clock: Clock, promise: Promise<T>, ms: number): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, ms), () => resolve(null));
    promise.then(resolve, reject).finally(cancel);
  });
}
