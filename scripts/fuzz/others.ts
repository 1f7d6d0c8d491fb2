import { METHODS } from "node:http";
import type { Random } from "./random.js";
import { type Draft, type Request, WRITE_PATHS, withHeaders, writeOut } from "./requests.js";

/** Beside what the API describes: places within its limits and beyond, and places where nothing is. */
export const ODD_PATHS: readonly string[] = [
  "/",
  "/livez",
  "/readyz",
  "/readyz?verbose",
  "/events?limit=3",
  "/api/event-logs?limit=3&eventType=fuzz",
  "/api/event-logs/x",
  "/api/v1/events?limit=3",
  "/api/v1/events/999999999",
  "/api/v1/events/999999999/nodes",
  "/api/v1/events/histogram?eventType=fuzz&buckets=200",
  "/api/v1/events/histogram?since=x",
  "/api/v1/chain?from=0&count=500",
  "/api/v1/blocks/999999999",
  "/api/v1/blocks/x",
  "/api/v1/elections?limit=1",
  "/api/v1/alerts?status=all&limit=100",
  "/api/v1/alerts/x/repair",
  "/docs/",
  "/assets/x.js",
  "/peer/v1/messages",
  "/peer/v1/x",
  "/nowhere",
  "//",
  "/..",
  "/api/v1/events?eventType=%E9",
  "/api/event-logs?page=0",
];

const SAMPLES: Readonly<Record<string, string>> = { sequence: "0", height: "1", id: "0".repeat(24), name: "not_found" };

/** A place for each path that an API describes. */
export const placesOf = (paths: readonly string[]): string[] =>
  paths.map((path) => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => SAMPLES[name] ?? "x"));

/** A node, and the places of it that are asked for. */
export interface Asked {
  readonly authority: string;
  readonly places: readonly string[];
}

/** Whether a POST there is a write: changes.ts makes those. */
const takesWrites = (target: string): boolean => WRITE_PATHS.some((path) => path === target.split("?", 1)[0]);

/** Every method that Node knows, on every path, with a body that would be an event on the right one. */
export function readRequest(random: Random, source: string, { authority, places }: Asked): Request {
  const method = random.chance(0.5) ? random.pick(["GET", "HEAD", "OPTIONS", "POST"]) : random.pick(METHODS);
  const target = random.pick(places.filter((path) => method !== "POST" || !takesWrites(path)));
  const bare = emptyDraft(method, target, authority);
  const withEvent: Draft = {
    ...bare,
    ...withHeaders(bare, ["Content-Type", "application/json"]),
    body: JSON.stringify({ eventType: "fuzz", sourceAppId: source, dataPayload: {} }),
    transfer: random.pick(["length", "chunked"]),
  };
  const text = writeOut(random.chance(0.2) ? withEvent : bare, random);
  // CONNECT takes the rest of the connection with it.
  return {
    name: `${method} ${target}`,
    meant: method === "CONNECT" ? "broken" : method === "POST" ? "refused" : "read",
    method,
    text,
    source,
    events: 0,
  };
}

const PARAMETERS = [
  "",
  "?after=-1",
  "?after=0",
  "?lastEventId=0",
  "?after=x",
  "?eventType=fuzz&after=-1",
  "?colour=red",
];
const WEB_SOCKET: [string, string][] = [
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="],
  ["Sec-WebSocket-Version", "13"],
];

export function streamRequest(random: Random, source: string, authority: string): Request {
  const isWebSocket = random.chance(0.5);
  const path = random.pick(
    isWebSocket ? ["/", "/api/event-logs/stream", "/api/v1/stream"] : ["/api/event-logs/stream", "/api/v1/stream"],
  );
  const bare = emptyDraft("GET", path + random.pick(PARAMETERS), authority);
  // Now and then one of a handshake's headers is missing.
  const wish: [string, string][] = isWebSocket
    ? WEB_SOCKET.filter(() => random.chance(0.95))
    : [["Accept", "text/event-stream"]];
  if (random.chance(0.1)) wish.push(["Origin", "http://evil.example"]);
  if (random.chance(0.2)) wish.push(["Last-Event-ID", random.pick(["0", "x", "99999999"])]);
  const text = writeOut({ ...bare, ...withHeaders(bare, ...wish) }, random);
  return { name: `stream ${bare.target}`, meant: "stream", method: "GET", text, source, events: 0 };
}

/** Bytes that are no request. None of them holds an event. */
export function garbage(random: Random, source: string): Request {
  const text = random.pick([
    random.bytes(random.whole(1, 400)),
    "NONSENSE\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "x",
    "\0",
    "GET",
    "GET / HTTP/1.1\r\nHost",
    "HTTP/1.1 200 OK\r\n\r\n",
    `${"A".repeat(random.whole(100, 20_000))} / HTTP/1.1\r\n\r\n`,
  ]);
  return { name: "no request", meant: "broken", method: "GET", text, source, events: 0 };
}

const emptyDraft = (method: string, target: string, authority: string): Draft => ({
  lead: "",
  method,
  target,
  version: "HTTP/1.1",
  headers: [["Host", authority]],
  body: "",
  transfer: "none",
  trailers: "",
});
