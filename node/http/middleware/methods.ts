import type { RequestHandler } from "express";
import { ProblemError } from "../../problems.js";

const CHANGES = new Set(["PUT", "PATCH", "DELETE"]);

/** The last handler of an event path: every method it does not have is refused, and a change for what it is. */
export function eventMethods(...allowed: string[]): RequestHandler {
  return refuseOthers(allowed, true);
}

/** The same for a path that holds no events. */
export function methods(...allowed: string[]): RequestHandler {
  return refuseOthers(allowed, false);
}

function refuseOthers(allowed: readonly string[], isEventPath: boolean): RequestHandler {
  const allow = allowed.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
  return (req, res, next) => {
    if (allow.split(", ").includes(req.method)) {
      // The path has the method, and still nobody answered: there is nothing at this place.
      next();
      return;
    }
    res.setHeader("Allow", allow);
    if (req.method === "OPTIONS") {
      res.status(204).end();
      return;
    }
    const isChange = isEventPath && CHANGES.has(req.method);
    throw new ProblemError(
      isChange ? "append_only" : "method_not_allowed",
      isChange
        ? "Events are never changed or removed. Nothing was changed. To correct an event, log another one."
        : `This path takes ${allow}.`,
    );
  };
}
