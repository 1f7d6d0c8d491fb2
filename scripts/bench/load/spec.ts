import type { Spread } from "./events.js";
import type { HistogramCounts } from "./histogram.js";

/** Where a load goes. */
export type LoadTarget =
  | { readonly kind: "quorumlog"; readonly urls: readonly string[] }
  | { readonly kind: "etcd"; readonly urls: readonly string[] }
  | { readonly kind: "nats"; readonly ports: readonly number[]; readonly subject: string }
  | { readonly kind: "mongodb"; readonly uri: string; readonly collection: string };

/** Where a read is drawn from: the newest 10,000 events, or all. */
export type Part = "hot" | "cold";
export const HOT_EVENTS = 10_000;

export type FilterName = "type" | "source" | "both" | "never" | "minute";

export type Work =
  /** One event, or a batch that is stored as a whole. */
  | {
      readonly kind: "append";
      readonly batch: number;
      readonly bytes?: number;
      /** An Idempotency-Key of its own for each request. */
      readonly isKeyed?: boolean;
      readonly spread?: Spread;
    }
  /** One event by its key, drawn at random. */
  | { readonly kind: "read-one"; readonly part: Part }
  /** 50 events of one application, newest first, from a place drawn at random. */
  | { readonly kind: "page"; readonly part: Part }
  /** A page of ten, by its number, of the reference API. */
  | { readonly kind: "numbered-page"; readonly page: number; readonly isFiltered: boolean }
  /** The first page of 50 that a filter finds. */
  | {
      readonly kind: "filter";
      readonly api: "own" | "reference";
      readonly filter: FilterName;
      readonly spread: Spread;
    };

/** One run of load, as its process is told. */
export interface LoadSpec {
  readonly target: LoadTarget;
  readonly work: Work;
  /** Closed loop: each client sends its next operation when it has the answer. Open loop: how many may be under way. */
  readonly clients: number;
  readonly seconds: number;
  /** Open loop: operations fall due at this rate, whatever the answers do, and latency counts from the due time. */
  readonly perSecond?: number;
  /** Ends a closed loop early. */
  readonly operationsMax?: number;
  /** Report when each event was acknowledged: single appends to Quorumlog only. */
  readonly recordsAcknowledgements?: boolean;
}

/** On the clock that all processes of a machine share. */
export interface Acknowledgement {
  readonly sequence: number;
  readonly atMs: number;
}

export interface LoadResult {
  /** Operations answered with success, and the events in them. */
  readonly operations: number;
  readonly events: number;
  /** From the first operation to the last answer. */
  readonly seconds: number;
  /** When the last answer came, on the clock that all processes share. */
  readonly endedAtMs: number;
  /** What failed, by the reason, and how often. */
  readonly errors: Readonly<Record<string, number>>;
  readonly latency: HistogramCounts;
  /** Open loop: operations that fell due and were not even begun, because far too many waited. */
  readonly dropped: number;
  /** Pages that ended before they were full, though there may be more. */
  readonly unfinished: number;
  readonly acknowledgements: readonly Acknowledgement[];
}

export type ToLoad = { readonly kind: "run"; readonly spec: LoadSpec } | { readonly kind: "finish" };
export type FromLoad =
  | { readonly kind: "progress"; readonly events: number; readonly errors: number }
  | { readonly kind: "result"; readonly result: LoadResult }
  | { readonly kind: "failed"; readonly message: string };

/** Monotonic milliseconds since the machine started: comparable between its processes, unlike `performance.now()`. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;
