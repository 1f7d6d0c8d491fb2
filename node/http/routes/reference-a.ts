import { Router } from "express";
import { clientOf } from "../client-address.js";
import { showSources } from "../middleware/answered-from.js";
import { eventMethods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { beginRead } from "../middleware/request-context.js";
import { appendOne, created } from "./append.js";
import { eventRequestBytesMax, LIST_BYTES, type RouteContext } from "./context.js";
import { openPage, readPageQuery } from "./paging.js";
import { queryOf } from "./query.js";
import { REFERENCE_A, shownView } from "./shapes.js";
import { sendArray } from "./slices.js";
import type { ReadHandler } from "./straight-reads.js";

/** Reference API A, "event-logging-system". Its stream is in node/http/stream. */
export function referenceA(context: RouteContext): Router {
  const router = Router();
  router
    .route("/api/event-logs")
    .post(rawBody(context, eventRequestBytesMax(context)), async (req, res) => {
      const { event } = await appendOne(context, "reference_a", req, res);
      created(res, REFERENCE_A.text(shownView(event)));
    })
    .get(listLogs(context))
    .all(eventMethods("GET", "POST"));
  router.all("/api/event-logs/{*path}", eventMethods("GET"));
  return router;
}

/** `GET /api/event-logs`. */
export function listLogs(context: RouteContext): ReadHandler {
  return async (req, res) => {
    const query = readPageQuery(queryOf(req));
    const size = await beginRead(res, context);
    await context.gates.lists.run(res, LIST_BYTES, async () => {
      const { parts, total, isCapped } = await openPage(context.reads, query, {
        ...{ size, by: clientOf(req.socket), shape: REFERENCE_A },
        onFound: (part) => showSources(res, part),
      });
      const { page, limit } = query;
      const capped = isCapped ? { totalIsCapped: true } : {};
      const rest = { page, limit, total, totalPages: Math.ceil(total / limit), ...capped };
      const close = `],${JSON.stringify(rest).slice(1)}`;
      await sendArray(res, parts, { open: '{"data":[', close });
    });
  };
}
