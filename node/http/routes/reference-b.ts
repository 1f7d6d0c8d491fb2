import { Router } from "express";
import { clientOf } from "../client-address.js";
import { showSources } from "../middleware/answered-from.js";
import { eventMethods } from "../middleware/methods.js";
import { rawBody } from "../middleware/raw-body.js";
import { beginRead } from "../middleware/request-context.js";
import { appendOne, created } from "./append.js";
import { eventRequestBytesMax, LIST_BYTES, type RouteContext } from "./context.js";
import { openPage, readPage } from "./paging.js";
import { queryOf } from "./query.js";
import { REFERENCE_B, shownView } from "./shapes.js";
import { sendArray } from "./slices.js";
import type { ReadHandler } from "./straight-reads.js";

/** Reference API B, "Event Logger Backend". Its stream, at the server's root, is in node/http/stream. */
export function referenceB(context: RouteContext): Router {
  const router = Router();
  router
    .route("/events")
    .post(rawBody(context, eventRequestBytesMax(context)), async (req, res) => {
      const { event } = await appendOne(context, "reference_b", req, res);
      created(res, `{"message":"Event logged successfully","event":${REFERENCE_B.text(shownView(event))}}`);
    })
    .get(listPage(context))
    .all(eventMethods("GET", "POST"));
  router.all("/events/{*path}", eventMethods("GET"));
  return router;
}

/** `GET /events`. */
export function listPage(context: RouteContext): ReadHandler {
  return async (req, res) => {
    const asked = queryOf(req);
    const page = readPage(asked, 100);
    asked.finish();
    const size = await beginRead(res, context);
    await context.gates.lists.run(res, LIST_BYTES, async () => {
      const query = { ...page, order: "asc", filter: {} } as const;
      const { parts } = await openPage(context.reads, query, {
        ...{ size, by: clientOf(req.socket), shape: REFERENCE_B },
        onFound: (part) => showSources(res, part),
      });
      await sendArray(res, parts, { open: "[", close: "]" });
    });
  };
}
