import { Router } from "express";
import { methods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { showRead, showStanding } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { admitSchema, DECISION_BYTES_MAX, readDecision, stepDownSchema } from "./decision.js";
import { readLimit } from "./query.js";
import { sendSingle } from "./slices.js";

/** The cluster as its nodes see it, who led it, and the decisions of persons on it. */
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
      await gates.decisions.run(res, 1, async () => {
        await leadership.admit(request);
        showStanding(res, context);
        res.json({ node: request.node, admitted: true });
      });
    })
    .all(methods("POST"));
  router
    .route("/api/v1/cluster/step-down")
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      const refusal = "Nothing was changed. The body must name actor and reason, and may name a target.";
      const request = readDecision(req, stepDownSchema, refusal);
      await gates.decisions.run(res, 1, async () => {
        const next = await leadership.stepDown(request);
        showStanding(res, context);
        res.setHeader("Cache-Control", "no-store");
        res.json(next);
      });
    })
    .all(methods("POST"));
  router
    .route("/api/v1/elections")
    .get(async (req, res) => {
      const limit = readLimit(req.query);
      let bytes = Buffer.alloc(0);
      await gates.questions.run(res, 1, async () => {
        const found = await leadership.elections(limit);
        showRead(res, context);
        bytes = Buffer.from(JSON.stringify(found));
      });
      await sendSingle(res, bytes, context);
    })
    .all(methods("GET"));
  return router;
}
