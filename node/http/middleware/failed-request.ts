import type { RequestHandler } from "express";
import { failureOf, hasFailed } from "../../host/failed-requests.js";

/** In the app: goes on to the problem handler with what failed outside of it. */
export const failedRequest: RequestHandler = (req, _res, next) => {
  if (hasFailed(req)) next(failureOf(req));
  else next();
};
