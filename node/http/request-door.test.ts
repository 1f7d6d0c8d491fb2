import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Door, EVENT, get, openDoor, post, SSE, WEB_SOCKET } from "../../test/doubles/door.js";
import { openApiDocument } from "./openapi/document.js";

let door: Door;
beforeEach(async () => {
  door = await openDoor({ allowedHosts: ["n1", "logs.example"], allowedOrigins: ["https://board.example"] });
});
afterEach(() => door.close());

/** The status of the one answer to what is sent. */
async function statusOf(text: string): Promise<number | undefined> {
  const client = door.open().send(text);
  await expect.poll(() => client.statuses.length).toBeGreaterThan(0);
  return client.statuses[0];
}
const lines = (count: number): string => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join("");

describe("headers", () => {
  it("are all seen up to the limit, and a request with more is refused as a whole", async () => {
    // Host, Content-Type, Content-Length, and the key after all others.
    expect(await statusOf(post(EVENT, `${lines(96)}Idempotency-Key: k1\r\n`))).toBe(201);
    expect(door.log.stored.map(({ idempotencyKey }) => idempotencyKey)).toEqual(["k1"]);
    for (const path of ["/api/v1/events", "/api/event-logs", "/events"])
      expect(await statusOf(post(EVENT, `${lines(97)}Idempotency-Key: k2\r\n`, path))).toBe(431);
    expect(await statusOf(get("/api/v1/stream", `${SSE}${lines(110)}Last-Event-ID: 0\r\n`))).toBe(431);
    expect(await statusOf(get("/api/v1/stream", `${WEB_SOCKET}${lines(110)}Last-Event-ID: 0\r\n`))).toBe(431);
    expect(await statusOf(get("/peer/v1/messages", lines(110)))).toBe(431);
    expect(door.log.stored).toHaveLength(1);
  });

  it("are told of in a problem document", async () => {
    const client = door.open().send(post(EVENT, lines(110)));
    await expect.poll(() => client.hasEnded).toBe(true);
    expect(client.problem).toMatchObject({ code: "headers_too_large", status: 431 });
    expect(client.problem.detail).toContain("Nothing was written");
  });

  it("that decide something and come twice are refused, not chosen from", async () => {
    expect(await statusOf(post(EVENT, "Content-Type: text/plain\r\n"))).toBe(400);
    expect(await statusOf(post(EVENT, "Host: n1\r\n"))).toBe(400);
    expect(await statusOf(post(EVENT, "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"))).toBe(400);
    expect(door.log.stored).toEqual([]);
  });

  it("do not come after the body: a key in a trailer is refused", async () => {
    const head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const body = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n0\r\nIdempotency-Key: k\r\n\r\n`;
    expect(await statusOf(`${head}Transfer-Encoding: chunked\r\n\r\n${body}`)).toBe(400);
    expect(door.log.stored).toEqual([]);
  });
});

describe("an Upgrade", () => {
  const H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
  it.each(["/api/v1/events", "/api/event-logs", "/events", "/api/v1/events:batch"])(
    "that asks for no WebSocket is ignored: a write to %s is stored",
    async (path) => {
      const body = path.endsWith("batch") ? `{"events":[${EVENT}]}` : EVENT;
      expect(await statusOf(post(body, H2C, path))).toBe(201);
      const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n${H2C}\r\n`;
      const client = door.open().send(head + chunked.slice(0, 20));
      await sleep(50);
      client.send(chunked.slice(20) + get("/livez"));
      // Where Node loses what comes behind it, the answer says that the connection ends.
      await expect.poll(() => client.hasEnded || client.statuses.length === 2).toBe(true);
      expect(client.statuses).toEqual(client.hasEnded ? [201] : [201, 200]);
      expect(await statusOf(post(body, "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", path))).toBe(201);
      expect(await statusOf(post(body, WEB_SOCKET, path))).toBe(201);
      expect(door.log.stored).toHaveLength(4);
    },
  );

  it("to another protocol reads and streams all the same", async () => {
    expect(await statusOf(get("/api/v1/events", H2C))).toBe(200);
    expect(await statusOf(get("/api/v1/stream", H2C + SSE))).toBe(200);
    expect(await statusOf(get("/api/v1/stream", H2C))).toBe(426);
  });

  it("to a WebSocket is one whatever else is offered, and its refusal is a problem document", async () => {
    expect(await statusOf(get("/", WEB_SOCKET.replace("websocket", "h2c, WebSocket")))).toBe(101);
    const wrong = { "Version: 13": "Version: 99", "Key: AAAAAAAAAAAAAAAAAAAAAA==": "Key: no" };
    for (const [from, to] of Object.entries(wrong)) {
      const client = door.open().send(get("/", WEB_SOCKET.replace(from, to)));
      await expect.poll(() => client.hasEnded).toBe(true);
      expect(client.answer).toContain("Sec-WebSocket-Version: 13");
      expect(client.problem).toMatchObject({ code: "malformed_request", status: 400 });
    }
    const nowhere = door.open().send(get("/nowhere?x=1", `${WEB_SOCKET}X-Request-Id: id-of-mine\r\n`));
    await expect.poll(() => nowhere.hasEnded).toBe(true);
    expect(nowhere.problem).toMatchObject({ code: "not_found", instance: "/nowhere", requestId: "id-of-mine" });
    expect(nowhere.answer).toContain("X-Served-By: n1");
  });
});

describe("Host", () => {
  it.each([
    "localhost",
    "LOCALHOST:80",
    "127.0.0.1:3000",
    "10.0.0.7",
    "[::1]:3000",
    "n1:3000",
    "logs.example",
    "localhost.",
  ])("%s is this node", async (host) => {
    expect(await statusOf(`GET /api/v1/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toBe(200);
  });

  it.each([
    "evil.example",
    "evil.example:3000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "x",
    "0x7f.1",
    "[::1",
    "a b",
  ])("%s is not, and reads and writes nothing", async (host) => {
    for (const text of [get("/api/v1/events"), get("/"), get("/", WEB_SOCKET), get("/api/v1/stream", SSE), post()]) {
      const client = door.open().send(text.replace("Host: localhost", `Host: ${host}`));
      await expect.poll(() => client.hasEnded).toBe(true);
      expect(client.statuses).toEqual([403]);
      expect(client.problem).toMatchObject({ code: "host_not_allowed" });
    }
    expect(door.log.stored).toEqual([]);
  });

  it("must be there in HTTP/1.1, and in an absolute target is the one that counts", async () => {
    expect(await statusOf("GET /livez HTTP/1.1\r\n\r\n")).toBe(400);
    expect(await statusOf("GET /livez HTTP/1.0\r\n\r\n")).toBe(200);
    expect(await statusOf("GET http://logs.example/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n")).toBe(200);
    expect(await statusOf("GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n")).toBe(403);
  });
});

describe("Origin", () => {
  const from = (origin: string): string => `Origin: ${origin}\r\n`;
  it.each(["http://evil.example", "null", "http://localhost:81", "https://board.example.evil.example", "file://"])(
    "%s reads and writes nothing",
    async (origin) => {
      for (const path of ["/", "/api/event-logs/stream", "/api/v1/stream?after=-1"])
        expect(await statusOf(get(path, WEB_SOCKET + from(origin)))).toBe(403);
      for (const text of [get("/api/v1/events", from(origin)), get("/api/v1/stream", SSE + from(origin))])
        expect(await statusOf(text)).toBe(403);
      expect(await statusOf(post(EVENT, from(origin)))).toBe(403);
      expect(door.log.stored).toEqual([]);
    },
  );

  it("of this node's own pages, and of those that are configured, is welcome", async () => {
    for (const origin of ["http://localhost", "https://localhost", "https://board.example"]) {
      expect(await statusOf(get("/api/v1/stream?after=-1", WEB_SOCKET + from(origin)))).toBe(101);
      expect(await statusOf(post(EVENT, from(origin)))).toBe(201);
    }
  });

  it("that is configured may read the answers, and ask before it writes", async () => {
    const origin = from("https://board.example");
    const read = door.open().send(get("/", origin)).send(post(EVENT, origin));
    await expect.poll(() => read.statuses).toEqual([200, 201]);
    expect(read.answer.match(/Access-Control-Allow-Origin: https:\/\/board\.example\r\n/g)).toHaveLength(2);
    expect(read.answer).toMatch(/Access-Control-Expose-Headers: .*X-Log-Size/);
    expect(read.answer).toMatch(/Vary: .*Origin/);
    expect(read.answer).not.toContain("Access-Control-Allow-Credentials");
    const asked = door
      .open()
      .send(get("/api/v1/events", `${origin}Access-Control-Request-Method: POST\r\n`).replace("GET", "OPTIONS"));
    await expect.poll(() => asked.statuses).toEqual([204]);
    expect(asked.answer).toMatch(/Access-Control-Allow-Methods: .*POST/);
    expect(asked.answer).toMatch(/Access-Control-Allow-Headers: .*Idempotency-Key/i);
    const own = door.open().send(get("/", from("http://localhost")));
    await expect.poll(() => own.statuses).toEqual([200]);
    expect(own.answer).not.toContain("Access-Control");
  });
});

describe("the target", () => {
  it("is the same path however it is encoded", async () => {
    expect(await statusOf(post(`{"events":[${EVENT}]}`, "", "/api/v1/events%3Abatch"))).toBe(201);
    expect(await statusOf(post(EVENT, "", "/api/v1/%65vents"))).toBe(201);
    expect(await statusOf(post(EVENT, "", "/api/event%2Dlogs"))).toBe(201);
    expect(await statusOf(get("/api/v1/events/%30"))).toBe(200);
    expect(await statusOf(get("/api/event%2dlogs/stream", SSE))).toBe(200);
    expect(await statusOf(get("/api/event%2dlogs/stream", WEB_SOCKET))).toBe(101);
    expect(await statusOf(get("/API/event-logs/Stream/", WEB_SOCKET))).toBe(101);
    expect(await statusOf(get("/peer%2Fv1/messages"))).toBe(404);
    expect(door.log.stored).toHaveLength(3);
  });

  it.each(["/api/v1/events%ff", "/api/v1/events%", "/%c0%80", "/api/v1/events#x"])("%s is malformed", async (path) => {
    expect(await statusOf(post(EVENT, "", path))).toBe(400);
    expect(door.log.stored).toEqual([]);
  });

  it("names no event that its bytes do not name", async () => {
    door.log.store({ eventType: "caf\ufffd" });
    door.log.store({ eventType: "café" });
    for (const path of ["/api/v1/events?", "/api/event-logs?", "/api/v1/stream?"]) {
      const accept = path.includes("stream") ? SSE : "";
      for (const type of ["caf%E9", "caf%C3", "%", "%4", "%ED%A0%80"])
        expect([path, type, await statusOf(get(`${path}eventType=${type}`, accept))]).toEqual([path, type, 400]);
      expect(await statusOf(get(`${path}eventType=caf%C3%A9`, accept))).toBe(200);
    }
    expect(await statusOf(get("/api/v1/stream?eventType=caf%E9", WEB_SOCKET))).toBe(400);
    expect(await statusOf(get("/api/v1/events?eventType=caf\u00c3\u00a9"))).toBe(400);
    // What reference API A does not know it ignores, readable or not.
    expect(await statusOf(get("/api/event-logs?colour=%E9"))).toBe(200);
    expect(await statusOf(get("/api/v1/events?colour=%E9"))).toBe(400);
  });

  it("keeps every parameter, however many there are", async () => {
    door.log.store({ eventType: "other" });
    const client = door.open().send(get(`/api/event-logs?${"a=1&".repeat(1_500)}eventType=T`));
    await expect.poll(() => client.answer).toContain('"data":[]');
    const twice = get("/api/event-logs?eventType=T&eventType=other");
    expect(await statusOf(twice)).toBe(400);
  });
});

describe("every route of the API's description", () => {
  const places = Object.keys(openApiDocument("0").paths).map((path) => path.replaceAll(/\{\w+\}/g, "0"));
  const methods = ["GET", "HEAD", "POST", "OPTIONS", "DELETE"];

  it.each([
    ["another Host", get("/").replace("Host: localhost", "Host: evil.example"), "host_not_allowed"],
    ["a page of another site", get("/", "Origin: http://evil.example\r\n"), "origin_not_allowed"],
    ["a page without an origin of its own", get("/", "Origin: null\r\n"), "origin_not_allowed"],
  ])("is refused for %s, before anything is read, written or asked of anybody", async (_, text, code) => {
    // What the log's double would be asked for here ends in a 500.
    expect(places).toEqual(expect.arrayContaining(["/api/v1/chaos", "/api/v1/alerts/0/repair", "/openapi.json"]));
    for (const place of places) {
      const clients = methods.map((method) => door.open().send(text.replace("GET / ", `${method} ${place} `)));
      await expect.poll(() => clients.every(({ hasEnded }) => hasEnded), { timeout: 10_000 }).toBe(true);
      expect([place, ...clients.map(({ statuses }) => statuses)]).toEqual([place, ...methods.map(() => [403])]);
      expect(clients[0]?.problem).toMatchObject({ code });
      for (const { answer } of clients) expect(answer).not.toContain("Access-Control");
    }
  });
});
