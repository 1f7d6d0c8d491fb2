import { Router } from "express";
import { eventMethods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { beginRead } from "../middleware/request-context.js";
import { appendOne, created } from "./append.js";
import { eventRequestBytesMax, LIST_BYTES, type RouteContext } from "./context.js";
import { openPage, readPageQuery } from "./paging.js";
import { QueryReader } from "./query.js";
import { REFERENCE_A, shownView } from "./shapes.js";
import { sendArray } from "./slices.js";

/** Reference API A, "event-logging-system". Its stream is in node/http/stream. */
export function referenceA(context: RouteContext): Router {
  const { reads } = context;
  const router = Router();
  router
    .route("/api/event-logs")
    .post(rawBody(context, eventRequestBytesMax(context)), async (req, res) => {
      const { event } = await appendOne(context, "reference_a", req, res);
      created(res, REFERENCE_A.text(shownView(event)));
    })
    .get(async (req, res) => {
      const query = readPageQuery(new QueryReader(req.query));
      const size = await beginRead(res, context);
      await context.gates.lists.run(res, LIST_BYTES, async () => {
        const { parts, total, isCapped } = await openPage(reads, query, size);
        const { page, limit } = query;
        const capped = isCapped ? { totalIsCapped: true } : {};
        const rest = { page, limit, total, totalPages: Math.ceil(total / limit), ...capped };
        await sendArray(res, parts, {
          open: '{"data":[',
          shape: REFERENCE_A,
          close: `],${JSON.stringify(rest).slice(1)}`,
        });
      });
    })
    .all(eventMethods("GET", "POST"));
  router.all("/api/event-logs/{*path}", eventMethods("GET"));
  return router;
}
