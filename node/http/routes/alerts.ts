import { Router } from "express";
import { ProblemError } from "../../problems.js";
import { methods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { showRead } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { DECISION_BYTES_MAX, readDecision, webhookTestSchema } from "./decision.js";
import { readLimit } from "./query.js";

const ALERT_ID = /^[0-9a-f]{24}$/;

/** The alerts of all nodes, what proves them, and what persons decide about them. */
export function alerts(context: RouteContext): Router {
  const { gates } = context;
  const router = Router();
  router
    .route("/api/v1/alerts")
    .get(async (req, res) => {
      const limit = readLimit(req.query);
      await gates.questions.run(res, 1, async () => {
        const found = await context.alerts.alerts(limit);
        showRead(res, context);
        res.json(found);
      });
    })
    .all(methods("GET"));
  router
    .route("/api/v1/alerts/:id")
    .get(async (req, res) => {
      const { id } = req.params;
      await gates.questions.run(res, 1, async () => {
        const alert = ALERT_ID.test(id) ? await context.alerts.alert(id) : null;
        if (alert === null) throw unknown(id);
        showRead(res, context);
        res.json(alert);
      });
    })
    .all(methods("GET"));
  router
    .route("/api/v1/alerts/:id/evidence")
    .get(async (req, res) => {
      const { id } = req.params;
      await gates.questions.run(res, 1, async () => {
        const bundle = ALERT_ID.test(id) ? await context.alerts.evidence(id) : null;
        if (bundle === null) throw unknown(id);
        showRead(res, context);
        res.setHeader("Content-Disposition", `attachment; filename="evidence-${id}.json"`);
        res.json(bundle);
      });
    })
    .all(methods("GET"));
  router
    .route("/api/v1/webhook/test")
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      readDecision(req, webhookTestSchema, "Nothing was sent.");
      const outcome = await context.alerts.testWebhook();
      if (outcome === null)
        throw new ProblemError(
          "not_found",
          "This node has no webhook: set ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET.",
        );
      res.setHeader("Cache-Control", "no-store");
      res.json(outcome);
    })
    .all(methods("POST"));
  return router;
}

const unknown = (id: string): ProblemError =>
  new ProblemError("not_found", `No alert ${JSON.stringify(id.slice(0, 40))} is known.`);
