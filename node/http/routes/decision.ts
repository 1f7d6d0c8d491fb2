import type { Request } from "express";
import { z } from "zod";
import { NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX } from "../../../shared/limits.js";
import { hasAtMost } from "../../../shared/log/event.js";
import { ProblemError } from "../../problems.js";
import { parseBody, requireJsonType } from "../door/body.js";
import { check, isName, NAME_RULE } from "../door/schema.js";
import { rawRequest } from "../middleware/raw-body.js";

export const DECISION_BYTES_MAX = 16 * 1024;
const LIMITS = { depthMax: 8, partsMax: 100 };

const name = z
  .string({ error: "must be a string" })
  .refine(isName, { error: NAME_RULE })
  .meta({ minLength: 1, maxLength: NAME_CHARACTERS_MAX });

/** Who decides, and why: every decision of a person carries both. */
export const decision = {
  actor: name,
  reason: z
    .string({ error: "must be a string" })
    .min(1, { error: "must not be empty" })
    .refine((text) => hasAtMost(text, REASON_CHARACTERS_MAX), {
      error: `must have at most ${REASON_CHARACTERS_MAX} characters`,
    })
    .meta({ maxLength: REASON_CHARACTERS_MAX }),
};

const object = { error: "must be a JSON object" };
export const admitSchema = z.strictObject({ node: name, ...decision }, object);
export const webhookTestSchema = z.strictObject({}, { error: "must be an empty JSON object" });
export const stepDownSchema = z.strictObject({ target: name.optional(), ...decision }, object);
export const alertDecisionSchema = z.strictObject({ ...decision }, object);

/** The body of a decision, or a problem with every field error; `refusal` says what was not done, and what it takes. */
export function readDecision<T>(req: Request, schema: z.ZodType<T>, refusal: string): T {
  const { contentType, body } = rawRequest(req);
  if (body.length > 0) requireJsonType(contentType);
  const { value, faults } = parseBody(body, LIMITS);
  const checked = check(schema, value);
  if (checked.ok && faults.length === 0) return checked.value;
  throw new ProblemError(faults.length > 0 ? "cannot_be_carried" : "invalid_body", `${refusal} See errors.`, {
    errors: [...faults, ...(checked.ok ? [] : checked.errors)],
  });
}
