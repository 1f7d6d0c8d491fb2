/**
 * The one table of problems: stable code, HTTP status and title (constant a code). `node/routes/problems` serves a page
 * for each; docs/reference/errors.md lists them, and a test holds the two together.
 */
export const PROBLEMS = {
  malformed_json: { status: 400, title: "The body is not valid JSON", isRetryable: false },
  cannot_be_carried: {
    status: 400,
    title: "The body holds something that cannot be stored and read back unchanged",
    isRetryable: false,
  },
  invalid_parameter: { status: 400, title: "A query parameter is not valid", isRetryable: false },
  invalid_header: { status: 400, title: "A request header is not valid", isRetryable: false },
  invalid_event: { status: 422, title: "The event is not valid", isRetryable: false },
  unauthorized_peer: { status: 401, title: "The peer message is not authentic", isRetryable: false },
  not_found: { status: 404, title: "There is nothing here", isRetryable: false },
  append_only: { status: 405, title: "The log is append-only", isRetryable: false },
  method_not_allowed: { status: 405, title: "This method is not allowed here", isRetryable: false },
  hash_chain_conflict: { status: 409, title: "The log's head is not the expected one", isRetryable: false },
  in_progress: { status: 409, title: "The same Idempotency-Key is still being written", isRetryable: true },
  admission_conflict: { status: 409, title: "This node cannot be admitted now", isRetryable: false },
  too_large: { status: 413, title: "The request is too large", isRetryable: false },
  unsupported_media_type: { status: 415, title: "The body is not JSON", isRetryable: false },
  no_quorum: { status: 503, title: "No majority of the cluster can be reached", isRetryable: true },
  not_ready: { status: 503, title: "This node is not ready", isRetryable: true },
  overloaded: { status: 503, title: "Too many writes are waiting", isRetryable: true },
  outcome_unknown: { status: 504, title: "It is not known whether the write was stored", isRetryable: true },
  internal_error: { status: 500, title: "The node could not handle this request", isRetryable: false },
} as const;

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
