import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { failWith, hasFailed } from "../../host/failed-requests.js";
import type { ProblemError } from "../../problems.js";
import { bodyProblem } from "../body-room.js";
import { requestIdOf } from "../middleware/request-context.js";
import { securityHeaderValues } from "../middleware/security-headers.js";
import { answerOf, appendEvent } from "./append.js";
import { eventRequestBytesMax, type RouteContext } from "./context.js";

const PATH = "/api/v1/events";

/**
 * `POST /api/v1/events`, which comes more often than all other requests together, without the way through the app:
 * that takes longer than everything else about it. The route of the same name in the app answers what is unusual about
 * a request before its body is read, and `failedRequest` what failed.
 */
export function straightAppends(context: RouteContext, app: RequestListener, others: RequestListener): RequestListener {
  const bytesMax = eventRequestBytesMax(context);
  // Headers are a list, name by name: an object that is put together from another one and more is made slowly, each time.
  const security = Object.entries(securityHeaderValues()).flat();

  async function append(req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<void> {
    const { status } = context;
    const requestId = requestIdOf(req);
    try {
      const raw = { contentType: req.headers["content-type"], body };
      const { event, outcome } = await appendEvent(context, "own", { req, raw, requestId });
      const text = JSON.stringify(answerOf(event, outcome));
      const { leaderId, term } = status.standing();
      const own = ["X-Request-Id", requestId, "X-Served-By", status.nodeId, "X-Term", String(term)];
      if (leaderId !== null) own.push("X-Leader", leaderId);
      if (outcome.isReplay) own.push("Idempotent-Replayed", "true");
      own.push("Cache-Control", "no-store", "Location", `${PATH}/${event.sequence}`, "ETag", `"${event.hash}"`);
      const length = String(Buffer.byteLength(text));
      own.push("Content-Type", "application/json; charset=utf-8", "Content-Length", length);
      res.writeHead(201, security.concat(own));
      res.end(text);
    } catch (error) {
      req.headers["x-request-id"] = requestId;
      failWith(req, error);
      app(req, res);
    }
  }

  return (req, res) => {
    const { method, url, headers } = req;
    const isStraight = method === "POST" && url === PATH && headers["content-encoding"] === undefined;
    if (!isStraight) {
      others(req, res);
      return;
    }
    if (hasFailed(req) || Number(headers["content-length"] ?? 0) > bytesMax || context.logger.isLevelEnabled("debug")) {
      app(req, res);
      return;
    }
    context.bodies.read(req, res, bytesMax, (read) => {
      if (read.ok) void append(req, res, read.body);
      else refuse(req, res, bodyProblem(read));
    });
  };

  function refuse(req: IncomingMessage, res: ServerResponse, problem: ProblemError | null): void {
    if (problem === null) return;
    failWith(req, problem);
    app(req, res);
  }
}
