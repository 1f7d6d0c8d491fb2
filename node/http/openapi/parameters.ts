import {
  CHAIN_EVENTS_MAX,
  HISTOGRAM_BUCKETS_MAX,
  IDEMPOTENCY_KEY_CHARACTERS_MAX,
  NAME_CHARACTERS_MAX,
  NOTICES_MAX,
} from "../../../shared/limits.js";
import { WANTED } from "../routes/alerts.js";
import { COUNT_DEFAULT } from "../routes/chain.js";
import { LIMIT_DEFAULT, LIMIT_MAX, PAYLOAD_FILTERS_MAX } from "../routes/event-list.js";
import { BUCKETS_DEFAULT } from "../routes/histogram.js";
import { PAGE_LIMIT_MAX, PAGE_MAX } from "../routes/paging.js";
import { NOTICES_DEFAULT } from "../routes/query.js";

/** A parameter as OpenAPI has it. */
export interface Parameter {
  readonly name: string;
  readonly in: "query" | "path" | "header";
  readonly required?: boolean;
  readonly description: string;
  readonly schema: object;
  readonly style?: string;
  readonly explode?: boolean;
}

const query = (name: string, schema: object, description: string): Parameter => ({
  name,
  in: "query",
  description,
  schema,
});
const path = (name: string, schema: object, description: string): Parameter => ({
  ...{ name, in: "path", required: true, description, schema },
});
const header = (name: string, schema: object, description: string): Parameter => ({
  name,
  in: "header",
  description,
  schema,
});

const text = { type: "string" };
const name = { type: "string", minLength: 1, maxLength: NAME_CHARACTERS_MAX };
const time = { type: "string", examples: ["2026-05-01T12:00:00Z"] };
const from1 = (maximum: number, fallback: number): object => ({
  type: "integer",
  minimum: 1,
  maximum,
  default: fallback,
});
/** Fifteen digits always fit a safe integer. */
const sequence = { type: "integer", minimum: 0, maximum: 999_999_999_999_999 };
const place = { ...sequence, minimum: -1 };
const order = { type: "string", enum: ["asc", "desc"], default: "asc" };

const source = query("sourceAppId", name, "Only events of this source.");
const type = query("eventType", name, "Only events of this type.");

export const requestId = header(
  "X-Request-Id",
  { type: "string", pattern: "^[\\w-]{8,128}$" },
  "Goes along with the request, into logs and problem documents, and comes back. What does not fit is replaced.",
);
export const idempotencyKey = header(
  "Idempotency-Key",
  { type: "string", minLength: 1, maxLength: IDEMPOTENCY_KEY_CHARACTERS_MAX + 2 },
  "The same request with the same key again is answered with the first one's events, on any node, for as long as they are kept.",
);
export const ifNoneMatch = header(
  "If-None-Match",
  text,
  "The event's hash in quotation marks: then the answer is 304.",
);
export const lastEventId = header(
  "Last-Event-ID",
  sequence,
  "Go on after this event; wins over `lastEventId` and `after`.",
);

/** Our own API's reads take these. */
export const conditions = [
  query("minSequence", sequence, "Wait until this node has this event, for two seconds."),
  query("consistency", { type: "string", enum: ["linearizable"] }, "The leader confirms first that it still leads."),
];

export const filters = [
  query(
    "eventType",
    name,
    "Only this type; `invoice.*` is every type that begins with `invoice.`, and `\\*` a literal star.",
  ),
  source,
  query("since", time, "Recorded at this moment or later."),
  query("until", time, "Recorded before this moment."),
  {
    ...query(
      "payload",
      {
        type: "object",
        patternProperties: { "^payload\\.": text },
        additionalProperties: false,
        maxProperties: PAYLOAD_FILTERS_MAX,
      },
      "Parameters named `payload.<path>`: what stands at an indexed path of the payload.",
    ),
    ...{ style: "form", explode: true },
  },
];

export const listing = [
  query("order", order, "In the order of the log, or the newest first."),
  query("limit", from1(LIMIT_MAX, LIMIT_DEFAULT), "How many events at most."),
  query("after", text, "A cursor: the page behind it."),
  query("before", text, "A cursor: the page in front of it."),
];

export const buckets = query(
  "buckets",
  from1(HISTOGRAM_BUCKETS_MAX, BUCKETS_DEFAULT),
  "Into how many spans the range is cut.",
);
export const notices = query("limit", from1(NOTICES_MAX, NOTICES_DEFAULT), "How many at most, the newest first.");
export const chainRange = [
  query("from", sequence, "The first event; by default such that the newest ones are shown."),
  query("count", from1(CHAIN_EVENTS_MAX, COUNT_DEFAULT), "How many events."),
];

export const bySequence = path("sequence", sequence, "The event's place in the log, from 0.");
export const byHeight = path("height", { ...sequence, minimum: 1 }, "The block's place, from 1.");
export const byAlert = path("id", { type: "string", pattern: "^[0-9a-f]{24}$" }, "The alert's id.");
export const alertStatus = query("status", { type: "string", enum: [...WANTED], default: "unresolved" }, "Which ones.");
export const ifMatch: Parameter = {
  ...header("If-Match", { type: "string", pattern: '^"[0-9a-f]{64}"$' }, "The ETag of the alert that was read."),
  required: true,
};
export const byProblem = path("name", text, "A problem's code.");
export const byFile = path("file", text, "A name that the page refers to.");

const pageOf = (fallback: number): Parameter[] => [
  query("page", from1(PAGE_MAX, 1), "Which page."),
  query("limit", from1(PAGE_LIMIT_MAX, fallback), "How many events a page has."),
];
const dates = [
  query("startDate", time, "Timestamps from this moment or date on."),
  query("endDate", time, "Timestamps up to this moment, or to the end of this date."),
];
export const listA = [type, source, ...dates, ...pageOf(10), query("order", order, "Oldest first, or newest first.")];
export const listB = pageOf(100);

const places = [
  query("after", place, "Go on after this event; -1 begins with the first one."),
  query("lastEventId", place, "The same, from clients that cannot set a header; wins over `after`."),
  lastEventId,
];
export const streamOwn = [...places, type, source];
export const streamA = [...places, type, source, ...dates];

export const readyRole = query("role", text, "`leader`: also asks that this node leads.");
export const readyVerbose = query("verbose", text, "Each check as a line of text.");
