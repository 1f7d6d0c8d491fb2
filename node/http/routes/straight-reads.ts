import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { failWith, hasFailed } from "../../host/failed-requests.js";
import type { AnswerBreaker } from "../middleware/problem-handler.js";
import { requestIdOf } from "../middleware/request-context.js";
import { securityHeaderValues } from "../middleware/security-headers.js";
import type { RouteContext } from "./context.js";
import { listEvents, readEvent } from "./events.js";
import { listLogs } from "./reference-a.js";
import { listPage } from "./reference-b.js";

/** Answers a read, or throws why not. */
export type ReadHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

const ONE_EVENT = /^\/api\/v1\/events\/(\d+)$/;

/**
 * Lists and single events, which come more often than all other reads together, without the way through the app, where
 * the same handlers stand. What fails the app answers, as always.
 */
export function straightReads(context: RouteContext, app: RequestListener, breakOff: AnswerBreaker): RequestListener {
  const security = Object.entries(securityHeaderValues());
  const lists = new Map([
    ["/api/v1/events", listEvents(context)],
    ["/api/event-logs", listLogs(context)],
    ["/events", listPage(context)],
  ]);

  function handlerOf({ url = "" }: IncomingMessage): ReadHandler | undefined {
    const at = url.indexOf("?");
    const path = at < 0 ? url : url.slice(0, at);
    const list = lists.get(path);
    if (list !== undefined) return list;
    const sequence = ONE_EVENT.exec(path)?.[1];
    return sequence === undefined ? undefined : readEvent(context, sequence);
  }

  async function answer(handler: ReadHandler, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const requestId = requestIdOf(req);
    try {
      for (const [name, value] of security) res.setHeader(name, value);
      res.setHeader("X-Request-Id", requestId);
      await handler(req, res);
    } catch (error) {
      if (res.headersSent && breakOff(error, { req, res, requestId })) return;
      req.headers["x-request-id"] = requestId;
      failWith(req, error);
      app(req, res);
    }
  }

  return (req, res) => {
    const isStraight = req.method === "GET" && !hasFailed(req) && !context.logger.isLevelEnabled("debug");
    const handler = isStraight ? handlerOf(req) : undefined;
    if (handler === undefined) app(req, res);
    else void answer(handler, req, res);
  };
}
