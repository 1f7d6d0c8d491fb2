/**
 * The one table of problems: stable code, HTTP status, title (constant a code), whether the same request can succeed
 * later, and what to do. `node/http/routes/problem-pages.ts` serves a page for each; docs/reference/errors.md lists them,
 * and a test holds the two together.
 */
export const PROBLEMS = {
  malformed_request: {
    status: 400,
    title: "The request is malformed",
    isRetryable: false,
    help: "The path, the headers or the transfer of the body are not valid HTTP for this route. Correct the request.",
  },
  malformed_json: {
    status: 400,
    title: "The body is not valid JSON",
    isRetryable: false,
    help: "Send one JSON object in UTF-8. The detail says at which line and column it stops being JSON.",
  },
  cannot_be_carried: {
    status: 400,
    title: "The body holds something that cannot be stored and read back unchanged",
    isRetryable: false,
    help:
      "Duplicate keys, the keys __proto__ and _bsontype, keys with a NUL character, halves of surrogate pairs, nesting " +
      "deeper than 64 levels, and numbers that an IEEE-754 double would change are refused. Send such numbers as strings.",
  },
  invalid_fields: {
    status: 400,
    title: "A field is missing or not valid",
    isRetryable: false,
    help: "The list of errors names every field with its JSON pointer and says what it must be.",
  },
  invalid_parameter: {
    status: 400,
    title: "A query parameter is not valid",
    isRetryable: false,
    help: "The list of errors names every parameter and says what it must be.",
  },
  invalid_header: {
    status: 400,
    title: "A request header is not valid",
    isRetryable: false,
    help: "The detail names the header and says what it must be.",
  },
  invalid_event: {
    status: 422,
    title: "The event is not valid",
    isRetryable: false,
    help: "The list of errors names every field with its JSON pointer and says what it must be.",
  },
  idempotency_key_reused: {
    status: 422,
    title: "The Idempotency-Key belongs to another write",
    isRetryable: false,
    help: "A key stands for one request of a sourceAppId, for ever. Send another event or batch with a key of its own.",
  },
  invalid_body: {
    status: 422,
    title: "The body is not valid",
    isRetryable: false,
    help: "The list of errors names every field with its JSON pointer and says what it must be.",
  },
  unauthorized_peer: {
    status: 401,
    title: "The peer message is not authentic",
    isRetryable: false,
    help: "Messages between nodes carry an HMAC under CLUSTER_SECRET, which must be the same on every node.",
  },
  host_not_allowed: {
    status: 403,
    title: "The host is not this node",
    isRetryable: false,
    help:
      "A browser could be led here by a web site's own name. Use localhost, an address, or the node's name in MEMBERS, " +
      "or add the name to ALLOWED_HOSTS.",
  },
  origin_not_allowed: {
    status: 403,
    title: "The web site may not use this node",
    isRetryable: false,
    help: "Pages of other web sites neither read nor write here, unless ALLOWED_ORIGINS names their origin.",
  },
  not_found: {
    status: 404,
    title: "There is nothing here",
    isRetryable: false,
    help: "GET / lists the routes of this node. An event is found under its sequence once it is committed.",
  },
  append_only: {
    status: 405,
    title: "The log is append-only",
    isRetryable: false,
    help: "An event can be added and read, never changed or removed. To correct one, log another that refers to it.",
  },
  method_not_allowed: {
    status: 405,
    title: "This method is not allowed here",
    isRetryable: false,
    help: "The Allow header names the methods of this path.",
  },
  request_timeout: {
    status: 408,
    title: "The request took too long to arrive",
    isRetryable: true,
    help: "Headers must be there within 15 s, and the whole request within 30 s.",
  },
  hash_chain_conflict: {
    status: 409,
    title: "The log's head is not the expected one",
    isRetryable: false,
    help: "Another event was logged since previousHash was read. Read the head, decide again, and send with the new one.",
  },
  in_progress: {
    status: 409,
    title: "The same Idempotency-Key is still being written",
    isRetryable: true,
    help: "Send the same request again with the same key: it will answer with the first one's event.",
  },
  admission_conflict: {
    status: 409,
    title: "This node cannot be admitted now",
    isRetryable: false,
    help: "Only a known member that is a learner at this moment can be admitted. GET /api/v1/cluster shows them.",
  },
  maintenance_conflict: {
    status: 409,
    title: "This maintenance cannot be recorded now",
    isRetryable: false,
    help: "It is recorded for a member, by the leader. GET /api/v1/cluster shows the members.",
  },
  step_down_conflict: {
    status: 409,
    title: "No other node takes the lead now",
    isRetryable: true,
    help: "A node takes over only as a voter that answers, is level, and has a healthy disk. GET /api/v1/cluster shows them.",
  },
  alert_conflict: {
    status: 409,
    title: "This cannot be done about the alert",
    isRetryable: false,
    help: "The detail says why, and what can be done. GET the alert to see how it stands.",
  },
  stale_alert: {
    status: 412,
    title: "The alert is not as it was any more",
    isRetryable: false,
    help: "Somebody has decided, or more was found. GET the alert, decide again, and send its new ETag as If-Match.",
  },
  chaos_conflict: {
    status: 409,
    title: "This fault cannot be made now",
    isRetryable: false,
    help: "GET /api/v1/chaos shows which nodes run, which are paused, and which are cut off.",
  },
  too_large: {
    status: 413,
    title: "The request is too large",
    isRetryable: false,
    help: "One event has at most 256 KiB as compact JSON (configurable), a batch at most 1,000 events and 4 MiB.",
  },
  unsupported_media_type: {
    status: 415,
    title: "The body is not JSON",
    isRetryable: false,
    help: "Send Content-Type: application/json, in UTF-8, without a Content-Encoding.",
  },
  upgrade_required: {
    status: 426,
    title: "This path is a stream",
    isRetryable: false,
    help: "Connect with a WebSocket, or send Accept: text/event-stream for server-sent events.",
  },
  precondition_required: {
    status: 428,
    title: "The decision does not say what it is about",
    isRetryable: false,
    help: "Send the ETag of the alert that was read as If-Match, so that nobody decides about what he has not seen.",
  },
  headers_too_large: {
    status: 431,
    title: "The request's headers are too many or too large",
    isRetryable: false,
    help: "A request has at most 100 headers, together at most 16 KiB.",
  },
  no_quorum: {
    status: 503,
    title: "No leader has confirmed it in time",
    isRetryable: true,
    help: "An event that was sent with this request was not written. Try again: a leader is usually found within two seconds if a majority is alive.",
  },
  not_ready: {
    status: 503,
    title: "This node is not ready",
    isRetryable: true,
    help: "Try again, or ask another node. GET /readyz?verbose says what is missing.",
  },
  overloaded: {
    status: 503,
    title: "This node is overloaded",
    isRetryable: true,
    help: "Try again more slowly; the detail says what there is too much of, and of a write that it was not written.",
  },
  index_rebuilding: {
    status: 503,
    title: "The index is being made anew",
    isRetryable: true,
    help: "Reads by sequence, lists without a filter and writes without a key are served meanwhile. Ask again later.",
  },
  event_altered: {
    status: 409,
    title: "The stored event was altered",
    isRetryable: false,
    help:
      "This node's copy is not what was committed, and is not shown. An event is answered from another node's copy, unless " +
      "none comes in time. Ask another node; GET /api/v1/alerts says more.",
  },
  disk_low: {
    status: 503,
    title: "The disk of the leading node is nearly full",
    isRetryable: true,
    help: "Nothing was written. Free some space, or add some; reads go on. GET /readyz?verbose says how much there is.",
  },
  too_many_streams: {
    status: 503,
    title: "This node serves as many streams as it can",
    isRetryable: true,
    help: "Connect to another node, or try again later.",
  },
  too_many_connections: {
    status: 503,
    title: "This node has as many clients as it can",
    isRetryable: true,
    help: "Nothing was written. Close connections that are not needed, connect to another node, or try again later.",
  },
  outcome_unknown: {
    status: 504,
    title: "It is not known whether the write was stored",
    isRetryable: true,
    help:
      "The write was sent to a leader, and what became of it was not heard in time. Retry with the same Idempotency-Key; without one, " +
      "look for the event before sending it again.",
  },
  internal_error: {
    status: 500,
    title: "The node could not handle this request",
    isRetryable: false,
    help: "This is a fault of the node. Its log holds the cause under the requestId.",
  },
} as const satisfies Record<string, { status: number; title: string; isRetryable: boolean; help: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldError {
  /** JSON pointer as a URI fragment, `#/dataPayload/a`. */
  readonly pointer: string;
  readonly detail: string;
}

/** A failure that a client is told of. `detail` says what happened, what was or was not written, and what to do. */
export class ProblemError extends Error {
  readonly errors: readonly FieldError[];
  readonly retryAfterSeconds: number | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    options: {
      errors?: readonly FieldError[];
      retryAfterSeconds?: number;
      extra?: Record<string, unknown>;
      cause?: unknown;
    } = {},
  ) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ProblemError";
    this.errors = options.errors ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.extra = options.extra ?? {};
  }
}
