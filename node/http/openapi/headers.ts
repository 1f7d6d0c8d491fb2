/** Headers of answers; those of `EVERY_ANSWER` come with each one. */
export const HEADERS = {
  "X-Request-Id": { description: "The request's own, or one that was made here.", schema: { type: "string" } },
  "X-Served-By": { description: "The node that answers.", schema: { type: "string" } },
  "X-Term": { description: "The term that it is in.", schema: { type: "integer", minimum: 0 } },
  "X-Leader": { description: "The leader that it knows; absent while it knows none.", schema: { type: "string" } },
  "X-Log-Size": {
    description: "How many committed events the answer reflects.",
    schema: { type: "integer", minimum: 0 },
  },
  "X-Stale": {
    description: "The node has been without a leader for an election timeout.",
    schema: { type: "string", enum: ["true"] },
  },
  "X-Answered-From": {
    description:
      "Other nodes whose copies the answer shows, or whose search it rests on, as this node's own is not what was committed.",
    schema: { type: "string" },
  },
  "Idempotent-Replayed": {
    description: "This is the event of an earlier request with the same key.",
    schema: { type: "string", enum: ["true"] },
  },
  ETag: {
    description: "The event's hash in quotation marks, or of an alert one of all that a decision rests on.",
    schema: { type: "string", pattern: '^"[0-9a-f]{64}"$' },
  },
  Location: { description: "Where it is.", schema: { type: "string" } },
  Link: { description: "RFC 8288: the pages `next` and `prev`.", schema: { type: "string" } },
  "Retry-After": {
    description: "Seconds, where a retry makes sense.",
    schema: { type: "integer", minimum: 1 },
  },
} as const;
export type HeaderName = keyof typeof HEADERS;

export const EVERY_ANSWER = ["X-Request-Id", "X-Served-By", "X-Term"] as const satisfies readonly HeaderName[];
/** Where there is something to say. */
export const MAY_HAVE: ReadonlySet<HeaderName> = new Set([
  "X-Leader",
  "X-Stale",
  "X-Answered-From",
  "Idempotent-Replayed",
  "Link",
  "Retry-After",
]);
