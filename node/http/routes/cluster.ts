import { Router } from "express";
import { NOTICES_MAX } from "../../../shared/limits.js";
import { ProblemError } from "../../problems.js";
import { methods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { showRead, showStanding } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { admitSchema, DECISION_BYTES_MAX, readDecision, stepDownSchema } from "./decision.js";
import { QueryReader } from "./query.js";

export const NOTICES_DEFAULT = 50;

const ALERT_ID = /^[0-9a-f]{24}$/;

/** The cluster as its nodes see it, who led it, the decisions of persons on it, and the open alerts of all nodes. */
export function cluster(context: RouteContext): Router {
  const { leadership, status, gates } = context;
  const router = Router();
  router
    .route("/api/v1/cluster")
    .get(async (_req, res) => {
      const found = await status.clusterStatus();
      showRead(res, context);
      res.json(found);
    })
    .all(methods("GET"));
  router
    .route("/api/v1/cluster/admit")
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      const request = readDecision(req, admitSchema, "Nobody was admitted. The body must name node, actor and reason.");
      await leadership.admit(request);
      showStanding(res, context);
      res.json({ node: request.node, admitted: true });
    })
    .all(methods("POST"));
  router
    .route("/api/v1/cluster/step-down")
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      const refusal = "Nothing was changed. The body must name actor and reason, and may name a target.";
      const next = await leadership.stepDown(readDecision(req, stepDownSchema, refusal));
      showStanding(res, context);
      res.setHeader("Cache-Control", "no-store");
      res.json(next);
    })
    .all(methods("POST"));
  router
    .route("/api/v1/elections")
    .get(async (req, res) => {
      const limit = readLimit(req.query);
      await gates.questions.run(res, 1, async () => {
        const found = await leadership.elections(limit);
        showRead(res, context);
        res.json(found);
      });
    })
    .all(methods("GET"));
  router
    .route("/api/v1/alerts")
    .get(async (req, res) => {
      const limit = readLimit(req.query);
      await gates.questions.run(res, 1, async () => {
        const found = await status.alerts(limit);
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
        const alert = ALERT_ID.test(id) ? await status.alert(id) : null;
        if (alert === null)
          throw new ProblemError("not_found", `No alert ${JSON.stringify(id.slice(0, 40))} is known.`);
        showRead(res, context);
        res.json(alert);
      });
    })
    .all(methods("GET"));
  return router;
}

function readLimit(parameters: object): number {
  const query = new QueryReader(parameters);
  query.refuseUnknown(["limit"]);
  const limit = query.number("limit", { fallback: NOTICES_DEFAULT, max: NOTICES_MAX });
  query.finish();
  return limit;
}
