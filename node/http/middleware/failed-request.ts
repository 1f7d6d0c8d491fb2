import type { IncomingMessage } from "node:http";
import type { RequestHandler } from "express";

const failures = new WeakMap<IncomingMessage, unknown>();

/** Notes why a request failed outside of the app, which then answers it as it answers all others. */
export function failWith(req: IncomingMessage, error: unknown): void {
  failures.set(req, error);
}

export const hasFailed = (req: IncomingMessage): boolean => failures.has(req);

/** In the app: goes on to the problem handler with what failed outside of it. */
export const failedRequest: RequestHandler = (req, _res, next) => {
  if (failures.has(req)) next(failures.get(req));
  else next();
};
