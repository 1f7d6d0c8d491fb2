import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import type { Logger } from "pino";
import { PROBLEMS, ProblemError } from "../../problems.js";
import type { LogService } from "../../service/log-port.js";
import { StoreError } from "../../storage/port.js";
import { baseUrl, requestId, showStanding } from "./request-context.js";

const INSTANCE_CHARACTERS_MAX = 256;
const RETRY_AFTER_SECONDS_DEFAULT = 1;

/** RFC 9457. `message` and `error` repeat detail and title for clients that know nothing of problem documents. */
export function problemDocument(
  problem: ProblemError,
  at: { baseUrl: string; path: string; requestId: string },
): Record<string, unknown> {
  const { status, title, isRetryable } = PROBLEMS[problem.code];
  return {
    ...problem.extra,
    type: `${at.baseUrl}/problems/${problem.code}`,
    title,
    status,
    detail: problem.detail,
    instance: at.path.slice(0, INSTANCE_CHARACTERS_MAX),
    code: problem.code,
    requestId: at.requestId,
    retryable: isRetryable,
    ...(problem.errors.length === 0 ? {} : { errors: problem.errors }),
    message: problem.detail,
    error: title,
  };
}

export const notFound: RequestHandler = (req) => {
  throw new ProblemError("not_found", `There is nothing at ${req.method} ${shownPath(req)}. GET / lists the routes.`);
};

/** The last of all handlers. What a client may know it gets as a problem document; the rest goes to the log only. */
export function problemHandler(service: Pick<LogService, "status">, logger: Logger): ErrorRequestHandler {
  const breakOff = answerBreaker(logger);
  return (error: unknown, req, res, _next) => {
    if (breakOff(error, { req, res, requestId: requestId(res) })) return;
    showStanding(res, service);
    sendProblem(req, res, asProblem(error, req));
  };
}

/** Takes what failed, says in the log what only that may hold, and ends an answer that has begun; false: it has not. */
export type AnswerBreaker = (
  error: unknown,
  at: { readonly req: IncomingMessage; readonly res: ServerResponse; readonly requestId: string },
) => boolean;

export function answerBreaker(logger: Logger): AnswerBreaker {
  return (error, { req, res, requestId: id }) => {
    const { code } = asProblem(error, req);
    if (code === "internal_error") logger.error({ err: error, requestId: id }, "request failed");
    // It was answered as a whole, and somebody still waited for the rest of its body.
    if (res.writableEnded) return true;
    if (!res.headersSent) return false;
    // Half an answer cannot be taken back: the broken connection tells the client that it is not whole.
    logger.warn({ requestId: id, code }, "an answer was broken off");
    res.destroy();
    return true;
  };
}

function sendProblem(req: Request, res: Response, problem: ProblemError): void {
  const { status } = PROBLEMS[problem.code];
  const retryAfter = problem.retryAfterSeconds ?? (status === 503 ? RETRY_AFTER_SECONDS_DEFAULT : undefined);
  if (retryAfter !== undefined) res.setHeader("Retry-After", String(Math.max(1, Math.ceil(retryAfter))));
  // They belong to the answer that this one stands for.
  for (const name of ["ETag", "Trailer"]) res.removeHeader(name);
  res.setHeader("Cache-Control", "no-store");
  const place = { baseUrl: baseUrl(req), path: shownPath(req), requestId: requestId(res) };
  // Whoever found a body too large has stopped to read it, and the connection would stand still for all that comes behind.
  req.resume();
  // As bytes: express would add a charset, which this media type does not have.
  res.status(status).setHeader("Content-Type", "application/problem+json");
  res.send(Buffer.from(JSON.stringify(problemDocument(problem, place))));
}

/** Without the query, which may be long and may hold what a client would rather not see in a log. */
const shownPath = (req: Request): string => req.originalUrl.split("?", 1)[0]?.slice(0, INSTANCE_CHARACTERS_MAX) ?? "/";

function asProblem(error: unknown, req: IncomingMessage): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof StoreError && (req.method === "GET" || req.method === "HEAD"))
    return new ProblemError("not_ready", "This node could not read its database. Try again, or ask another node.", {
      cause: error,
    });
  // The router decodes a path before any handler sees the request.
  if (error instanceof URIError)
    return new ProblemError("malformed_request", "The path is not percent-encoded UTF-8. Nothing was written.");
  return new ProblemError(
    "internal_error",
    "The node failed on this request; its log says why, under this requestId. If it was a write, look for the event before sending it again.",
    { cause: error },
  );
}
