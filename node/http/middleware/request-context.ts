import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Request, RequestHandler, Response } from "express";
import type { Logger } from "pino";
import type { LogService, ReadCondition } from "../../service/log-port.js";

const REQUEST_ID = /^[\w-]{8,128}$/;

type Shown = Pick<LogService, "status">;
type Reading = Pick<LogService, "reads" | "status">;

/** The id that the client sent, if it is one, or a new one. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const sent = headers["x-request-id"];
  return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : randomUUID();
}

/** Gives each request its id, and each answer its X-Request-Id, X-Served-By, X-Leader and X-Term. */
export function requestContext(service: Shown): RequestHandler {
  return (req, res, next) => {
    const id = requestIdOf(req);
    res.locals.requestId = id;
    res.setHeader("X-Request-Id", id);
    showStanding(res, service);
    next();
  };
}

export const requestId = (res: Response): string => String(res.locals.requestId);

/** Set when the request comes in, and again before an answer that took its time: the leader may have changed. */
export function showStanding(res: ServerResponse, { status }: Shown): { readonly isStale: boolean } {
  const { leaderId, term, isStale } = status.standing();
  res.setHeader("X-Served-By", status.nodeId);
  res.setHeader("X-Term", String(term));
  if (leaderId === null) res.removeHeader("X-Leader");
  else res.setHeader("X-Leader", leaderId);
  return { isStale };
}

/** A read's headers: how many committed events the answer reflects, and whether a leader stands behind it. */
export async function beginRead(res: ServerResponse, service: Reading, condition?: ReadCondition): Promise<number> {
  await service.reads.awaitReadable(condition);
  return showRead(res, service);
}

/** The same for what this node can say at once, whatever it has read of its log. */
export function showRead(res: ServerResponse, service: Reading): number {
  const { isStale } = showStanding(res, service);
  const size = service.reads.logSize;
  res.setHeader("X-Log-Size", String(size));
  res.setHeader("Cache-Control", "private, no-cache");
  if (isStale) res.setHeader("X-Stale", "true");
  return size;
}

/** One line a request, at debug only: nothing is logged per event at info. */
export function requestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    if (!logger.isLevelEnabled("debug")) {
      next();
      return;
    }
    const startedAt = performance.now();
    res.once("close", () => {
      const ms = Math.round(performance.now() - startedAt);
      const { method, originalUrl } = req;
      logger.debug({ requestId: requestId(res), method, url: originalUrl.slice(0, 200), status: res.statusCode, ms });
    });
    next();
  };
}

const HOST = /^[\w.-]{1,253}(?::\d{1,5})?$|^\[[\da-fA-F:.]{2,45}\](?::\d{1,5})?$/;

/** Where the client reached this node; what it names as its host is only ever shown to itself, and only if it is one. */
export function baseUrl(req: Request): string {
  const { host } = req.headers;
  return host !== undefined && HOST.test(host) ? `${req.protocol}://${host}` : "";
}
