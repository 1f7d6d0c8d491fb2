import { once } from "node:events";
import { Agent, createServer, type Server as HttpServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { poll } from "../lib/processes.js";
import { Link } from "./link.js";
import { OPEN_WAY } from "./pipe.js";

const SOON = { withinMs: 5_000, everyMs: 5 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What a server got and a client heard, through a link before it; `say` is what the server answers with. */
async function conversation(say: (got: string) => string = (got) => got) {
  const got: string[] = [];
  const sockets: Socket[] = [];
  const server: Server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      got.push(String(chunk));
      socket.write(say(String(chunk)));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const link = await Link.open("http", () => (server.address() as AddressInfo).port);
  closers.push(
    () => server.close(),
    () => link.close(),
  );
  const dial = async () => {
    const socket: Socket = connect(link.port, "127.0.0.1");
    const heard: string[] = [];
    let isBroken = false;
    socket.on("data", (chunk) => heard.push(String(chunk)));
    socket.on("error", () => {});
    socket.on("close", () => {
      isBroken = true;
    });
    closers.push(() => socket.destroy());
    await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => {});
    return { socket, text: () => heard.join(""), isBroken: () => isBroken };
  };
  return { link, got: () => got.join(""), dial, sockets };
}

/** An HTTP server that counts the bodies it gets, and a client with one connection kept alive. */
async function web() {
  const bodies: string[] = [];
  const server: HttpServer = createServer(async (request, response) => {
    let body = "";
    request.setEncoding("utf8");
    for await (const chunk of request) body += String(chunk);
    bodies.push(body);
    response.end(`got ${body}`);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const link = await Link.open("http", () => (server.address() as AddressInfo).port);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  closers.push(
    () => server.close(),
    () => link.close(),
    () => agent.destroy(),
  );
  const post = (body: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = { "content-length": Buffer.byteLength(body) };
      const call = httpRequest({ port: link.port, method: "POST", agent, headers }, async (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        for await (const chunk of answer) text += String(chunk);
        resolve(text);
      });
      call.on("error", reject);
      call.end(body);
    });
  return { bodies, link, post };
}

it("passes bytes on unchanged, in both directions, and many of them", async () => {
  const { bodies, post } = await web();
  const large = "x".repeat(3_000_000);
  expect(await post("small")).toBe("got small");
  expect(await post(large)).toBe(`got ${large}`);
  expect(bodies).toEqual(["small", large]);
});

it("holds bytes, and delivers them late and in order on the same connection", async () => {
  const { link, got, dial } = await conversation();
  const { socket, text, isBroken } = await dial();
  socket.write("a");
  await poll(() => text() === "a", SOON);
  const heal = link.worsen({ there: { ...OPEN_WAY, flow: "hold" } });
  socket.write("b");
  socket.write("c");
  const other = await dial();
  other.socket.write("d");
  await poll(() => link.counts.connections === 2, SOON);
  expect(got()).toBe("a");
  heal();
  expect(await poll(() => text() === "abc" && other.text() === "d", SOON)).toBe(true);
  expect(isBroken()).toBe(false);
});

it("cuts one way: what is asked arrives, what is answered does not, and the connection is broken when that ends", async () => {
  const { link, got, dial } = await conversation();
  const { socket, text, isBroken } = await dial();
  const heal = link.worsen({ back: { ...OPEN_WAY, flow: "drop" } });
  socket.write("a");
  expect(await poll(() => got() === "a", SOON)).toBe(true);
  socket.write("b");
  expect(await poll(() => got() === "ab", SOON)).toBe(true);
  expect([text(), isBroken()]).toEqual(["", false]);
  heal();
  expect(await poll(isBroken, SOON)).toBe(true);
  const fresh = await dial();
  fresh.socket.write("c");
  expect(await poll(() => fresh.text() === "c", SOON)).toBe(true);
});

it("refuses: old connections are reset, new ones too, until it is healed; changes add up", async () => {
  const { link, dial } = await conversation();
  const old = await dial();
  const heal = [link.worsen({ isRefusing: true }), link.worsen({ isRefusing: true })];
  expect(await poll(old.isBroken, SOON)).toBe(true);
  heal[0]?.();
  const young = await dial();
  expect(await poll(young.isBroken, SOON)).toBe(true);
  heal[1]?.();
  const healed = await dial();
  healed.socket.write("a");
  expect(await poll(() => healed.text() === "a", SOON)).toBe(true);
});

it("passes on that a side is gone, whichever it is, after what it had said; nothing stays open", async () => {
  const { link, got, dial, sockets } = await conversation();
  const heal = link.worsen({ there: { ...OPEN_WAY, delayMs: 30 } });
  const leaver = await dial();
  await poll(() => sockets.length === 1, SOON);
  leaver.socket.end("bye");
  expect(await poll(() => got() === "bye" && sockets[0]?.destroyed, SOON)).toBe(true);
  heal();
  const stayer = await dial();
  await poll(() => sockets.length === 2, SOON);
  sockets[1]?.destroy();
  expect(await poll(stayer.isBroken, SOON)).toBe(true);
  const idle = await dial();
  await poll(() => sockets.length === 3, SOON);
  await link.close();
  expect(await poll(idle.isBroken, SOON)).toBe(true);
});

it("delays by at least what it is told, and keeps the order", async () => {
  const { link, dial } = await conversation();
  link.worsen({ there: { ...OPEN_WAY, delayMs: 60, jitterMs: 40 }, back: { ...OPEN_WAY, delayMs: 30 } });
  const { socket, text } = await dial();
  const start = performance.now();
  for (const letter of "abc") socket.write(letter);
  expect(await poll(() => text() === "abc", SOON)).toBe(true);
  expect(performance.now() - start).toBeGreaterThanOrEqual(90);
});

it("narrows: bytes take the time that the bandwidth gives them", async () => {
  const { link, got, dial } = await conversation(() => "");
  link.worsen({ there: { ...OPEN_WAY, bytesPerSecond: 100_000 } });
  const { socket } = await dial();
  const start = performance.now();
  socket.write("x".repeat(20_000));
  expect(await poll(() => got().length === 20_000, SOON)).toBe(true);
  expect(performance.now() - start).toBeGreaterThanOrEqual(190);
});

it("loses a reply: the request is carried out, its sender hears nothing and is cut off", async () => {
  const { bodies, link, post } = await web();
  const heal = link.worsen({ lostReplyShare: 1 });
  await expect(post("lost")).rejects.toThrow(/ECONNRESET|socket hang up/);
  heal();
  expect(await post("heard")).toBe("got heard");
  expect(bodies).toEqual(["lost", "heard"]);
  expect(link.counts.lostReplies).toBe(1);
});

it("replays: the server gets whole requests twice, each sender one answer", async () => {
  const { bodies, link, post } = await web();
  link.worsen({ replayShare: 1 });
  expect([await post("a"), await post("é".repeat(50_000))]).toEqual(["got a", `got ${"é".repeat(50_000)}`]);
  expect(await poll(() => link.counts.replays["200"] === 2, SOON)).toBe(true);
  expect(bodies.map((body) => body[0]).sort()).toEqual(["a", "a", "é", "é"]);
});

it("resets connections in the middle of what they carry", async () => {
  const { link, dial } = await conversation();
  link.worsen({ resetShare: 1 });
  const { socket, isBroken } = await dial();
  socket.write("a");
  expect(await poll(isBroken, SOON)).toBe(true);
  expect(link.counts.resets).toBe(1);
});
