import type { IncomingMessage } from "node:http";
import { PEER_PATH } from "../../peers/limits.js";
import { ProblemError } from "../../problems.js";
import { isOwnHost, isSameOrigin } from "./origin.js";
import { readTarget } from "./target.js";

export const HEADERS_MAX = 100;
/** If they come twice, Node silently takes the first. */
const SINGLE = ["host", "content-type"];

export interface JudgeOptions {
  /** Names by which clients reach this node, besides localhost and every address. */
  readonly allowedHosts?: readonly string[];
  /** Origins of web pages, besides the node's own, that may read and write here. */
  readonly allowedOrigins?: readonly string[];
}

/** What the answer says besides, whatever it is. */
type Headers = Readonly<Record<string, string>>;
const NONE: Headers = {};

export type Judgement =
  | { readonly ok: true; readonly headers: Headers }
  | { readonly ok: false; readonly problem: ProblemError };
export type Judge = (req: IncomingMessage) => Judgement;

/**
 * What is looked at before anything else of a request, whatever its path: whether all of its headers are there, what its
 * target means, and who sent it here. Puts the target into one form.
 */
export function requestJudge({ allowedHosts = [], allowedOrigins = [] }: JudgeOptions): Judge {
  const ownNames = new Set(["localhost", ...allowedHosts.map((name) => name.toLowerCase())]);
  const origins = new Set(allowedOrigins);
  return (req) => {
    const refused = headersProblem(req) ?? targetProblem(req);
    if (refused !== null) return { ok: false, problem: refused };
    const { host, origin } = req.headers;
    // Peers prove themselves: where they call from, and under which name, says nothing.
    if (isPeersPath(req.url ?? "")) return { ok: true, headers: NONE };
    if (host !== undefined && !isOwnHost(host, ownNames)) return { ok: false, problem: hostRefused() };
    if (origin === undefined || isSameOrigin(origin, host)) return { ok: true, headers: NONE };
    if (!origins.has(origin)) return { ok: false, problem: originRefused() };
    return { ok: true, headers: corsHeaders(origin) };
  };
}

export const isPeersPath = (url: string): boolean => url.startsWith(`${PEER_PATH}/`);

function headersProblem(req: IncomingMessage): ProblemError | null {
  const count = req.rawHeaders.length / 2;
  if (count > HEADERS_MAX)
    return new ProblemError(
      "headers_too_large",
      `The request has ${count} headers; ${HEADERS_MAX} are the most. Nothing was written.`,
    );
  const twice = SINGLE.find((name) => req.headers[name] !== undefined && isTwice(req.rawHeaders, name));
  if (twice !== undefined)
    return new ProblemError("invalid_header", `The header ${twice} was sent more than once. Nothing was written.`);
  if (req.headers.host === undefined && req.httpVersion === "1.1")
    return new ProblemError("malformed_request", "The header Host is missing. Nothing was written.");
  return null;
}

function isTwice(rawHeaders: readonly string[], name: string): boolean {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const sent = rawHeaders[i] as string;
    if (sent.length === name.length && sent.toLowerCase() === name) count++;
  }
  return count > 1;
}

function targetProblem(req: IncomingMessage): ProblemError | null {
  const target = readTarget(req.url ?? "");
  if (target === null) {
    req.url = "/";
    return new ProblemError(
      "malformed_request",
      "The request's target is not percent-encoded UTF-8, or has a fragment. Nothing was written.",
    );
  }
  req.url = target.url;
  if (target.authority !== null) req.headers.host = target.authority;
  return null;
}

const hostRefused = (): ProblemError =>
  new ProblemError(
    "host_not_allowed",
    "The request's Host is no name of this node. Nothing was read or written. Use an address, or name it in ALLOWED_HOSTS.",
  );
const originRefused = (): ProblemError =>
  new ProblemError(
    "origin_not_allowed",
    "The request's Origin is another web site. Nothing was read or written. Name it in ALLOWED_ORIGINS to let it in.",
  );

/** For a page that is let in; never with credentials. */
const corsHeaders = (origin: string): Headers => ({
  "Access-Control-Allow-Origin": origin,
  "Access-Control-Allow-Methods": "GET, HEAD, POST",
  "Access-Control-Allow-Headers":
    "Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, traceparent",
  "Access-Control-Expose-Headers":
    "ETag, Idempotent-Replayed, Link, Location, Retry-After, X-Answered-From, X-Leader, X-Log-Size, X-Request-Id, X-Served-By, X-Stale, X-Term",
  "Access-Control-Max-Age": "600",
  Vary: "Origin",
});
