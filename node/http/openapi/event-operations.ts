import type { HeaderName } from "./headers.js";
import { type Operation, READ_PROBLEMS, WRITE_PROBLEMS } from "./operation.js";
import {
  buckets,
  bySequence,
  conditions,
  filters,
  idempotencyKey,
  ifNoneMatch,
  listA,
  listB,
  listing,
  streamA,
  streamOwn,
} from "./parameters.js";

const READ: readonly HeaderName[] = ["X-Log-Size", "X-Stale"];
const FOUND: readonly HeaderName[] = [...READ, "X-Answered-From"];
const EVENT = { eventType: "invoice.paid", sourceAppId: "billing", dataPayload: { invoice: 991, amount: "125.00" } };
const ONE = { schema: "EventInput", example: EVENT } as const;

/** Streams say the same by WebSocket and by server-sent events. */
const streamed = {
  101: { description: "A WebSocket; each message is one JSON object." },
  200: {
    description: "Server-sent events, for `Accept: text/event-stream`; each `id` is a sequence.",
    media: { "text/event-stream": { schema: { type: "string" } } },
  },
};
const STREAM_PROBLEMS = [
  ...(["upgrade_required", "invalid_parameter", "invalid_header"] as const),
  ...(["too_many_streams", "no_quorum", "not_ready"] as const),
];

const referenceA: Operation[] = [
  {
    ...{ method: "post", path: "/api/event-logs", id: "logEventA", tag: "Reference API A" },
    summary: "Logs an event",
    description:
      "Answered once most of the nodes have it durable. A `previousHash` in the body is a condition: if it is not " +
      "the hash of the newest event when this one is ordered, nothing is written.",
    parameters: [idempotencyKey],
    body: { schema: "ConditionalEventInput", example: { ...EVENT, timestamp: "2026-05-01T12:00:00Z" } },
    answers: { 201: { description: "The event.", schema: "EventA", headers: ["Idempotent-Replayed"] } },
    problems: [...WRITE_PROBLEMS, "invalid_fields", "hash_chain_conflict"],
  },
  {
    ...{ method: "get", path: "/api/event-logs", id: "listEventsA", tag: "Reference API A" },
    summary: "Lists events, page by page",
    description: "Both dates compare with the events' own timestamps and are inclusive. Other parameters are ignored.",
    parameters: listA,
    answers: { 200: { description: "One page.", schema: "EventListA", headers: FOUND } },
    problems: [...READ_PROBLEMS, "invalid_parameter", "index_rebuilding"],
  },
  {
    ...{ method: "get", path: "/api/event-logs/stream", id: "streamA", tag: "Reference API A" },
    summary: "Streams events as they are committed",
    description: "From the moment of connecting, or from the place that is asked for. Other parameters are ignored.",
    parameters: streamA,
    answers: streamed,
    problems: STREAM_PROBLEMS,
  },
];

const referenceB: Operation[] = [
  {
    ...{ method: "post", path: "/events", id: "logEventB", tag: "Reference API B" },
    summary: "Logs an event",
    description: "Every new event is pushed to the WebSockets at the server's root as well.",
    parameters: [idempotencyKey],
    body: ONE,
    answers: { 201: { description: "The event.", schema: "ReceiptB", headers: ["Idempotent-Replayed"] } },
    problems: [...WRITE_PROBLEMS, "invalid_fields"],
  },
  {
    ...{ method: "get", path: "/events", id: "listEventsB", tag: "Reference API B" },
    summary: "Lists events, oldest first",
    description: "Other parameters are ignored.",
    parameters: listB,
    answers: { 200: { description: "One page.", schema: "EventListB", headers: FOUND } },
    problems: [...READ_PROBLEMS, "invalid_parameter"],
  },
];

const own: Operation[] = [
  {
    ...{ method: "post", path: "/api/v1/events", id: "appendEvent", tag: "Events" },
    summary: "Logs an event",
    description: "Answered once most of the nodes have it durable. Any node takes it; a follower forwards it.",
    parameters: [idempotencyKey],
    body: ONE,
    answers: {
      201: {
        ...{ description: "Where it stands in the log.", schema: "EventReceipt" },
        headers: ["Location", "ETag", "Idempotent-Replayed"],
      },
    },
    problems: [...WRITE_PROBLEMS, "invalid_event"],
  },
  {
    ...{ method: "get", path: "/api/v1/events", id: "listEvents", tag: "Events" },
    summary: "Lists events, by cursor",
    description: "`next` alone says whether there is more: a page may be short, or empty, and still have one.",
    parameters: [...filters, ...listing, ...conditions],
    answers: { 200: { description: "One page.", schema: "EventList", headers: [...FOUND, "Link"] } },
    problems: [...READ_PROBLEMS, "invalid_parameter", "index_rebuilding"],
  },
  {
    ...{ method: "post", path: "/api/v1/events:batch", id: "appendBatch", tag: "Events" },
    summary: "Logs up to 1,000 events, all or none",
    description: "All stand in one block, in the order sent.",
    parameters: [idempotencyKey],
    body: { schema: "BatchInput", example: { events: [EVENT, { ...EVENT, eventType: "invoice.sent" }] } },
    answers: { 201: { description: "Where they stand.", schema: "BatchReceipt", headers: ["Idempotent-Replayed"] } },
    problems: [...WRITE_PROBLEMS, "invalid_event"],
  },
  {
    ...{ method: "get", path: "/api/v1/events/histogram", id: "histogram", tag: "Events" },
    summary: "Counts events over time",
    description: "Exact counts in spans of the same length, by the time at which events were recorded.",
    parameters: [...filters, buckets, ...conditions],
    answers: { 200: { description: "The counts.", schema: "Histogram", headers: FOUND } },
    problems: [...READ_PROBLEMS, "invalid_parameter", "index_rebuilding"],
  },
  {
    ...{ method: "get", path: "/api/v1/events/{sequence}", id: "readEvent", tag: "Events" },
    summary: "Reads one event",
    parameters: [bySequence, ...conditions, ifNoneMatch],
    answers: {
      200: {
        description: "The event, with what both its hashes are recomputed from.",
        schema: "Event",
        headers: [...FOUND, "ETag"],
      },
      304: { description: "It is the one that the client has.", headers: [...FOUND, "ETag"] },
    },
    problems: [...READ_PROBLEMS, "invalid_parameter", "not_found"],
  },
  {
    ...{ method: "get", path: "/api/v1/events/{sequence}/nodes", id: "readCopies", tag: "Events" },
    summary: "Reads each node's own copy of an event",
    description: "As each has it in its database. A node that has none says why.",
    parameters: [bySequence],
    answers: { 200: { description: "A copy a node.", schema: "EventCopies", headers: READ } },
    problems: [...READ_PROBLEMS, "not_found"],
  },
  {
    ...{ method: "get", path: "/api/v1/stream", id: "stream", tag: "Events" },
    summary: "Streams events, elections and alerts",
    description: "Every committed event once, in order; it goes on after any event, on any node.",
    parameters: streamOwn,
    answers: streamed,
    problems: STREAM_PROBLEMS,
  },
];

export const EVENT_OPERATIONS: readonly Operation[] = [...own, ...referenceA, ...referenceB];
