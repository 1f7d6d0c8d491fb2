import { type Response, Router } from "express";
import {
  type ChaosRequest,
  type ChaosState,
  type ChaosView,
  chaosRequestSchema,
} from "../../../shared/protocol/chaos.js";
import { ProblemError } from "../../problems.js";
import { methods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { showStanding } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { DECISION_BYTES_MAX, readDecision } from "./decision.js";

/** Who makes faults: the start script. */
export interface ChaosDesk {
  state(): Promise<ChaosState>;
  strike(request: ChaosRequest): Promise<ChaosState>;
}

const NOT_ALLOWED: ChaosView = { allowed: false, nodes: [], record: [] };

/** Faults on demand, where a person has allowed them at the start; they are passed on, never made here. */
export function chaos(context: RouteContext, desk: ChaosDesk | null): Router {
  const { gates } = context;
  const router = Router();
  router
    .route("/api/v1/chaos")
    .get(async (_req, res) => {
      let found = NOT_ALLOWED;
      if (desk !== null)
        await gates.questions.run(res, 1, async () => {
          found = { allowed: true, ...(await desk.state()) };
        });
      send(res, found);
    })
    .post(rawBody(context, DECISION_BYTES_MAX), async (req, res) => {
      if (desk === null)
        throw new ProblemError("not_found", "Faults on demand are off: start with npm start -- --allow-chaos.");
      const request = readDecision(req, chaosRequestSchema, "Nothing was done. The body must name action and node.");
      await gates.decisions.run(res, 1, async () => send(res, { allowed: true, ...(await desk.strike(request)) }));
    })
    .all(methods("GET", "POST"));
  return router;

  function send(res: Response, found: ChaosView): void {
    showStanding(res, context);
    res.setHeader("Cache-Control", "no-store");
    res.json(found);
  }
}
