import { Router } from "express";
import { methods } from "../middleware/methods.js";
import { openApiDocument } from "../openapi/document.js";
import type { RouteContext } from "./context.js";

/** The description of all routes, and the way to its page. Addresses are relative: a proxy may stand in front, with a prefix. */
export function openapi({ version }: RouteContext, hasDashboard: boolean): Router {
  // Bytes that all answers share: a text would be copied for each, and waits as long as its client takes nothing.
  const bytes = Buffer.from(JSON.stringify(openApiDocument(version)));
  const router = Router();
  router
    .route("/openapi.json")
    .get((_req, res) => {
      res.setHeader("Cache-Control", "no-cache");
      res.type("json").send(bytes);
    })
    .all(methods("GET"));
  router
    .route("/docs")
    .get((req, res) => {
      // Behind /docs/ "." is this route again, for ever.
      const root = req.path.endsWith("/") ? "../" : "./";
      res.redirect(root + (hasDashboard ? "#/docs" : "openapi.json"));
    })
    .all(methods("GET"));
  return router;
}
