import { Router } from "express";
import { ProblemError } from "../../problems.js";
import { CHAIN_EVENTS_MAX } from "../../service/block-views.js";
import { methods } from "../middleware/methods.js";
import { beginRead } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { QueryReader } from "./query.js";

const COUNT_DEFAULT = 50;
const HEIGHT = /^[1-9]\d{0,14}$/;

/** The chain of hashes beside each other, node by node, and what a client needs to check one block. */
export function chain({ service }: RouteContext): Router {
  const router = Router();
  router
    .route("/api/v1/chain")
    .get(async (req, res) => {
      const query = new QueryReader(req.query);
      query.refuseUnknown(["from", "count"]);
      const count = query.number("count", { fallback: COUNT_DEFAULT, max: CHAIN_EVENTS_MAX });
      const asked = query.sequence("from");
      query.finish();
      const size = await beginRead(res, service, {});
      const from = asked ?? Math.max(0, size - count);
      res.json({ from, size, nodes: await service.chain(from, count) });
    })
    .all(methods("GET"));
  router
    .route("/api/v1/blocks/:height")
    .get(async (req, res) => {
      await beginRead(res, service, {});
      const { height } = req.params;
      const block = HEIGHT.test(height) ? await service.block(Number(height)) : null;
      if (block === null)
        throw new ProblemError(
          "not_found",
          `This node knows no committed block ${JSON.stringify(height.slice(0, 40))}.`,
        );
      res.json(block);
    })
    .all(methods("GET"));
  return router;
}
