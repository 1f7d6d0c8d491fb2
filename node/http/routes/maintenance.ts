import { Router } from "express";
import { z } from "zod";
import { MAINTENANCE_MS_MAX, TIMESTAMP_CHARACTERS_MAX } from "../../../shared/limits.js";
import { type Maintenance, nodeIdSchema } from "../../../shared/log/control.js";
import { millisText, timestampMillis } from "../../../shared/timestamp.js";
import { methods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { showRead, showStanding } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { DECISION_BYTES_MAX, decision, readDecision } from "./decision.js";
import { readLimit } from "./query.js";
import { sendSingle } from "./slices.js";

/** A window may begin so long ago: the person's clock need not be the node's. */
export const BEGUN_MS_MAX = 60_000;

const instant = z
  .string({ error: "must be a string" })
  .refine((text) => textOf(text) !== null, {
    error: "must be a valid RFC 3339 date and time, such as 2026-05-01T12:00:00Z",
  })
  .meta({ maxLength: TIMESTAMP_CHARACTERS_MAX });

/** As UTC and in milliseconds. */
function textOf(text: string): string | null {
  const millis = text.length > TIMESTAMP_CHARACTERS_MAX ? null : timestampMillis(text);
  return millis === null ? null : millisText(millis);
}

export const maintenanceRequestSchema = z.strictObject(
  {
    node: z
      .string({ error: "must be a string" })
      .refine((text) => nodeIdSchema.safeParse(text).success, { error: "must be the id of a node" })
      .meta({ minLength: 1, maxLength: 64 }),
    from: instant.optional().meta({ description: "Now, unless given; not in the past." }),
    until: instant,
    ...decision,
  },
  { error: "must be a JSON object" },
);

/** What is asked for at this moment, as it is recorded. */
const requestAt = (now: number): z.ZodType<Maintenance> =>
  maintenanceRequestSchema.transform(({ from, until, ...rest }, { addIssue }) => {
    const fail = (path: string, message: string) => addIssue({ code: "custom", path: [path], message });
    const begin = from === undefined ? now : Date.parse(textOf(from) ?? "");
    const ms = Date.parse(textOf(until) ?? "") - begin;
    if (begin < now - BEGUN_MS_MAX) fail("from", "must not lie in the past: work is announced before it begins");
    if (ms <= 0 || ms > MAINTENANCE_MS_MAX)
      fail("until", `must lie after the beginning, and within ${MAINTENANCE_MS_MAX / 86_400_000} days of it`);
    return { ...rest, from: new Date(begin).toISOString(), until: textOf(until) ?? "" };
  });

/** What persons say beforehand of work on a node. */
export function maintenance(context: RouteContext): Router {
  const { gates } = context;
  const router = Router();
  router
    .route("/api/v1/cluster/maintenance")
    .get(async (req, res) => {
      const windows = context.maintenance.windows(readLimit(req.query));
      showRead(res, context);
      await sendSingle(res, Buffer.from(JSON.stringify({ windows })), context);
    })
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      const refusal = "No maintenance was recorded. The body must name node, until, actor and reason.";
      const said = readDecision(req, requestAt(context.now()), refusal);
      await gates.decisions.run(res, 1, async () => {
        const window = await context.maintenance.record(said);
        showStanding(res, context);
        res.setHeader("Cache-Control", "no-store");
        res.status(201).json(window);
      });
    })
    .all(methods("GET", "POST"));
  return router;
}
