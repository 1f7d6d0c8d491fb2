import { type Request, type Response, Router } from "express";
import { eventMethods } from "../middleware/methods.js";
import { ProblemError } from "../problems.js";
import type { StreamClient, StreamHub } from "./hub.js";

const PING_MS = 15_000;
const RETRY_MS = 3_000;
/** After the last words, how long a client may take to read them. */
const GOODBYE_MS = 2_000;

/** Server-sent events on the path of reference API A's stream, for clients that ask for them. */
export function sseRouter(hub: StreamHub): Router {
  const router = Router();
  router
    .route("/api/event-logs/stream")
    .get((req, res) => {
      res.setHeader("Vary", "Accept");
      if (!wantsEvents(req)) {
        res.setHeader("Upgrade", "websocket");
        throw new ProblemError(
          "upgrade_required",
          "This path is a stream: connect with a WebSocket, or send Accept: text/event-stream.",
        );
      }
      if (!hub.canAdd())
        throw new ProblemError("too_many_streams", "This node has no stream left to give. Try another.");
      serve(res, hub);
    })
    .all(eventMethods("GET"));
  return router;
}

/** A wildcard is no wish: plain `curl` would wait for ever. */
const wantsEvents = (req: Request): boolean =>
  /(?:^|,)\s*text\/event-stream\s*(?:;|,|$)/i.test(req.headers.accept ?? "");

function serve(res: Response, hub: StreamHub): void {
  res.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
  });
  res.write(`retry: ${RETRY_MS}\n\n`);
  const end = (lastWords: string): void => {
    clearInterval(pings);
    res.end(lastWords);
    // A client that reads nothing would keep its buffer here for ever.
    setTimeout(() => res.destroy(), GOODBYE_MS).unref();
  };
  const client: StreamClient = {
    form: "sse",
    send: (bytes) => res.write(bytes),
    get bufferedBytes() {
      return res.writableLength;
    },
    closeSlow: (from) => end(`: overload from=${from}\n\n`),
    closeForRestart: () => end(": restart\n\n"),
  };
  const pings = setInterval(() => res.write(": ping\n\n"), PING_MS).unref();
  res.on("error", () => res.destroy());
  res.on("close", () => {
    clearInterval(pings);
    hub.remove(client);
  });
  hub.add(client);
}
