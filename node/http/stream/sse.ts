import { type Request, type RequestHandler, type Response, Router } from "express";
import { ProblemError } from "../../problems.js";
import { clientOf } from "../client-address.js";
import { eventMethods } from "../middleware/methods.js";
import { type ConnectedClient, connectClient } from "./client.js";
import type { StreamForm } from "./forms.js";
import type { StreamHub } from "./hub.js";
import {
  afterOwnWrites,
  awaitPlace,
  noPlaceLeft,
  readStreamRequest,
  type StreamFilter,
  type StreamRequest,
} from "./request.js";
import { type ResumeParts, resume } from "./resume.js";

const PING_MS = 15_000;
const RETRY_MS = 3_000;
const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
};
/** After the last words, how long a client may take to read them. */
const GOODBYE_MS = 10_000;

/** Server-sent events: on the path of reference API A's stream, and on our own. */
export function sseRouter(parts: ResumeParts): Router {
  const router = Router();
  const serveAs =
    (api: "a" | "own", form: StreamForm): RequestHandler =>
    (req, res) => {
      requireWish(req, res);
      const asked = readStreamRequest(api, req.query, req.headers["last-event-id"]);
      if (req.method !== "HEAD") return stream(res, form, asked, parts);
      // Nothing would ever end the answer, and it has no body that anybody could read.
      res.writeHead(200, HEADERS).end();
    };
  router.route("/api/event-logs/stream").get(serveAs("a", "sse")).all(eventMethods("GET"));
  router.route("/api/v1/stream").get(serveAs("own", "own_sse")).all(eventMethods("GET"));
  return router;
}

/** A wildcard is no wish: plain `curl` would wait for ever. */
function requireWish(req: Request, res: Response): void {
  res.vary("Accept");
  if (/(?:^|,)\s*text\/event-stream\s*(?:;|,|$)/i.test(req.headers.accept ?? "")) return;
  res.setHeader("Upgrade", "websocket");
  throw new ProblemError(
    "upgrade_required",
    "This path is a stream: connect with a WebSocket, or send Accept: text/event-stream.",
  );
}

async function stream(
  res: Response,
  form: StreamForm,
  { filter, place }: StreamRequest,
  parts: ResumeParts,
): Promise<void> {
  const { hub, reads } = parts;
  await afterOwnWrites(reads);
  if (place !== null) await awaitPlace(place, reads, () => res.destroyed);
  // Its `close` has come already, and would not come again to give the place back.
  if (res.destroyed) return;
  if (!hub.canAdd(clientOf(res.req.socket))) throw noPlaceLeft(hub);
  const client = serve(res, { hub, form, filter });
  if (place === null) hub.add(client);
  else await resume(client, place.lastSeen + 1, filter, parts);
}

function serve(
  res: Response,
  { hub, form, filter }: { hub: StreamHub; form: StreamForm; filter: StreamFilter },
): ConnectedClient {
  res.writeHead(200, HEADERS);
  res.write(`retry: ${RETRY_MS}\n\n`);
  const end = (lastWords: string): void => {
    clearInterval(pings);
    if (res.writableEnded) return;
    res.end(lastWords);
    // A client that reads nothing would keep its buffer here for ever.
    setTimeout(() => res.destroy(), GOODBYE_MS).unref();
  };
  const connection = {
    address: clientOf(res.req.socket),
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
  const client = connectClient(connection, form, filter);
  const pings = setInterval(() => res.write(": ping\n\n"), PING_MS).unref();
  res.on("error", () => res.destroy());
  res.on("close", () => {
    clearInterval(pings);
    client.forget();
    hub.remove(client);
  });
  return client;
}
