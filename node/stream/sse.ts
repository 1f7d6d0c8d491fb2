import { setTimeout as delay } from "node:timers/promises";
import { type Request, type Response, Router } from "express";
import { eventMethods } from "../middleware/methods.js";
import { ProblemError } from "../problems.js";
import type { LogService } from "../service.js";
import type { StreamClient, StreamHub } from "./hub.js";
import { resume } from "./resume.js";
import { afterOwnWrites } from "./websocket.js";

const PING_MS = 15_000;
const RETRY_MS = 3_000;
/** After the last words, how long a client may take to read them. */
const GOODBYE_MS = 10_000;
/** How far another node may be ahead of this one. */
const AHEAD_MS_MAX = 2_000;
const AHEAD_LOOK_MS = 20;
/** Clients that read older events at the same time: each costs the database queries. */
const RESUMING_MAX = 50;

/** Server-sent events on the path of reference API A's stream, for clients that ask for them. */
export function sseRouter(hub: StreamHub, service: LogService): Router {
  const router = Router();
  let resuming = 0;
  router
    .route("/api/event-logs/stream")
    .get(async (req, res) => {
      res.setHeader("Vary", "Accept");
      if (!wantsEvents(req)) {
        res.setHeader("Upgrade", "websocket");
        throw new ProblemError(
          "upgrade_required",
          "This path is a stream: connect with a WebSocket, or send Accept: text/event-stream.",
        );
      }
      const lastSeen = lastEventId(req);
      await afterOwnWrites(service);
      if (!hub.canAdd() || (lastSeen !== null && resuming >= RESUMING_MAX))
        throw new ProblemError("too_many_streams", "This node has no stream left to give. Try another.");
      if (lastSeen === null) {
        hub.add(serve(res, hub));
        return;
      }
      resuming++;
      try {
        await awaitPlace(lastSeen, service);
        await resume(serve(res, hub), lastSeen + 1, { hub, service });
      } finally {
        resuming--;
      }
    })
    .all(eventMethods("GET"));
  return router;
}

/** A wildcard is no wish: plain `curl` would wait for ever. */
const wantsEvents = (req: Request): boolean =>
  /(?:^|,)\s*text\/event-stream\s*(?:;|,|$)/i.test(req.headers.accept ?? "");

/** A browser sends this by itself when it connects again; an id that is no sequence came from elsewhere. */
function lastEventId(req: Request): number | null {
  const sent = req.headers["last-event-id"];
  if (sent === undefined || sent === "") return null;
  if (typeof sent === "string" && /^\d{1,15}$/.test(sent)) return Number(sent);
  throw new ProblemError("invalid_header", "The header Last-Event-ID must be the sequence of an event.");
}

/**
 * The client may come from a node that was ahead of this one by a moment. A place that this log does not reach soon is
 * one of another log: to wait for it would show nothing, and skip what comes until then.
 */
async function awaitPlace(lastSeen: number, service: LogService): Promise<void> {
  const deadline = performance.now() + AHEAD_MS_MAX;
  while (service.logSize <= lastSeen) {
    if (performance.now() > deadline)
      throw new ProblemError(
        "invalid_header",
        `The header Last-Event-ID names event ${lastSeen}; this log has ${service.logSize} events.`,
      );
    await delay(AHEAD_LOOK_MS);
  }
}

function serve(res: Response, hub: StreamHub): StreamClient & { readonly isOpen: boolean } {
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
  const client = {
    form: "sse" as const,
    get isOpen() {
      return !res.writableEnded && !res.destroyed;
    },
    send: (bytes: Buffer) => void res.write(bytes),
    get bufferedBytes() {
      return res.writableLength;
    },
    closeSlow: (from: number) => end(`: overload from=${from}\n\n`),
    closeForRestart: () => end(": restart\n\n"),
  };
  const pings = setInterval(() => res.write(": ping\n\n"), PING_MS).unref();
  res.on("error", () => res.destroy());
  res.on("close", () => {
    clearInterval(pings);
    hub.remove(client);
  });
  return client;
}
