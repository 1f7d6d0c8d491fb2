import type { ProblemCode } from "../../problems.js";
import type { HeaderName } from "./headers.js";
import type { Parameter } from "./parameters.js";
import type { SchemaName } from "./schemas.js";

export const TAGS = {
  "Reference API A": "Event logging system: the shapes that its clients know.",
  "Reference API B": "Event Logger Backend: the shapes that its clients know.",
  Events: "Our own API: events written one by one or in batches, listed by cursor, read by sequence.",
  Chain: "What proves that the log is whole.",
  Cluster: "The nodes as they see themselves and each other, and what a person decides.",
  Alerts: "What was found altered or missing.",
  Node: "This node: its health, its pages, its documents.",
} as const;
export type Tag = keyof typeof TAGS;

export interface Answer {
  readonly description: string;
  /** JSON of this schema. */
  readonly schema?: SchemaName;
  /** Other media types that the same answer can have. */
  readonly media?: Readonly<Record<string, object>>;
  readonly headers?: readonly HeaderName[];
}

/** One method of one path. */
export interface Operation {
  readonly method: "get" | "post";
  readonly path: string;
  readonly id: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly body?: { readonly schema: SchemaName; readonly example: object };
  readonly answers: Readonly<Record<number, Answer>>;
  /** Beside those that any request can be answered with. */
  readonly problems: readonly ProblemCode[];
}

/** Whatever is asked for. */
export const ANY_PROBLEMS: readonly ProblemCode[] = [
  "malformed_request",
  "host_not_allowed",
  "origin_not_allowed",
  "request_timeout",
  "headers_too_large",
  "internal_error",
  "too_many_connections",
];
/** A read of the log, which waits for what it must see. */
export const READ_PROBLEMS: readonly ProblemCode[] = ["not_ready", "no_quorum", "overloaded", "event_altered"];
const BODY_PROBLEMS: readonly ProblemCode[] = [
  "malformed_json",
  "cannot_be_carried",
  "too_large",
  "unsupported_media_type",
  "overloaded",
];
export const WRITE_PROBLEMS: readonly ProblemCode[] = [
  ...BODY_PROBLEMS,
  "invalid_header",
  "idempotency_key_reused",
  "in_progress",
  "no_quorum",
  "not_ready",
  "disk_low",
  "index_rebuilding",
  "outcome_unknown",
];
export const DECISION_PROBLEMS: readonly ProblemCode[] = [...BODY_PROBLEMS, "invalid_body", "no_quorum", "not_ready"];
