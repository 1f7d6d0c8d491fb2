import { z } from "zod";
import type { JsonObject, JsonValue } from "../../../shared/canonical.js";
import { BATCH_EVENTS_MAX, NAME_CHARACTERS_MAX, TIMESTAMP_CHARACTERS_MAX } from "../../../shared/limits.js";
import { hasAtMost } from "../../../shared/log/event.js";
import { isTimestamp } from "../../../shared/timestamp.js";
import type { FieldError } from "../../problems.js";
import { boundErrors, pointerTo } from "./pointer.js";

type Issue = { readonly input?: unknown };
const required =
  (detail: string) =>
  (issue: Issue): string =>
    issue.input === undefined ? "is required" : detail;

export const isName = (text: string): boolean =>
  text.length > 0 && hasAtMost(text, NAME_CHARACTERS_MAX) && !/\p{Cc}/u.test(text);
export const NAME_RULE = `must have 1 to ${NAME_CHARACTERS_MAX} characters and no control characters`;

/** What JSON Schema cannot say of a refinement is said beside it, for the API's description. */
const name = z
  .string({ error: required("must be a string") })
  .refine(isName, { error: NAME_RULE })
  .meta({ minLength: 1, maxLength: NAME_CHARACTERS_MAX });

const timestamp = z
  .string({ error: "must be a string in RFC 3339 form, such as 2026-05-01T12:00:00Z" })
  .refine(isTimestamp, {
    error: `must be a valid RFC 3339 date and time such as 2026-05-01T12:00:00Z, of at most ${TIMESTAMP_CHARACTERS_MAX} characters, without a leap second and from the years 0000 to 9999 in UTC`,
  })
  .meta({ maxLength: TIMESTAMP_CHARACTERS_MAX });

/** By reference, not copied: the payload was already looked through, and its keys are the client's. */
const payload = z
  .custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value), {
    error: required("must be a JSON object"),
  })
  .meta({ type: "object" });

const previousHash = z
  .string({ error: "must be a string" })
  .regex(/^(?:[0-9a-f]{64})?$/, { error: "must be 64 lower-case hex digits, or empty for an empty log" });

const event = { eventType: name, timestamp: timestamp.optional(), sourceAppId: name, dataPayload: payload };
const notAnObject = { error: "must be a JSON object" };

export const eventSchema = z.strictObject(event, notAnObject);
/** Reference API A also takes a condition on the log's head. */
export const conditionalEventSchema = z.strictObject({ ...event, previousHash: previousHash.optional() }, notAnObject);
export const batchSchema = z.strictObject(
  {
    events: z
      .array(eventSchema, { error: required("must be an array of events") })
      .min(1, { error: "must hold at least one event" })
      .meta({ maxItems: BATCH_EVENTS_MAX }),
  },
  notAnObject,
);
export const BATCH_RULE = `A batch holds at most ${BATCH_EVENTS_MAX} events`;

export type EventInput = z.infer<typeof eventSchema>;

type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errors: FieldError[] };

/** Every error of the value at once, each with its pointer. */
export function check<T>(schema: z.ZodType<T>, value: JsonValue): Checked<T> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const errors = result.error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ pointer: pointerTo([...issue.path, key]), detail: "is not a known field" }))
      : [{ pointer: pointerTo(issue.path), detail: issue.message }],
  );
  return { ok: false, errors: boundErrors(errors) };
}
