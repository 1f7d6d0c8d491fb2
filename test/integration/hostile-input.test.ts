import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canonicalText } from "../../shared/canonical.js";
import { EVENT_BYTES_MAX_DEFAULT } from "../../shared/limits.js";
import { eventually } from "../support/eventually.js";
import { call, openNodes, postText, readLog, type TestNodes, uniqueSource } from "./api-support.js";

let nodes: TestNodes;
beforeAll(async () => {
  nodes = await openNodes();
});
afterAll(() => nodes?.stop());

const ROUTES = ["/api/event-logs", "/events", "/api/v1/events"] as const;
const each = ROUTES.flatMap((route) => [0, 1, 2].map((node) => ({ route, node })));
const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;

/** Payloads, as text, that must be refused with a clear 400 wherever they arrive. */
const REFUSED: Record<string, string> = {
  "a lone surrogate": '{"a":"\\ud800"}',
  "a lone surrogate in a key": '{"\\udfff":1}',
  "a NUL in a key": '{"a\\u0000":1}',
  __proto__: '{"__proto__":{"polluted":true}}',
  _bsontype: '{"x":{"_bsontype":"ObjectId","id":"x"}}',
  "duplicate keys": '{"a":1,"b":{"c":1,"c":2}}',
  "1e999": '{"n":1e999}',
  "2^53+1": '{"n":9007199254740993}',
  "65 levels": nested(65),
  "10,000 levels": nested(10_000),
  "10,000 open brackets": "[".repeat(10_000),
  "a trailing comma": '{"a":1,}',
  "single quotes": "{'a':1}",
  NaN: '{"n":NaN}',
  "a comment": '{"a":1/*x*/}',
  nothing: "",
};

/** Payloads that look dangerous and must come back unchanged. */
const CARRIED: Record<string, string> = {
  "64 levels": nested(64),
  "dollar keys": '{"$where":"1","$set":{"x":1},"$":0}',
  "dotted keys": '{"a.b.c":1,".":2,"a.":3}',
  "what looks like a DBRef": '{"$ref":"blocks","$id":"1","$db":"admin"}',
  "what looks like extended JSON":
    '{"$oid":"507f1f77bcf86cd799439011","d":{"$date":"2020-01-01"},"n":{"$numberLong":"1"}}',
  "keys of Object.prototype":
    '{"constructor":1,"toString":{},"hasOwnProperty":null,"valueOf":[],"toJSON":{},"toBSON":1,"then":1}',
  "integer-like keys": '{"10":1,"9":2,"a":3,"1":4}',
  "an empty key": '{"":{"":""}}',
  "numbers at the edge":
    '{"n":[0,-0,1e21,5e-324,1.7976931348623157e308,9007199254740991,-9007199254740991,9007199254740992,0.1,2147483648,-2147483649]}',
  "NUL in a value": '{"a":"x\\u0000y"}',
  "every kind of text": '{"a":"\\ud83d\\ude00 é \\u2028\\u2029 \\" \\\\ \\b\\f\\n\\r\\t \\u007f"}',
  "nulls and lists": '{"a":null,"b":[],"c":[null,[[]],{}],"d":false}',
  "an injection": '{"q":"\'; db.dropDatabase(); //","h":"<script>alert(1)</script>"}',
};

describe.each(each)("hostile input at $route of node $node", ({ route, node }) => {
  const urlOf = () => nodes.urls[node] as string;
  const body = (source: string, payload: string) =>
    `{"eventType":"H","sourceAppId":"${source}","dataPayload":${payload}}`;
  const storedOf = (source: string) => readLog(urlOf(), `&sourceAppId=${source}`);

  it("is refused with a problem that says so, and stores nothing", async () => {
    const source = uniqueSource();
    for (const [name, payload] of Object.entries(REFUSED)) {
      const { status, headers, body: problem } = await postText(urlOf() + route, body(source, payload));
      expect([name, status]).toEqual([name, 400]);
      expect(headers.get("content-type")).toBe("application/problem+json");
      expect(problem.detail).toContain("Nothing was written");
      expect(["cannot_be_carried", "malformed_json"]).toContain(problem.code);
    }
    expect(await storedOf(source)).toEqual([]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("or is stored and comes back unchanged, with hashes that hold", async () => {
    const source = uniqueSource();
    for (const [name, payload] of Object.entries(CARRIED))
      expect([name, (await postText(urlOf() + route, body(source, payload))).status]).toEqual([name, 201]);
    const stored = await storedOf(source);
    const sent = Object.values(CARRIED).map((payload) => canonicalText(JSON.parse(payload)));
    expect(stored.map((event) => canonicalText(event.dataPayload))).toEqual(sent);
  });

  it("or has names as long as they may be, in characters of two units each, and is stored on every node", async () => {
    const source = uniqueSource() + "😀".repeat(256 - uniqueSource().length);
    const text = JSON.stringify({ eventType: "𝄞".repeat(256), sourceAppId: source, dataPayload: {} });
    expect((await postText(urlOf() + route, text)).status).toBe(201);
    for (const url of nodes.urls) {
      const types = async () =>
        (await readLog(url, `&sourceAppId=${encodeURIComponent(source)}`)).map(({ eventType }) => eventType);
      const isThere = async () => (await types()).length > 0;
      await eventually(isThere, 30_000, "the event is on every node");
      expect(await types()).toEqual(["𝄞".repeat(256)]);
    }
  });

  it("answers wrong types, bad dates and long names with 4xx", async () => {
    const source = uniqueSource();
    const status = route === "/api/v1/events" ? 422 : 400;
    const fields = { eventType: '"T"', sourceAppId: `"${source}"`, dataPayload: "{}" };
    const wrong: Record<string, string>[] = [
      { eventType: "1" },
      { eventType: "null" },
      { eventType: '""' },
      { eventType: '{"$gt":""}' },
      { eventType: '["x"]' },
      { eventType: `"${"x".repeat(257)}"` },
      { eventType: '"a\\u0000"' },
      { sourceAppId: "true" },
      { dataPayload: "null" },
      { dataPayload: "[]" },
      { dataPayload: '"{}"' },
      { dataPayload: "7" },
      { timestamp: '"tomorrow"' },
      { timestamp: '"2026-13-01T00:00:00Z"' },
      { timestamp: "0" },
      { timestamp: '"2026-02-29T00:00:00Z"' },
      { _id: '"64fdc8e5a835b1c4d6c5693f"' },
      { hash: '"x"' },
      { sequence: "0" },
      { recordedAt: '"2020-01-01T00:00:00Z"' },
    ];
    for (const change of wrong) {
      const text = `{${Object.entries({ ...fields, ...change })
        .map(([key, value]) => `"${key}":${value}`)
        .join(",")}}`;
      const answer = await postText(urlOf() + route, text);
      expect([text, answer.status]).toEqual([text, status]);
      expect(answer.body.errors[0].pointer).toBe(`#/${Object.keys(change)[0]}`);
    }
    for (const text of ["null", "[]", "1", '"x"', "true"])
      expect([text, (await postText(urlOf() + route, text)).status]).toEqual([text, status]);
    expect(await storedOf(source)).toEqual([]);
  });

  it("answers bodies that are not JSON, not UTF-8, compressed or too large", async () => {
    const url = urlOf() + route;
    const source = uniqueSource();
    const good = body(source, "{}");
    expect((await postText(url, good, { "Content-Type": "text/plain" })).status).toBe(415);
    expect((await postText(url, good, { "Content-Type": "application/x-www-form-urlencoded" })).status).toBe(415);
    expect((await postText(url, good, { "Content-Encoding": "gzip" })).status).toBe(415);
    expect((await postText(url, Uint8Array.of(0x7b, 0xff, 0x7d))).body.code).toBe("malformed_json");
    const sized = (bytes: number) => body(source, `{"a":"${"x".repeat(bytes - body(source, '{"a":""}').length)}"}`);
    expect((await postText(url, sized(EVENT_BYTES_MAX_DEFAULT + 1))).status).toBe(413);
    expect((await postText(url, sized(2 * 1024 * 1024))).status).toBe(413);
    expect(await storedOf(source)).toEqual([]);
    expect((await postText(url, sized(EVENT_BYTES_MAX_DEFAULT))).status).toBe(201);
    const stored = await storedOf(source);
    expect(stored.map((event) => (event.dataPayload as { a: string }).a.length)).toEqual([
      EVENT_BYTES_MAX_DEFAULT - body(source, '{"a":""}').length,
    ]);
  });
});

describe("hostile HTTP", () => {
  const raw = (url: string, text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const socket = connect(Number(port), hostname);
      let answer = "";
      socket.setEncoding("utf8").setTimeout(60_000, () => socket.destroy(new Error("no answer")));
      socket.on("data", (data: string) => {
        answer += data;
      });
      socket.on("end", () => resolve(answer));
      socket.on("error", reject);
      socket.write(text);
    });

  it.each([0, 1, 2])("is answered and does no harm (node %i)", async (node) => {
    const url = nodes.urls[node] as string;
    expect(await raw(url, "NONSENSE\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    const evil = await raw(url, "GET /nowhere HTTP/1.1\r\nHost: evil.example/<script>\r\nConnection: close\r\n\r\n");
    expect(evil).not.toContain("evil.example");
    expect((await call(`${url}/livez`)).status).toBe(200);
    for (const path of ["/%ff", "/api/v1/events/%ff", "/problems/%c0%80"])
      expect([400, 404]).toContain((await call(url + path)).status);
    expect((await call(`${url}/api/event-logs?${"a=1&".repeat(1_500)}`)).status).toBe(200);
    expect((await call(`${url}/api/v1/events?eventType[$gt]=`)).status).toBe(400);
  });
});
