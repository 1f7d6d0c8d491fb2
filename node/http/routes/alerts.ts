import { type Request, type Response, Router } from "express";
import { NOTICES_MAX } from "../../../shared/limits.js";
import { ProblemError } from "../../problems.js";
import { alertVersion } from "../../storage/alert-steps.js";
import type { AlertRecord, AlertsWanted } from "../../storage/port.js";
import { methods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { showRead, showStanding } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { alertDecisionSchema, DECISION_BYTES_MAX, readDecision, webhookTestSchema } from "./decision.js";
import { NOTICES_DEFAULT, QueryReader } from "./query.js";
import { sendJson, sendSingle } from "./slices.js";

const ALERT_ID = /^[0-9a-f]{24}$/;
/** The size of an alert in the answer to a decision, with its differences. */
const DECIDED_CHARACTERS_MAX = 64 * 1024;
const ACTIONS = ["acknowledge", "repair", "rebuild", "dismiss"] as const;
type Action = (typeof ACTIONS)[number];

/** The alerts of all nodes, what proves them, and what persons decide about them. */
export function alerts(context: RouteContext): Router {
  const { gates } = context;
  const router = Router();
  router
    .route("/api/v1/alerts")
    .get(async (req, res) => {
      const { limit, wanted } = readListQuery(req.query);
      let bytes = Buffer.alloc(0);
      await gates.questions.run(res, 1, async () => {
        const found = await context.alerts.alerts(limit, wanted);
        showRead(res, context);
        bytes = Buffer.from(JSON.stringify(found));
      });
      await sendSingle(res, bytes, context);
    })
    .all(methods("GET"));
  router
    .route("/api/v1/alerts/:id")
    .get(async (req, res) => {
      const { id } = req.params;
      let bytes = Buffer.alloc(0);
      await gates.questions.run(res, 1, async () => {
        const alert = ALERT_ID.test(id) ? await context.alerts.alert(id) : null;
        if (alert === null) throw unknown(id);
        showRead(res, context);
        res.setHeader("ETag", versionTag(alert));
        bytes = Buffer.from(JSON.stringify(alert));
      });
      await sendSingle(res, bytes, context);
    })
    .all(methods("GET"));
  router
    .route("/api/v1/alerts/:id/evidence")
    .get(async (req, res) => {
      const { id } = req.params;
      // Its place first: bundles are too large to wait for one.
      await gates.evidence.run(res, 1, async () => {
        let bytes = Buffer.alloc(0);
        await gates.questions.run(res, 1, async () => {
          const bundle = ALERT_ID.test(id) ? await context.alerts.evidence(id) : null;
          if (bundle === null) throw unknown(id);
          showRead(res, context);
          bytes = Buffer.from(JSON.stringify(bundle));
        });
        res.setHeader("Content-Disposition", `attachment; filename="evidence-${id}.json"`);
        await sendJson(res, bytes);
      });
    })
    .all(methods("GET"));
  for (const action of ACTIONS)
    router
      .route(`/api/v1/alerts/:id/${action}`)
      .post(rawBody(context, DECISION_BYTES_MAX), (req, res) =>
        gates.decisions.run(res, 1, () => decide(context, action, req, res)),
      )
      .all(methods("POST"));
  router
    .route("/api/v1/webhook/test")
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      readDecision(req, webhookTestSchema, "Nothing was sent.");
      await gates.decisions.run(res, 1, async () => {
        const outcome = await context.alerts.testWebhook();
        if (outcome === null)
          throw new ProblemError(
            "not_found",
            "This node has no webhook: set ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET.",
          );
        res.setHeader("Cache-Control", "no-store");
        res.json(outcome);
      });
    })
    .all(methods("POST"));
  return router;
}

function readListQuery(parameters: object): { limit: number; wanted: AlertsWanted } {
  const query = new QueryReader(parameters);
  query.refuseUnknown(["limit", "status"]);
  const limit = query.number("limit", { fallback: NOTICES_DEFAULT, max: NOTICES_MAX });
  const status = query.text("status") ?? "unresolved";
  const wanted = WANTED.find((one) => one === status);
  if (wanted === undefined) query.fail("status", `must be one of ${WANTED.join(", ")}`);
  query.finish();
  return { limit, wanted: wanted ?? "unresolved" };
}
export const WANTED = ["unresolved", "resolved", "all"] as const satisfies AlertsWanted[];

async function decide(context: RouteContext, action: Action, req: Request, res: Response): Promise<void> {
  const id = String(req.params.id);
  const seen = req.headers["if-match"];
  if (seen === undefined)
    throw new ProblemError("precondition_required", "Nothing was decided: the header If-Match is missing.");
  const by = readDecision(req, alertDecisionSchema, "Nothing was decided. The body must name actor and reason.");
  const version = versionIn(seen);
  const decided = ALERT_ID.test(id) ? await context.alerts.decide({ id, action, version, ...by }) : null;
  if (decided === null) throw unknown(id);
  showStanding(res, context);
  res.setHeader("Cache-Control", "no-store");
  const { alert } = decided;
  if (decided.kind === "stale")
    throw new ProblemError("stale_alert", `Nothing was decided: ${howItStands(alert)}`, {
      extra: { alert: bounded(alert) },
    });
  // What takes long goes on after the answer.
  res.status(alert.status === "repairing" || alert.status === "rebuilding" ? 202 : 200);
  res.setHeader("ETag", versionTag(alert));
  res.json(bounded(alert));
}

/** What was decided is said in any case, so its answer waits for no place: long values are left to the alert's own route. */
function bounded(alert: AlertRecord): AlertRecord {
  const { differences, ...rest } = alert;
  return JSON.stringify(alert).length <= DECIDED_CHARACTERS_MAX ? alert : rest;
}

function versionIn(ifMatch: string): string {
  // A star would be a decision about whatever is there.
  const version = /^"([0-9a-f]{64})"$/.exec(ifMatch.trim())?.[1];
  if (version !== undefined) return version;
  throw new ProblemError(
    "invalid_header",
    "Nothing was decided: the header If-Match must be the one ETag that a GET of the alert gave.",
  );
}

/** Who decided last, and what. */
function howItStands({ status, history = [] }: AlertRecord): string {
  const last = history.findLast(({ actor }) => actor !== undefined);
  if (last === undefined) return `its ETag is another one now; the alert is ${status}.`;
  return `${last.actor} has ${SAID[last.action] ?? last.action} it at ${last.at} (${last.reason}); the alert is ${status}.`;
}
const SAID: Readonly<Record<string, string>> = {
  repair_begun: "had the repair begun of",
  rebuild_begun: "had the rebuild begun for",
};

const versionTag = (alert: AlertRecord): string => `"${alertVersion(alert)}"`;

const unknown = (id: string): ProblemError =>
  new ProblemError("not_found", `No alert ${JSON.stringify(id.slice(0, 40))} is known.`);
