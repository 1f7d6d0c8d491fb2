import type { Random } from "./random.js";

/** A request before it is written out. */
export interface Draft {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  /** How the body is sent; `none` leaves both headers to whoever sets them. */
  readonly transfer: "length" | "chunked" | "none";
  readonly trailers: string;
  /** Before the request line. */
  readonly lead: string;
}

/**
 * What the reference documents and RFC 9110 to 9112 say of a request. `written`: stored once. `refused`: an error of the
 * client's, nothing stored. `broken`: no HTTP, nothing stored, and the connection may end. `read`: stores nothing.
 * `stream`: never ends. `either`: what the answer says, and nothing else.
 */
export type Meant = "written" | "refused" | "broken" | "read" | "stream" | "either";

export interface Request {
  readonly name: string;
  readonly meant: Meant;
  readonly method: string;
  readonly text: string;
  /** The source of its events, which no other write has; and how many it would store. */
  readonly source: string;
  readonly events: number;
}

export function writeOut({ lead, method, target, version, headers, transfer, body, trailers }: Draft, random: Random) {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${lead}${method} ${target} ${version}\r\n${lines}`;
  if (transfer === "none") return `${head}\r\n${body}`;
  if (transfer === "length") return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks(body, random)}0\r\n${trailers}\r\n`;
}

function chunks(body: string, random: Random): string {
  let text = "";
  for (let at = 0; at < body.length; ) {
    const size = random.whole(1, 1 + body.length - at);
    const part = body.slice(at, at + size);
    const extension = random.pick(["", "", ";a", ";a=b", `;q="x y"`, `;${"e".repeat(random.whole(1, 200))}=1`]);
    text += `${part.length.toString(16)}${extension}\r\n${part}\r\n`;
    at += size;
  }
  return text;
}

export const WRITE_PATHS = ["/api/v1/events", "/api/v1/events:batch", "/api/event-logs", "/events"] as const;

/** A write as the documents describe it. */
export function goodWrite(random: Random, source: string, authority: string): { draft: Draft; events: number } {
  const target = random.pick(WRITE_PATHS);
  const event = { eventType: "fuzz", sourceAppId: source, dataPayload: { text: "x".repeat(random.whole(0, 300)) } };
  const events = target.endsWith("batch") ? random.whole(1, 5) : 1;
  const value = target.endsWith("batch") ? { events: Array(events).fill(event) } : event;
  const draft: Draft = {
    lead: "",
    method: "POST",
    target,
    version: "HTTP/1.1",
    headers: [
      ["Host", authority],
      ["Content-Type", "application/json"],
    ],
    body: JSON.stringify(value),
    transfer: "length",
    trailers: "",
  };
  return { draft, events };
}

export const withHeaders = (draft: Draft, ...added: [string, string][]): Partial<Draft> => ({
  headers: [...draft.headers, ...added],
});
