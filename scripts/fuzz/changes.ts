import type { Random } from "./random.js";
import { type Draft, type Meant, withHeaders } from "./requests.js";

export interface Change {
  readonly name: string;
  /** The request after the change. */
  change(draft: Draft, random: Random): Partial<Draft>;
}

const HEADERS_MAX = 100;

const without = (draft: Draft, removed: RegExp): Draft["headers"] =>
  draft.headers.filter(([name]) => !removed.test(name));
const many = (count: number): [string, string][] => Array.from({ length: count }, (_, i) => [`X-${i}`, "y"]);
const lengths = (draft: Draft, ...values: string[]): Partial<Draft> => ({
  transfer: "none",
  ...withHeaders(draft, ...values.map((value): [string, string] => ["Content-Length", value])),
});

/** What changes nothing about a write. */
export const DRESSINGS: readonly Change[] = [
  { name: "chunked", change: () => ({ transfer: "chunked" }) },
  {
    name: "encoded path",
    change: ({ target }, random) => {
      const at = random.whole(1, target.length - 1);
      if (target[at] === "/" || target.includes("?")) return {};
      const code = target.charCodeAt(at).toString(16);
      const shown = random.chance(0.5) ? code : code.toUpperCase();
      return { target: `${target.slice(0, at)}%${shown}${target.slice(at + 1)}` };
    },
  },
  { name: "a query", change: ({ target }) => ({ target: `${target}?x=1` }) },
  { name: "empty lines before", change: () => ({ lead: "\r\n" }) },
  {
    name: "names in another case",
    change: ({ headers }, random) => ({
      headers: headers.map(([name, value]) => [random.chance(0.5) ? name.toUpperCase() : name, value]),
    }),
  },
  {
    name: "up to 100 headers",
    // One more says how the body is sent, and others may follow.
    change: ({ headers: [first, ...others] }, random) => ({
      headers: [first as [string, string], ...many(random.whole(1, HEADERS_MAX - 14)), ...others],
    }),
  },
  { name: "Expect", change: (draft) => withHeaders(draft, ["Expect", "100-continue"]) },
  {
    name: "Upgrade to what a POST cannot become",
    change: (draft, random) =>
      withHeaders(
        draft,
        ["Connection", random.pick(["Upgrade", "keep-alive, Upgrade"])],
        ["Upgrade", random.pick(["websocket", "TLS/1.0", "h2c, websocket"])],
        ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="],
        ["Sec-WebSocket-Version", "13"],
      ),
  },
  {
    name: "Upgrade to HTTP/2",
    change: (draft) =>
      withHeaders(
        draft,
        ["Connection", "Upgrade, HTTP2-Settings"],
        ["Upgrade", "h2c"],
        ["HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"],
      ),
  },
  {
    name: "its own Origin",
    change: (draft) => withHeaders(draft, ["Origin", `http://${draft.headers[0]?.[1]}`]),
  },
  {
    name: "white space in the body",
    change: ({ body }, random) => ({
      body: ` \n\t${body.replaceAll(":", () => ":".padEnd(random.whole(1, 4)))}\r\n`,
    }),
  },
  {
    name: "another JSON type",
    change: (draft, random) => {
      const types = ["application/json; charset=utf-8", "application/vnd.a+json", "APPLICATION/JSON"];
      return { headers: [...without(draft, /^content-type$/i), ["Content-Type", random.pick(types)]] };
    },
  },
];

/** What makes a write one that is refused. */
export const SPOILERS: readonly (Change & { readonly meant: Meant })[] = [
  {
    name: "more than 100 headers",
    meant: "refused",
    change: (draft, random) =>
      withHeaders(draft, ...many(random.whole(HEADERS_MAX, 3 * HEADERS_MAX)), ["Idempotency-Key", "k"]),
  },
  {
    name: "headers of more than 16 KiB",
    meant: "broken",
    change: (draft, random) => withHeaders(draft, ["X-Large", "y".repeat(random.whole(17_000, 40_000))]),
  },
  {
    name: "another Host",
    meant: "refused",
    change: (draft, random) => {
      const hosts = ["evil.example", "evil.example:80", "localhost.evil.example", "a b", "[::1"];
      return { headers: [...without(draft, /^host$/i), ["Host", random.pick(hosts)]] };
    },
  },
  {
    name: "another Origin",
    meant: "refused",
    change: (draft, random) =>
      withHeaders(draft, ["Origin", random.pick(["http://evil.example", "null", "http://127.0.0.1:1"])]),
  },
  { name: "two Hosts", meant: "refused", change: (draft) => withHeaders(draft, ["Host", "127.0.0.1"]) },
  { name: "no Host", meant: "refused", change: (draft) => ({ headers: without(draft, /^host$/i) }) },
  { name: "two types", meant: "refused", change: (draft) => withHeaders(draft, ["Content-Type", "text/plain"]) },
  { name: "no type", meant: "refused", change: (draft) => ({ headers: without(draft, /^content-type$/i) }) },
  { name: "compressed", meant: "refused", change: (draft) => withHeaders(draft, ["Content-Encoding", "gzip"]) },
  {
    name: "JSON that is cut",
    meant: "refused",
    change: ({ body }, random) => ({ body: body.trim().slice(0, random.whole(0, body.trim().length - 1)) }),
  },
  { name: "no UTF-8", meant: "refused", change: ({ body }) => ({ body: body.replace("fuzz", "\xff\xfe") }) },
  {
    name: "an unknown field",
    meant: "refused",
    change: ({ body }) => ({ body: body.replace('"eventType"', '"x":1,"eventType"') }),
  },
  {
    name: "a field less",
    meant: "refused",
    change: ({ body }) => ({ body: body.replace(/"eventType": *"fuzz",/, "") }),
  },
  {
    name: "too large",
    meant: "refused",
    change: ({ body }) => ({ body: body + " ".repeat(body.includes('"events"') ? 4_400_000 : 1_100_000) }),
  },
  {
    name: "another method",
    meant: "refused",
    change: (_draft, random) => ({ method: random.pick(["PUT", "PATCH", "DELETE", "LINK", "TRACE"]) }),
  },
  {
    name: "another path",
    meant: "refused",
    change: ({ target }, random) => ({
      target: random.pick([`/x${target}`, `${target.replace("?", "/")}x`, "/api/v1/events%2Fx", "*"]),
    }),
  },
  {
    name: "a path that is no text",
    meant: "refused",
    change: ({ target }, random) => ({ target: target.replace("?", "") + random.pick(["%ff", "%", "%4", "#x"]) }),
  },
  {
    name: "two keys",
    meant: "refused",
    change: (draft) => withHeaders(draft, ["Idempotency-Key", "a"], ["Idempotency-Key", "b"]),
  },
  {
    name: "a key that is too long",
    meant: "refused",
    change: (draft) => withHeaders(draft, ["Idempotency-Key", "k".repeat(256)]),
  },
  {
    name: "a key behind the body",
    meant: "refused",
    change: () => ({ transfer: "chunked", trailers: "Idempotency-Key: k\r\n" }),
  },
  {
    name: "a length and chunks",
    meant: "broken",
    change: (draft) => ({
      transfer: "chunked",
      ...withHeaders(draft, ["Content-Length", String(draft.body.length)]),
    }),
  },
  {
    name: "two lengths",
    meant: "broken",
    change: (draft) => lengths(draft, String(draft.body.length), String(draft.body.length + 1)),
  },
  {
    name: "a length that is none",
    meant: "broken",
    change: (draft, random) => lengths(draft, random.pick(["+5", "-1", "0x10", "5,5", "1e3", "9".repeat(30)])),
  },
  {
    name: "a length too small",
    meant: "broken",
    change: (draft) => lengths(draft, String(draft.body.trimEnd().length - 5)),
  },
  {
    name: "a chunk size that is none",
    meant: "broken",
    change: (draft, random) => ({
      transfer: "none",
      ...withHeaders(draft, ["Transfer-Encoding", "chunked"]),
      body: `${random.pick(["zz", "-1", "0x5", "ffffffffffffffffff"])}\r\n${draft.body}\r\n0\r\n\r\n`,
    }),
  },
  {
    name: "chunk extensions that are too large",
    meant: "broken",
    change: (draft, random) => ({
      transfer: "none",
      ...withHeaders(draft, ["Transfer-Encoding", "chunked"]),
      body: `${draft.body.length.toString(16)};${"e".repeat(random.whole(17_000, 60_000))}\r\n${draft.body}\r\n0\r\n\r\n`,
    }),
  },
  {
    name: "an encoding that is unknown",
    meant: "either",
    change: (draft, random) => ({
      transfer: "none",
      ...withHeaders(draft, [
        "Transfer-Encoding",
        random.pick(["identity", "gzip, chunked", "chunked, identity", "xchunked"]),
      ]),
    }),
  },
  {
    name: "a header that is none",
    meant: "broken",
    change: (draft, random) => withHeaders(draft, [random.pick(["X Y", "X\0", "", "X\x7f", "(X)"]), "y"]),
  },
  { name: "a line feed in a header", meant: "either", change: (draft) => withHeaders(draft, ["X", "a\nY: b"]) },
  { name: "a folded header", meant: "either", change: (draft) => withHeaders(draft, ["X", "a\r\n b"]) },
  {
    name: "another version",
    meant: "either",
    change: (_draft, random) => ({
      version: random.pick(["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.0", "HTTQ/1.1", ""]),
    }),
  },
  { name: "a method in lower case", meant: "broken", change: () => ({ method: "post" }) },
];
