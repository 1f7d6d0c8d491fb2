import { Router } from "express";
import { z } from "zod";
import { parseBody, requireJsonType } from "../door/body.js";
import { check, isName, NAME_RULE } from "../door/schema.js";
import { methods } from "../middleware/methods.js";
import { rawBody, rawRequest } from "../middleware/raw-body.js";
import { showRead, showStanding } from "../middleware/request-context.js";
import { ProblemError } from "../problems.js";
import type { RouteContext } from "./context.js";
import { QueryReader } from "./query.js";

const ADMIT_BYTES_MAX = 16 * 1024;
const ADMIT_LIMITS = { depthMax: 8, partsMax: 100 };
const REASON_CHARACTERS_MAX = 1_000;
const ALERTS_LIMIT_DEFAULT = 50;
const ALERTS_LIMIT_MAX = 500;

const name = z.string({ error: "must be a string" }).refine(isName, { error: NAME_RULE });
const admitSchema = z.strictObject(
  {
    node: name,
    actor: name,
    reason: z
      .string({ error: "must be a string" })
      .min(1, { error: "must not be empty" })
      .max(REASON_CHARACTERS_MAX, { error: `must have at most ${REASON_CHARACTERS_MAX} characters` }),
  },
  { error: "must be a JSON object" },
);

/** The cluster as its nodes see it, the admission of a learner with new keys, and the open alerts of all nodes. */
export function cluster({ service }: RouteContext): Router {
  const router = Router();
  router
    .route("/api/v1/cluster")
    .get(async (_req, res) => {
      const status = await service.clusterStatus();
      showRead(res, service);
      res.json(status);
    })
    .all(methods("GET"));
  router
    .route("/api/v1/cluster/admit")
    .post(rawBody(ADMIT_BYTES_MAX), async (req, res) => {
      const { contentType, body } = rawRequest(req);
      if (body.length > 0) requireJsonType(contentType);
      const { value, faults } = parseBody(body, ADMIT_LIMITS);
      const checked = check(admitSchema, value);
      if (!checked.ok || faults.length > 0)
        throw new ProblemError(
          faults.length > 0 ? "cannot_be_carried" : "invalid_body",
          "Nobody was admitted. The body must name node, actor and reason; see errors.",
          { errors: [...faults, ...(checked.ok ? [] : checked.errors)] },
        );
      await service.admit(checked.value);
      showStanding(res, service);
      res.json({ node: checked.value.node, admitted: true });
    })
    .all(methods("POST"));
  router
    .route("/api/v1/alerts")
    .get(async (req, res) => {
      const query = new QueryReader(req.query);
      query.refuseUnknown(["limit"]);
      const limit = query.number("limit", { fallback: ALERTS_LIMIT_DEFAULT, max: ALERTS_LIMIT_MAX });
      query.finish();
      const found = await service.alerts(limit);
      showRead(res, service);
      res.json(found);
    })
    .all(methods("GET"));
  return router;
}
