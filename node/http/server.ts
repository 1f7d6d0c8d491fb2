import { createServer, type RequestListener, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { PROBLEMS, ProblemError } from "../problems.js";
import { problemDocument } from "./middleware/problem-handler.js";

/** Longer than any client of ours keeps an idle socket: the server must never be the one that closes it first. */
const KEEP_ALIVE_MS = 72_000;
const HEADERS_MS = 15_000;
/** For a whole request to arrive; answers may take as long as they like. */
const REQUEST_MS = 30_000;
const CONNECTIONS_CHECK_MS = 2_000;
const CONNECTIONS_MAX = 4_000;
const HEADERS_MAX = 100;

/** A server with its limits set; `hardenServer` alone cannot set how often it looks for slow senders. */
export function createHardenedServer(listener: RequestListener): Server {
  return hardenServer(createServer({ connectionsCheckingInterval: CONNECTIONS_CHECK_MS }, listener));
}

export function hardenServer(server: Server): Server {
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  server.maxConnections = CONNECTIONS_MAX;
  server.maxHeadersCount = HEADERS_MAX;
  server.on("clientError", answerClientError);
  return server;
}

/** What never became a request still gets a problem document, if anybody is there to read it. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, what] = statusOf(error.code);
  const problem = new ProblemError("malformed_request", `${what} Nothing was written.`);
  const document = { ...problemDocument(problem, { baseUrl: "", path: "", requestId: "" }), status };
  const body = JSON.stringify(document);
  const { title } = PROBLEMS.malformed_request;
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function statusOf(code: string | undefined): [number, string] {
  if (code === "HPE_HEADER_OVERFLOW") return [431, "The request's headers are larger than 16 KiB."];
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return [408, "The request took too long to arrive."];
  return [400, "The request is not valid HTTP."];
}
