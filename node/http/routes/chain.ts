import { Router } from "express";
import { CHAIN_EVENTS_MAX } from "../../../shared/limits.js";
import type { BlockView } from "../../../shared/protocol/http.js";
import { ProblemError } from "../../problems.js";
import { methods } from "../middleware/methods.js";
import { beginRead } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import { QueryReader } from "./query.js";
import { sendObject, sendSingle } from "./slices.js";

export const COUNT_DEFAULT = 50;
const HEIGHT = /^[1-9]\d{0,14}$/;

/** The chain of hashes beside each other, node by node, and what a client needs to check one block. */
export function chain(context: RouteContext): Router {
  const { reads, gates } = context;
  const router = Router();
  router
    .route("/api/v1/chain")
    .get(async (req, res) => {
      const query = new QueryReader(req.query);
      query.refuseUnknown(["from", "count"]);
      const count = query.number("count", { fallback: COUNT_DEFAULT, max: CHAIN_EVENTS_MAX });
      const asked = query.sequence("from");
      query.finish();
      const size = await beginRead(res, context, {});
      const from = asked ?? Math.max(0, size - count);
      let bytes = Buffer.alloc(0);
      await gates.questions.run(res, 1, async () => {
        bytes = Buffer.from(JSON.stringify({ from, size, nodes: await reads.chain(from, count) }));
      });
      await sendSingle(res, bytes, context);
    })
    .all(methods("GET"));
  router
    .route("/api/v1/blocks/:height")
    .get(async (req, res) => {
      await beginRead(res, context, {});
      const { height } = req.params;
      let block: BlockView | null = null;
      // A whole block is read, with the one before it.
      await gates.questions.run(res, 1, async () => {
        if (HEIGHT.test(height)) block = await reads.block(Number(height));
      });
      if (block === null)
        throw new ProblemError(
          "not_found",
          `This node knows no committed block ${JSON.stringify(height.slice(0, 40))}.`,
        );
      await sendObject(res, block, context);
    })
    .all(methods("GET"));
  return router;
}
