import type { Logger } from "pino";
import type { Height, NodeId } from "../../shared/ids.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { SignatureVerifier } from "../../shared/log/chain.js";
import type { Maintenance } from "../../shared/log/control.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import {
  type AnswerOf,
  type AnswerTo,
  PEER_REQUESTS,
  type PeerPath,
  type QuestionOf,
  type QuestionTo,
  refusalSchema,
} from "../../shared/protocol/requests.js";
import type { Clock } from "../clock.js";
import type { Config } from "../config.js";
import type { DiskWatch } from "../host/disk-watch.js";
import { PeerError, type RequestOptions } from "../peers/peer-client.js";
import type { HandlerContext } from "../peers/peer-server.js";
import type { PeerTransport } from "../peers/transport.js";
import { PROBLEMS, ProblemError } from "../problems.js";
import type { Driver } from "../replica/driver.js";
import type { WordedAlert } from "../replica/wording.js";
import type { AlertRecord, Storage } from "../storage/port.js";
import type { HeadsOptions } from "./head-exchange.js";
import type { LeaderWatch } from "./leader-watch.js";
import type { ReadLimits } from "./lookups.js";

/** How long one peer may take to say what it knows; a node that does not is listed as such. */
export const PEER_ANSWER_MS_MAX = 1_000;
/** Between looks for a leader during an election. */
export const LEADER_POLL_MS = 20;
/** How long after a write's deadline its leader's answer is waited for. */
export const ANSWER_GRACE_MS = 40;
export const RETRY_AFTER_SECONDS = 1;

/** How a node asks another one, and answers it: the messages of their replicas go another way. */
export type PeerPort = Pick<PeerTransport, "request" | "handle">;

export interface LogServiceOptions {
  readonly config: Pick<Config, "nodeId" | "members" | "self" | "electionTimeoutMs" | "requestTimeoutMs"> &
    Partial<Pick<Config, "host">>;
  readonly version: string;
  readonly storage: Storage;
  readonly driver: Driver;
  /** null for a node that stands alone. */
  readonly transport: PeerPort | null;
  readonly disk: Pick<DiskWatch, "isLow" | "describe" | "onChecked">;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly clock: Clock;
  readonly verifier: SignatureVerifier;
  /** Told of a stored block of which a read has found that it is not what was committed. */
  readonly onInvalidBlock: (at: Height, detail: string) => void;
  readonly readLimits?: ReadLimits;
  /** What this node does about its own alerts; a node without has none. */
  readonly incidents?: () => IncidentsPort;
  /** Sends a message to the webhook: null if it was taken, else why not. A node without a webhook has none. */
  readonly testWebhook?: () => Promise<string | null>;
  /** Why that webhook does not take messages; null: nothing is known against it. */
  readonly webhookFault?: () => string | null;
  /** Followers compare what their leaders told them; a node without does not. */
  readonly heads?: HeadsOptions;
  /** Told of what is found there. */
  readonly onAlert?: (alert: WordedAlert) => void;
  /** How far this node's own database is watched and verified. */
  readonly integrity: () => Pick<
    AnswerOf<"status">,
    | "watch"
    | "verifiedThrough"
    | "lastPassAt"
    | "oldestVerifiedAt"
    | "passHeight"
    | "passBlocksPerSecond"
    | "isRebuilding"
    | "isDamaged"
    | "isVerificationPending"
  > & {
    /** What is open from before cannot be read yet. Persons are told, and no other node. */
    readonly isUnread?: true;
  };
}

/** This node's own alerts, of which it alone can say and do more. */
export interface IncidentsPort {
  /** Index entries were found altered, and nobody has resolved that. */
  readonly isIndexInDoubt: boolean;
  evidence(alert: AlertRecord): Promise<EvidenceBundle>;
  /** What the log says of alerts of all nodes. */
  readonly logged: {
    readonly all: readonly AlertRecord[];
    find(id: string, node?: NodeId): AlertRecord | null;
    placeOf(node: NodeId, id: string): AlertRecord["inLog"];
  };
  /** What it says of planned maintenance. */
  readonly windows: {
    readonly all: readonly MaintenanceWindow[];
    find(said: Maintenance): MaintenanceWindow | null;
    annotated(alert: AlertRecord): AlertRecord;
  };
  /** A committed block with records of alerts or of maintenance. */
  onRecords(header: BlockHeader): void;
  /** Throws a problem `alert_conflict` where it cannot be done. */
  decide(
    decision: QuestionOf<"decide-alert">,
  ): Promise<{ readonly kind: "taken" | "stale"; readonly alert: AlertRecord }>;
}

/** What the parts of the service share. */
export interface Parts extends LogServiceOptions {
  readonly peers: PeerDesk;
  readonly leaders: LeaderWatch;
}

export interface PeerAnswer<P extends PeerPath> {
  readonly peer: NodeId;
  /** null for one that does not answer in time. */
  readonly answer: AnswerOf<P> | null;
  /** When it came: this node's wall clock, in milliseconds. */
  readonly at: number;
  /** False if this node did not even try, for a reason of its own: that says nothing of the peer. */
  readonly wasAsked: boolean;
}

/** What a peer said: its answer, why it refuses, or nothing that can be used. */
export type PeerReply<P extends PeerPath> =
  | { readonly kind: "answered"; readonly answer: AnswerOf<P> }
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "none" };

/** Who asks, and a signal that nobody waits for the answer any more. */
export type Asked = Pick<HandlerContext, "from" | "signal">;

/** Questions to the other members, and the answers to theirs, each as `PEER_REQUESTS` has it. */
export class PeerDesk {
  constructor(private readonly options: Pick<LogServiceOptions, "config" | "transport" | "clock">) {}

  /** A problem of status 409 is told to the one who asks; any other failure stays here, in the log. */
  handle<P extends PeerPath>(path: P, handler: (question: QuestionOf<P>, asked: Asked) => Promise<AnswerTo<P>>): void {
    const { question } = PEER_REQUESTS[path];
    this.options.transport?.handle(path, async (body, asked) => {
      const parsed = question.safeParse(body);
      if (!parsed.success) return { status: 400, body: { code: "bad_question" } };
      try {
        return { status: 200, body: await handler(parsed.data as QuestionOf<P>, asked) };
      } catch (error) {
        if (!(error instanceof ProblemError) || PROBLEMS[error.code].status !== 409) throw error;
        return { status: 409, body: { detail: error.detail } };
      }
    });
  }

  /** Throws PeerError where the peer was not reached or gave no authentic answer. */
  async request<P extends PeerPath>(
    peer: NodeId,
    path: P,
    question: QuestionTo<P>,
    options: RequestOptions,
  ): Promise<PeerReply<P>> {
    const { transport } = this.options;
    if (transport === null) throw unavailable("This node stands alone and knows no other.");
    const { status, body } = await transport.request(peer, path, question, options);
    if (status === 409) {
      const refusal = refusalSchema.safeParse(body);
      return refusal.success ? { kind: "refused", detail: refusal.data.detail } : { kind: "none" };
    }
    const answer = status === 200 ? PEER_REQUESTS[path].answer.safeParse(body) : undefined;
    return answer?.success === true ? { kind: "answered", answer: answer.data as AnswerOf<P> } : { kind: "none" };
  }

  /** Asks every other member at once. */
  async askAll<P extends PeerPath>(path: P, question: QuestionTo<P>): Promise<PeerAnswer<P>[]> {
    return Promise.all(this.others.map((id) => this.asked(id, path, question)));
  }

  /** The other members. */
  get others(): readonly NodeId[] {
    const { nodeId, members } = this.options.config;
    return members.flatMap(({ id }) => (id === nodeId ? [] : [id]));
  }

  async ask<P extends PeerPath>(peer: NodeId, path: P, question: QuestionTo<P>): Promise<AnswerOf<P> | null> {
    return (await this.asked(peer, path, question)).answer;
  }

  private async asked<P extends PeerPath>(peer: NodeId, path: P, question: QuestionTo<P>): Promise<PeerAnswer<P>> {
    try {
      const reply = await this.request(peer, path, question, { timeoutMs: PEER_ANSWER_MS_MAX });
      return {
        peer,
        answer: reply.kind === "answered" ? reply.answer : null,
        at: Date.parse(this.options.clock.wall()),
        wasAsked: true,
      };
    } catch (error) {
      const isOurs = error instanceof PeerError && (error.failure === "overloaded" || error.failure === "closed");
      return { peer, answer: null, at: Date.parse(this.options.clock.wall()), wasAsked: !isOurs };
    }
  }
}

export const unavailable = (detail: string): ProblemError =>
  new ProblemError("no_quorum", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
/** Where nobody is known to lead, or this node cannot know it. */
export const noLeader = (driver: Pick<Driver, "view">, detail: string): ProblemError =>
  driver.view() === null ? notReady(NOT_OPEN) : unavailable(detail);
const NOT_OPEN = "This node's log is not open, so it does not know who leads. Ask another node, or again shortly.";
export const notReady = (detail: string, cause?: unknown): ProblemError =>
  new ProblemError("not_ready", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });

/** What the promise gives, or null if it does not within `ms`. */
export function resultWithin<T>(clock: Clock, promise: Promise<T>, ms: number): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, ms), () => resolve(null));
    promise.then(resolve, reject).finally(cancel);
  });
}
