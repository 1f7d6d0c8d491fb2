import type { HashHex, NodeId } from "../../shared/ids.js";
import type { Maintenance } from "../../shared/log/control.js";
import type { EventView, PreparedEvent, ShownEvent } from "../../shared/log/event.js";
import type { EventFilter } from "../../shared/log/filter.js";
import type { FoundEvent } from "../../shared/log/stored-event.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import type { BlockView, NodeChain } from "../../shared/protocol/http.js";
import type { ElectionMessage, QuestionOf } from "../../shared/protocol/requests.js";
import type { AlertRecord, AlertsWanted } from "../storage/port.js";

/**
 * What the routes and streams need of a node; `node/service/log-service.ts` is the one implementation.
 * Failures that a client should see are thrown as `ProblemError` (node/problems.ts).
 */
export interface LogService {
  readonly writes: LogWrites;
  readonly reads: LogReads;
  readonly leadership: LogLeadership;
  readonly status: LogStatus;
  readonly alerts: LogAlerts;
  readonly maintenance: LogMaintenance;
}

export interface LogWrites {
  /** Appends on whichever node leads; resolves once a majority has it durable. */
  append(write: WriteRequest): Promise<AppendOutcome>;
}

export interface LogReads {
  /** Resolves when this node may answer a read (read your writes; after a start, the confirmed commit height); 503 after 2 s. */
  awaitReadable(condition?: ReadCondition): Promise<void>;
  /** null once the leader has confirmed that the log is shorter. */
  get(sequence: number): Promise<FoundOne | null>;
  page(request: PageRequest): Promise<Found>;
  /** Exact up to `cap`. Throws ProblemError where the filter cannot be counted in time. */
  count(filter: EventFilter, range: { high: number; cap: number }): Promise<Counted>;
  /** How many events were recorded when. Throws ProblemError where not even the newest span can be counted in time. */
  histogram(request: HistogramRequest): Promise<HistogramFound>;
  /** Payload paths that events can be filtered by. */
  readonly indexedPaths: readonly string[];
  /** Each node's copy and hash of one event, as each says itself. */
  copies(sequence: number): Promise<NodeCopy[]>;
  /** What a client needs to check a committed block; null above what this node knows to be committed. */
  block(height: number): Promise<BlockView | null>;
  /** Each node's hashes of the same events, as each says itself. */
  chain(from: number, count: number): Promise<NodeChain[]>;
  /** Committed events that reads reflect at this moment. */
  readonly logSize: number;
  /**
   * Every committed event from now on, once, in order, in the batches in which they were committed. `passBy` is asked before
   * events are made, with the first sequence and the one after the last: true if the listener needs no more of them.
   */
  subscribe(
    listener: (events: readonly ShownEvent[]) => void,
    passBy?: (first: number, next: number) => boolean,
  ): () => void;
}

export interface LogLeadership {
  /** Resolves once another node leads. */
  stepDown(request: StepDownRequest): Promise<LeadingNode>;
  admit(request: { node: NodeId; actor: string; reason: string }): Promise<void>;
  /** The newest first, with the writes that each node refused meanwhile; and the nodes that did not say. */
  elections(limit: number): Promise<ElectionList>;
}

export interface LogStatus {
  readonly nodeId: NodeId;
  standing(): Standing;
  readiness(): ReadinessCheck[];
  clusterStatus(): Promise<ClusterStatus>;
  /** Elections as this node learns of their commit, and alerts that this node finds. */
  subscribeNotices(listener: (notice: StreamNotice) => void): () => void;
}

/** The newest unresolved alerts of all nodes that answer, and how many more these have. */
export interface AlertList {
  readonly alerts: AlertRecord[];
  readonly more: number;
  readonly unreachable: NodeId[];
}

export interface LogAlerts {
  alerts(limit: number, wanted?: AlertsWanted): Promise<AlertList>;
  /** From whichever node has it; null if none does: while one does not answer, that is a problem `not_ready`. */
  alert(id: string): Promise<AlertRecord | null>;
  /** With what it can be checked; made by the node whose alert it is. null as above. */
  evidence(id: string): Promise<EvidenceBundle | null>;
  /** Passes a person's decision to the node whose alert it is; null as above. */
  decide(
    decision: QuestionOf<"decide-alert">,
  ): Promise<{ readonly kind: "taken" | "stale"; readonly alert: AlertRecord } | null>;
  /** Whether this node's webhook takes a message, and why not; null: it has none. */
  testWebhook(): Promise<{ readonly delivered: boolean; readonly detail?: string } | null>;
}

export interface LogMaintenance {
  /** The newest first, as far as this node knows the log. */
  windows(limit: number): MaintenanceWindow[];
  /** Passes it to the leader; resolves once it is committed. */
  record(said: Maintenance): Promise<MaintenanceWindow>;
}

/** Events with a sequence from `low` on and below `high` that meet a filter. */
export interface PageRequest {
  readonly filter: EventFilter;
  readonly order: "asc" | "desc";
  readonly low: number;
  readonly high: number;
  /** So many are passed over first. */
  readonly skip?: number;
  readonly limit: number;
  /** The search may take no longer, where that is less than any search may: so much is left of an answer's time. */
  readonly searchMsMax?: number;
  /** Whose it is, as an address: where many wait, each address has its turn. */
  readonly by?: string;
}

/** On what an answer rests besides this node's own log. */
export interface Answered {
  /** Other nodes whose copies it shows, where its own are not what was committed; or whose search has found them. */
  readonly from: readonly NodeId[];
}

export interface FoundOne extends Answered {
  readonly event: FoundEvent;
}

export interface Counted extends Answered {
  readonly total: number;
  readonly isCapped: boolean;
}

/** Some of them; it may be fewer than asked for, or none, and there may still be more. */
export interface Found extends Answered {
  readonly events: readonly FoundEvent[];
  /** The next sequence to look at in the order; null once all of the range was looked at. */
  readonly next: number | null;
  /** The time of a search, or what it may look at, is used up. */
  readonly isCutOff: boolean;
}

/** Events below `size` that meet a filter, by the time at which they were recorded: that is no condition of the filter here. */
export interface HistogramRequest {
  readonly filter: Omit<EventFilter, "recordedSince" | "recordedUntil">;
  /** Milliseconds since 1970, the first inclusive, the second exclusive; null: from the first event, to the newest one. */
  readonly since: number | null;
  readonly until: number | null;
  /** So many spans of the same length, or as many as there are milliseconds. */
  readonly buckets: number;
  readonly size: number;
}

export interface HistogramFound extends Answered {
  /** Milliseconds since 1970, ascending: one more than there are buckets. None where there is no time to look at. */
  readonly edges: readonly number[];
  /** null: not counted in time. */
  readonly counts: readonly (number | null)[];
}

/** What a read must see besides what this node acknowledged. */
export interface ReadCondition {
  readonly minSequence?: number;
  /** Every event that any node acknowledged before the read came: the leader is asked. */
  readonly isLinearizable?: boolean;
}

/** An election that the log remembers. */
export interface ElectionRecord {
  readonly term: number;
  readonly leaderId: NodeId;
  readonly height: number;
  /** When its block was sealed. */
  readonly at: string;
  /** null where the log does not say. */
  readonly reason: "genesis" | "no_leader" | "take_over" | "hand_over" | null;
  readonly previousLeader: NodeId | null;
  readonly votes: readonly NodeId[];
  readonly tookMs: number | null;
  /** The leader before it told the winner to run. */
  readonly handOver: boolean;
  /** Writes answered 503 no_quorum before this leader was known, by node, since that node's start. */
  readonly writesRefused: Readonly<Record<NodeId, number>>;
}

/** Each the newest first. */
export interface ElectionList {
  readonly elections: readonly ElectionRecord[];
  readonly messages: readonly ElectionMessage[];
  readonly unreachable: readonly NodeId[];
}

export interface StepDownRequest {
  readonly actor: string;
  readonly reason: string;
  readonly target?: NodeId | undefined;
}

export interface LeadingNode {
  readonly leaderId: NodeId;
  readonly term: number;
}

export type StreamNotice =
  | { readonly kind: "alert"; readonly alert: AlertRecord }
  | { readonly kind: "election"; readonly election: Omit<ElectionRecord, "writesRefused"> };

export interface WriteRequest {
  readonly events: readonly PreparedEvent[];
  readonly requestId: string;
  readonly ifPreviousHash?: HashHex | "";
}

export interface AppendOutcome {
  readonly events: readonly EventView[];
  readonly acknowledgedBy: readonly NodeId[];
  /** The same Idempotency-Key was answered before: these are the first events. */
  readonly isReplay: boolean;
}

export interface Standing {
  readonly leaderId: NodeId | null;
  readonly term: number;
  /** No leader for an election timeout. */
  readonly isStale: boolean;
}

export interface NodeCopy {
  readonly node: NodeId;
  readonly hash: HashHex | null;
  readonly event: EventView | null;
  /** Why there is no copy: not reached, not there yet. */
  readonly detail?: string;
}

export interface ReadinessCheck {
  readonly name:
    | "mongodb"
    | "quorum"
    | "membership"
    | "leader"
    | "reads"
    | "watch"
    | "integrity"
    | "verification"
    | "index"
    | "disk"
    | "stopping";
  readonly isOk: boolean;
  /** A person should know, but the node is as ready as before. */
  readonly isAdvisory?: boolean;
  readonly detail: string;
}

export interface NodeStatus {
  id: NodeId;
  address: string;
  role: "leader" | "follower" | "candidate" | "learner" | "unknown";
  priority: number;
  term: number;
  /** `damaged`: a committed block of its own is not what it was; it votes and acknowledges, and lets others lead. */
  health: "sound" | "damaged" | "learner" | "stalled" | "unknown";
  lastHeight: number;
  commitHeight: number;
  /** -1 for an empty log. */
  lastSequence: number;
  headHash: string;
  lagEvents: number;
  lastContactMs: number | null;
  healthy: boolean;
  version: string;
  /** RFC 3339: since when this node has known the present leader; null while it knows none. */
  stableSince: string | null;
  /** How long until this node runs for leader if it hears none, of how long at first; null where it does not wait. */
  electionWait: { leftMs: number; ofMs: number } | null;
  /** Whether changes in its database are seen at once. */
  watch: "starting" | "live" | "down" | "unsupported" | "unknown";
  /** The last sequence that this node's latest full verification reached; -1 before its first. */
  verifiedThrough: number;
  /** RFC 3339: when that verification ended; and when the block that waits longest for its next one was verified. */
  lastPassAt: string | null;
  oldestVerifiedAt: string | null;
  /** How far the running pass has come, null between two; and how many blocks a second it verifies, null before any. */
  passHeight: number | null;
  passBlocksPerSecond: number | null;
  /** `pending`: what was changed while nobody watched is being looked for in the whole log. */
  verification: "fresh" | "pending" | "unknown";
  clockSkewMs: number | null;
  detail?: string;
}

export interface ClusterStatus {
  clusterId: string;
  state: "available" | "degraded" | "no_quorum" | "integrity_alert";
  quorum: number;
  failureTolerance: number;
  leaderId: NodeId | null;
  term: number;
  /** Node ids, the highest priority first. */
  priority: NodeId[];
  nodes: NodeStatus[];
  /** Payload paths that this node's index can be asked for, and the height up to which it is whole. */
  index: { payload: string[]; wholeThrough: number };
  warnings: string[];
  /** What each node itself says of leader and term. */
  views: { node: NodeId; leaderId: NodeId | null; term: number }[];
}
