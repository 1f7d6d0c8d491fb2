/**
 * The history of a run, one JSON object a line: docs/reference/history-format.md. This folder shares no code with what it
 * judges. All times are milliseconds on one monotonic clock, from the start of the run.
 */
export type HistoryLine = RunLine | AppendLine | ReadLine | ListLine | FaultLine | PhaseLine | LeaderLine | NoteLine;

/** The first line. */
export interface RunLine {
  type: "run";
  format: 1;
  seed: number;
  nodes: string[];
  /** Wall clock, for people. */
  startedAt: string;
  faults: string[];
}

/** Times of a call: just before its request is sent, and when its answer is there or given up. */
interface Call {
  client: string;
  node: string;
  start: number;
  end: number;
  /** HTTP status; 0 without an answer. */
  status: number;
  /** Problem code, or the error of the connection; absent when the call succeeded. */
  code?: string;
}

export interface SentEvent {
  eventType: string;
  sourceAppId: string;
  /** Its member `write` names the write: no two events of a run are sent under one name. */
  dataPayload: { write: string; [member: string]: unknown };
}

export interface Place {
  sequence: number;
  id: string;
  hash: string;
}

/** One attempt at one write. A batch has several events, which are stored together or not at all. */
export interface AppendLine extends Call {
  type: "append";
  /** Present on every attempt of a write that is sent with a key. */
  key?: string;
  isBatch?: boolean;
  events: SentEvent[];
  /** `refused`: this attempt certainly wrote nothing. `unexpected`: an answer that no valid write may get. */
  outcome: "ok" | "refused" | "unknown" | "unexpected";
  /** As acknowledged, in the order of `events`. */
  places?: Place[];
}

export interface SeenEvent extends Place {
  write: string;
}

/** A read of one event by its sequence. */
export interface ReadLine extends Call {
  type: "read";
  isLinearizable: boolean;
  sequence: number;
  outcome: "ok" | "absent" | "failed" | "unexpected";
  /** X-Log-Size: the committed events that the answer reflects. */
  size?: number;
  event?: SeenEvent;
}

/** A page of the list without filters: consecutive events. */
export interface ListLine extends Call {
  type: "list";
  isLinearizable: boolean;
  order: "asc" | "desc";
  /** Newest first: the page begins with the newest event there is. */
  isFirstPage: boolean;
  outcome: "ok" | "failed" | "unexpected";
  size?: number;
  events?: SeenEvent[];
}

export interface FaultLine {
  type: "fault";
  name: string;
  nodes: string[];
  settings: Record<string, number | string>;
  start: number;
  end: number;
}

/** From the first fault of an episode until all nodes are level again. */
export interface PhaseLine {
  type: "episode";
  number: number;
  start: number;
  end: number;
}

/** A node was seen to lead in a term that nobody was seen to lead before. */
export interface LeaderLine {
  type: "leader";
  at: number;
  node: string;
  term: number;
}

export interface NoteLine {
  type: "note";
  at: number;
  text: string;
}

/** An event of a node's log as `GET /api/v1/events` gives it; one a line in the file of each node. */
export interface LogEvent {
  v: number;
  sequence: number;
  id: string;
  eventType: string;
  timestamp: string;
  sourceAppId: string;
  dataPayload: Record<string, unknown>;
  payloadSalt: string;
  payloadHash: string;
  recordedAt: string;
  idempotencyKey?: string;
  batch?: [number, number];
  previousHash: string;
  hash: string;
  height: number;
  term: number;
}
