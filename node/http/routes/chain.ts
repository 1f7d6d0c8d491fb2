import type { ServerResponse } from "node:http";
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
      const { height } = req.params;
      if (!HEIGHT.test(height)) throw absent(height, "a height is a whole number from 1, as in /api/v1/blocks/1");
      await beginRead(res, context, {});
      let block = await blockAt(context, res, Number(height));
      if (block === null) {
        // How long the log is only its leader knows.
        await beginRead(res, context, { isLinearizable: true });
        block = await blockAt(context, res, Number(height));
      }
      if (block === null) throw absent(height, "the log ends below it");
      await sendObject(res, block, context);
    })
    .all(methods("GET"));
  return router;
}

/** A whole block is read, with the one before it. */
async function blockAt({ reads, gates }: RouteContext, res: ServerResponse, at: number): Promise<BlockView | null> {
  const found: { block: BlockView | null } = { block: null };
  await gates.questions.run(res, 1, async () => {
    found.block = await reads.block(at);
  });
  return found.block;
}

const absent = (height: string, why: string): ProblemError =>
  new ProblemError("not_found", `There is no block ${JSON.stringify(height.slice(0, 40))}: ${why}.`);
