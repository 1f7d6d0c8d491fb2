import { once } from "node:events";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Door, EVENT, get, openDoor, post, RawSocket, SSE, WEB_SOCKET } from "../../test/doubles/door.js";
import { createHardenedServer } from "./server.js";

let door: Door;
beforeEach(async () => {
  door = await openDoor();
  door.log.appendMs = 50;
});
afterEach(() => door.close());

const UPGRADE = get("/", WEB_SOCKET);

describe("answers on one connection", () => {
  it.each([
    ["one byte behind the body", `${post()}x`, [201, 400]],
    ["a pipelined request that is no HTTP", `${post()}NONSENSE\r\n\r\n`, [201, 400]],
    ["a pipelined request with too large headers", `${post()}${get("/", `X: ${"y".repeat(20_000)}\r\n`)}`, [201, 431]],
    ["two writes before it", `${post()}${post()}\0\0`, [201, 201, 400]],
    ["a WebSocket behind a write", `${post()}${UPGRADE}`, [201, 101]],
    ["a WebSocket where there is none, behind a write", `${post()}${get("/nowhere", WEB_SOCKET)}`, [201, 404]],
    ["CONNECT behind a write", `${post()}CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n`, [201, 405]],
    [
      "an upgrade to HTTP/2 behind a write",
      `${post()}${post(undefined, "Connection: Upgrade\r\nUpgrade: h2c\r\n")}`,
      [201, 201],
    ],
    ["an unknown expectation behind a write", `${post()}${get("/livez", "Expect: more\r\n")}`, [201, 200]],
  ])("come in order: %s", async (_name, sent, statuses) => {
    const client = door.open().send(sent);
    await expect.poll(() => client.statuses).toEqual(statuses);
    expect(door.log.stored).toHaveLength(statuses.filter((status) => status === 201).length);
  });

  it("are whole: 100 Continue waits for its turn, and is not sent where the answer is there already", async () => {
    const expecting = post(undefined, "Expect: 100-continue\r\n");
    const [head = "", body = ""] = expecting.split(/(?<=\r\n\r\n)/);
    const client = door.open().send(head);
    await expect.poll(() => client.statuses).toEqual([100]);
    client.send(body);
    await expect.poll(() => client.statuses).toEqual([100, 201]);
    client.send(post() + head);
    await expect.poll(() => client.statuses).toEqual([100, 201, 201, 100]);
    client.send(body + expecting + post("no JSON", "Expect: 100-continue\r\n"));
    await expect.poll(() => client.statuses.filter((status) => status !== 100)).toEqual([201, 201, 201, 201, 400]);
    expect(client.problem.code).toBe("malformed_json");
    const refused = door.open().send(get("/", "Expect: 100-continue\r\nOrigin: http://evil.example\r\n"));
    await expect.poll(() => refused.statuses).toEqual([403]);
  });

  it("say of the broken bytes only what is known, and the connection ends without a reset", async () => {
    const client = door.open().send(`${post()}x`);
    await expect.poll(() => client.hasEnded).toBe(true);
    expect(client.statuses).toEqual([201, 400]);
    expect(client.problem).toMatchObject({ code: "malformed_request", status: 400 });
    expect(client.problem.detail).not.toContain("Nothing was written");
  });

  it.each([
    ["refused at once", post("x".repeat(200_000), "Origin: http://evil.example\r\n"), 403],
    [
      "broken in its body",
      `${post().replace(/Content-Length.*/s, "Transfer-Encoding: chunked\r\n\r\nZZ\r\n")}${"x".repeat(200_000)}`,
      400,
    ],
    ["no request at all", `\0${"x".repeat(200_000)}`, 400],
    ["not to be kept open", post("x".repeat(200_000), "Connection: close\r\nContent-Encoding: gzip\r\n"), 415],
  ])("reach a client that still sends the rest: %s", async (_name, text, status) => {
    const errors: string[] = [];
    const client = door.open().send(text.slice(0, 100_000));
    client.socket.on("error", (error: NodeJS.ErrnoException) => errors.push(String(error.code))).pause();
    for (let at = 100_000; at < text.length; at += 20_000) {
      await sleep(20);
      client.send(text.slice(at, at + 20_000));
    }
    client.socket.resume();
    await expect.poll(() => client.hasEnded).toBe(true);
    expect([client.statuses, errors]).toEqual([[status], []]);
  });

  it.each(["/api/v1/events", "/api/event-logs", "/events", "/api/v1/events:batch"])(
    "go on behind a body that %s finds too large, however it was sent",
    async (path) => {
      const large = "x".repeat(5_000_000);
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
      const chunked = `${head}${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
      const client = door.open().send(chunked + post(large, "", path) + get("/livez"));
      await expect.poll(() => client.statuses).toEqual([413, 413, 200]);
    },
  );

  it("are one for each request: what breaks behind an answer that was given early has no second one", async () => {
    const client = door
      .open()
      .send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    await expect.poll(() => client.statuses).toEqual([404]);
    client.send("c".repeat(100));
    await expect.poll(() => client.hasEnded).toBe(true);
    const other = door.open().send(post(EVENT, "", "/nowhere").slice(0, -10));
    await expect.poll(() => other.statuses).toEqual([404]);
    other.socket.end();
    await expect.poll(() => other.hasEnded).toBe(true);
    expect([client.statuses, other.statuses]).toEqual([[404], [404]]);
  });

  it("are the last ones where they say so: a write that comes behind is not carried out", async () => {
    const client = door.open().send(get("/livez", "Origin: http://evil.example\r\n"));
    await expect.poll(() => client.statuses).toEqual([403]);
    for (const text of [post(), UPGRADE, post()]) client.send(text);
    const other = door.open().send(get("/livez", "Origin: http://evil.example\r\n"));
    await expect.poll(() => other.statuses).toEqual([403]);
    other.send(`${post()}CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${post()}`);
    await sleep(200);
    expect([client.statuses, other.statuses]).toEqual([[403], [403]]);
    expect(door.log.stored).toEqual([]);
  });

  it("never stand inside a stream: what is broken behind one is not answered, and the stream goes on", async () => {
    const client = door.open().send(get("/api/event-logs/stream", SSE));
    await expect.poll(() => door.streams.clientCount).toBe(1);
    client.send("NONSENSE\r\n\r\n").send("more\r\n\r\n");
    await sleep(100);
    door.log.store();
    await expect.poll(() => client.answer).toContain("id: 0\n");
    expect(client.statuses).toEqual([200]);
    expect(client.answer).not.toContain("malformed");
  });

  it.each(["/api/v1/events", "/api/event-logs", "/events", "/api/v1/events:batch"])(
    "tell a write to %s whose own body is broken that nothing of it was written",
    async (path) => {
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
      const client = door.open().send(`${post()}${head}5\r\n{"eve\r\nZZ\r\n`);
      await expect.poll(() => client.statuses).toEqual([201, 400]);
      expect(client.problem.detail).toContain("Nothing of it was written");
      await expect.poll(() => client.hasEnded).toBe(true);
      expect(door.log.stored).toHaveLength(1);
    },
  );

  it("leave a read whose needless body is broken its own answer", async () => {
    const client = door.open().send(get("/livez", "Transfer-Encoding: chunked\r\n").concat("ZZ\r\n"));
    await expect.poll(() => client.hasEnded).toBe(true);
    expect(client.statuses).toEqual([200]);
  });
});

it("a long answer goes on to its end though an upgrade came behind it", async () => {
  const app: RequestListener = (_req, res) => res.writeHead(404).end();
  const long: RequestListener = async (_req, res) => {
    for (let i = 0; i < 100; i++) if (!res.write("x".repeat(100_000))) await once(res, "drain");
    res.end();
  };
  const server = createHardenedServer(long, { app });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = new RawSocket((server.address() as AddressInfo).port).send(get("/") + UPGRADE);
  await expect.poll(() => client.statuses).toEqual([200, 404]);
  expect(client.answer.length).toBeGreaterThan(10_000_000);
  client.socket.destroy();
  server.closeAllConnections();
  server.close();
});
