import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { failWith } from "../host/failed-requests.js";
import { PROBLEMS, type ProblemCode, ProblemError } from "../problems.js";
import { connectionOf, continueInTurn, endGently, nothingOwed, owe, trackConnections } from "./connections.js";
import { type Judge, type JudgeOptions, requestJudge } from "./door/judge.js";
import type { MessageClasses } from "./messages.js";
import { problemDocument } from "./middleware/problem-handler.js";
import { PLACES, type PlaceLimits, Places } from "./places.js";
import { cutUnread } from "./unread.js";
import { asksForWebSocket, takeUpgrades } from "./upgrade.js";

/** Longer than any client of ours keeps an idle socket: the server must never be the one that closes it first. */
const KEEP_ALIVE_MS = 72_000;
const HEADERS_MS = 15_000;
/** For a whole request to arrive; answers may take as long as they like. */
const REQUEST_MS = 30_000;
const CONNECTIONS_CHECK_MS = 2_000;

export interface DoorOptions extends JudgeOptions {
  /** Answers what is refused here; default: the listener. */
  readonly app?: RequestListener;
  readonly places?: PlaceLimits;
  readonly messages?: MessageClasses;
  /** How long a client may take nothing of what waits for it. */
  readonly unreadMs?: number;
}

/** A server with its limits set. What it refuses never reaches the listener: the app answers that with a problem. */
export function createHardenedServer(listener: RequestListener, options: DoorOptions = {}): Server {
  const { app = listener, places: limits = PLACES } = options;
  const places = new Places(limits);
  const judgeRequest = requestJudge(options);
  const judge: Judge = (req) => {
    const judgement = judgeRequest(req);
    const problem = judgement.ok ? places.judge(req) : null;
    return problem === null ? judgement : { ok: false, problem };
  };
  const server = createServer({
    ...options.messages,
    connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    // Node's own answers to these say nothing: ours are problems.
    requireHostHeader: false,
    // Known to newer versions of Node only.
    ...{ shouldUpgradeCallback: asksForWebSocket },
  });
  // Their size is bounded. A bound on their number would make Node drop the others without a word: it is checked here.
  server.maxHeadersCount = 0;
  const receive = (req: IncomingMessage, res: ServerResponse): void => {
    if (connectionOf(req.socket)?.isEnding === true) return;
    owe({ req, res });
    const judgement = judge(req);
    // Newer versions of Node lose what comes right behind a request whose Upgrade is ignored; older ones come here without.
    const isLast = req.headers.upgrade !== undefined && /upgrade/i.test(req.headers.connection ?? "");
    if (isLast || places.endsWith(req) || !judgement.ok) res.shouldKeepAlive = false;
    if (!judgement.ok) {
      failWith(req, judgement.problem);
      app(req, res);
      return;
    }
    for (const [name, value] of Object.entries(judgement.headers)) res.setHeader(name, value);
    if (/^100-continue$/i.test(req.headers.expect ?? "")) continueInTurn({ req, res });
    listener(req, res);
  };
  trackConnections(server);
  cutUnread(server, options.unreadMs);
  places.watch(server);
  server.on("request", receive);
  server.on("checkContinue", receive);
  // RFC 9110 section 10.1.1: what a server does not know it may ignore.
  server.on("checkExpectation", receive);
  takeUpgrades(server, { judge, app });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => void answerBroken(error, socket, app));
  return server;
}

/**
 * What the parser could not read. It is the rest of a request that is under way, or came behind such requests: theirs
 * are the first answers, and of their fate nothing is known here.
 */
async function answerBroken(error: NodeJS.ErrnoException, socket: Duplex, app: RequestListener): Promise<void> {
  const connection = connectionOf(socket);
  // The parser says it again for all that follows.
  if (connection?.isBroken === true) return;
  if (error.code === "ECONNRESET" || !socket.writable || connection === undefined) {
    socket.destroy();
    return;
  }
  connection.isBroken = true;
  const problem = problemOf(error.code);
  const { newest } = connection;
  if (newest !== null && !newest.req.complete) {
    const { req, res } = newest;
    res.shouldKeepAlive = false;
    // Whoever waits for its body waits in vain; whoever needs none answers as always.
    if (req.readableFlowing === true && !res.headersSent) {
      failWith(req, problem);
      app(req, res);
    }
    await nothingOwed(socket);
    endGently(socket);
    return;
  }
  await nothingOwed(socket);
  endGently(socket, rawProblem(problem));
}

/** What never became a request still gets a problem document, if anybody is there to read it. */
function rawProblem(problem: ProblemError): string {
  const { status, title } = PROBLEMS[problem.code];
  const body = JSON.stringify(problemDocument(problem, { baseUrl: "", path: "", requestId: "" }));
  return `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}

function problemOf(code: string | undefined): ProblemError {
  const [name, what] = whatBroke(code);
  return new ProblemError(name, `${what} Nothing of it was written.`);
}

function whatBroke(code: string | undefined): [ProblemCode, string] {
  if (code === "HPE_HEADER_OVERFLOW") return ["headers_too_large", "The request's headers are larger than 16 KiB."];
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") return ["too_large", "The body's chunk extensions are too large."];
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return ["request_timeout", "The request took too long to arrive."];
  return ["malformed_request", "The request is not valid HTTP."];
}
