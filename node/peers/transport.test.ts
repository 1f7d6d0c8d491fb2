import { once } from "node:events";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  alive,
  append,
  closeAll,
  closers,
  Inbox,
  largeBlock,
  listen,
  pair,
  RawPeer,
} from "../../test/doubles/peer-nodes.js";
import { encodeMessage } from "./codec.js";
import { HELD_ANSWERS_MAX } from "./limits.js";

afterEach(closeAll);

describe("messages between two nodes", () => {
  it("arrive whole, and the answer by ref comes back in the same exchange", async () => {
    const { n1, n2 } = await pair();
    const sent = append(7, [largeBlock()]);
    n2.onMessage = ({ ref }) => n2.transport.send(alive("n2", "n1"), ref);
    n1.transport.send(sent);
    const arrival = await n2.inbox.next();
    // Compared as bytes: a structural comparison of megabytes takes seconds.
    expect(encodeMessage(arrival.message).equals(encodeMessage(sent))).toBe(true);
    expect(arrival.ref).toBeTypeOf("number");
    expect(await n1.inbox.next()).toEqual({ message: alive("n2", "n1"), ref: undefined });
    expect(n1.requests).toEqual([]);
    // The first request learned the session; nobody was refused for that.
    expect(n2.requests).toHaveLength(2);
    expect([...n1.rejected.all, ...n2.rejected.all]).toEqual([]);
  });

  it("are answered by a message of its own when the answer is late", async () => {
    const { n1, n2 } = await pair({ holdMs: 20 });
    n1.transport.send(alive("n1", "n2"));
    const { ref } = await n2.inbox.next();
    expect(await n2.answered.next()).toBe(401);
    expect(await n2.answered.next()).toBe(204);
    n2.transport.send(alive("n2", "n1"), ref);
    const answer = await n1.inbox.next();
    expect(answer.message).toEqual(alive("n2", "n1"));
    expect(answer.ref).toBeTypeOf("number");
  });

  it("take one answer: a second one with the same ref travels by itself", async () => {
    const { n1, n2 } = await pair();
    n1.transport.send(alive("n1", "n2"));
    const { ref } = await n2.inbox.next();
    n2.transport.send(alive("n2", "n1"), ref);
    n2.transport.send(alive("n2", "n1"), ref);
    const answers = [await n1.inbox.next(), await n1.inbox.next()];
    expect(answers.filter((answer) => answer.ref === undefined)).toHaveLength(1);
  });

  it("never reach another peer as the answer to a request of its own", async () => {
    const { n1, n2 } = await pair();
    const n3 = await listen("n3");
    for (const node of [n2, n3]) {
      await node.transport?.close();
      node.boot({ n1: n1.address, n2: n2.address, n3: n3.address });
    }
    n1.transport.send(alive("n1", "n2"));
    const { ref } = await n2.inbox.next();
    n2.transport.send(alive("n2", "n3"), ref);
    expect((await n3.inbox.next()).message).toEqual(alive("n2", "n3"));
    n2.transport.send(alive("n2", "n1"), ref);
    expect((await n1.inbox.next()).message).toEqual(alive("n2", "n1"));
    expect(n1.rejected.all).toEqual([]);
  });

  it("go on after either side restarted", async () => {
    const { n1, n2 } = await pair();
    const peers = { n1: n1.address, n2: n2.address };
    for (const restarted of [n1, n2, n1, n2]) {
      n1.transport.send(alive("n1", "n2"));
      const { ref } = await n2.inbox.next();
      n2.transport.send(alive("n2", "n1"), ref);
      await n1.inbox.next();
      await restarted.transport.close();
      restarted.boot(peers);
    }
    n1.transport.send(alive("n1", "n2"));
    await n2.inbox.next();
  });

  it("report a peer where nobody listens at once", async () => {
    const [n1, n2] = [await listen("n1"), await listen("n2")];
    const gone = n2.address;
    await new Promise((resolve) => n2.server.close(resolve));
    n1.boot({ n2: gone });
    n2.boot({});
    n1.transport.send(alive("n1", "n2"));
    expect(await n1.unreachable.next()).toBe("n2");
    for (const isFrequent of [false, true])
      await expect(n1.transport.request("n2", "status", {}, { timeoutMs: 5_000, isFrequent })).rejects.toMatchObject({
        failure: "unreachable",
        mayHaveArrived: false,
      });
  });

  it("tell that a peer's process has ended: its connections close, and nobody listens there any more", async () => {
    const { n1, n2 } = await pair();
    n1.transport.send(alive("n1", "n2"));
    await n2.inbox.next();
    n1.server.closeAllConnections();
    await new Promise((resolve) => n1.server.close(resolve));
    await n1.transport.close();
    expect(await n2.gone.next()).toBe("n1");
  });

  it("flow as heartbeats while a large append hangs", async () => {
    const { n1, n2 } = await pair({ holdMs: 10_000 });
    n2.onMessage = ({ message, ref }) => {
      if (message.blocks.length === 0) n2.transport.send(alive("n2", "n1"), ref);
    };
    n1.transport.send(append(9, [largeBlock()]));
    expect((await n2.inbox.next()).message.body).toMatchObject({ round: 9 });
    for (let round = 100; round < 110; round++) {
      n1.transport.send(append(round));
      expect((await n2.inbox.next()).message.body).toMatchObject({ round });
      expect((await n1.inbox.next()).message.body.kind).toBe("alive");
    }
    expect(n1.ends.all).toEqual([]);
  });

  it("survive a keep-alive socket that the peer had closed, save those that must be sent once", async () => {
    const [n1, n2] = [await listen("n1"), await listen("n2")];
    const sockets: Socket[] = [];
    let breaksOld = false;
    const proxy = createTcpServer((socket) => {
      const isOld = (): boolean => breaksOld && sockets.includes(socket);
      const upstream = connect(n2.port, "127.0.0.1");
      socket.on("data", (data) => (isOld() ? socket.resetAndDestroy() : upstream.write(data)));
      upstream.on("data", (data) => socket.write(data));
      for (const end of [socket, upstream])
        end.on("error", () => {}).on("close", () => [socket, upstream].map((s) => s.destroy()));
    });
    const connections: Socket[] = [];
    proxy.on("connection", (socket) => connections.push(socket) && !breaksOld && sockets.push(socket));
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    closers.push(() => proxy.close());
    n1.boot({ n2: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
    n2.boot({ n1: n1.address });
    const taken: unknown[] = [];
    n2.transport.handle("echo", async (body) => {
      taken.push(body);
      return { status: 200, body };
    });
    expect(await n1.transport.request("n2", "echo", 1, { timeoutMs: 5_000 })).toMatchObject({ status: 200, body: 1 });
    breaksOld = true;
    expect(await n1.transport.request("n2", "echo", 2, { timeoutMs: 5_000 })).toMatchObject({ status: 200, body: 2 });
    breaksOld = false;
    expect(await n1.transport.request("n2", "echo", 3, { timeoutMs: 5_000 })).toMatchObject({ status: 200, body: 3 });
    for (const isFrequent of [false, true]) {
      breaksOld = false;
      await n1.transport.request("n2", "echo", 4, { timeoutMs: 5_000 });
      sockets.push(...connections);
      breaksOld = true;
      const options = { timeoutMs: 5_000, isSentOnce: true, isFrequent };
      const sentOnce = n1.transport.request("n2", "echo", 5, options);
      await expect(sentOnce).rejects.toMatchObject({ failure: "failed", mayHaveArrived: true });
    }
    expect(taken).not.toContain(5);
  });

  it("hold a bounded number of answers: beyond it a message is answered 204 at once", async () => {
    const { n1, n2 } = await pair({ holdMs: 60_000, controlMs: 30_000 });
    const attacker = new RawPeer(n2);
    await attacker.learnSession();
    const held = Array.from({ length: HELD_ANSWERS_MAX }, () => attacker.post().catch(() => null));
    for (let i = 0; i < HELD_ANSWERS_MAX; i++) await n2.inbox.next();
    expect((await attacker.post()).status).toBe(204);
    const { ref } = await n2.inbox.next();
    n2.transport.send(alive("n2", "n1"), ref);
    expect((await n1.inbox.next()).message.body.kind).toBe("alive");
    await n2.transport.close();
    for (const answer of await Promise.all(held)) expect(answer?.status).toBe(204);
  });
});

describe.each([
  ["a general client", {}],
  ["the short way", { isFrequent: true }],
])("requests to a peer's handlers by %s", (_, way) => {
  it("carry JSON, the caller and its request id", async () => {
    const { n1, n2 } = await pair();
    n2.transport.handle("events", async (body, { from, requestId }) => ({
      status: 201,
      body: { body, from, requestId },
    }));
    const answer = await n1.transport.request(
      "n2",
      "events",
      { text: "ü" },
      { ...way, timeoutMs: 5_000, requestId: "request-17" },
    );
    expect(answer).toMatchObject({ status: 201, body: { body: { text: "ü" }, from: "n1", requestId: "request-17" } });
    const other = await n1.transport.request("n2", "events", null, { ...way, timeoutMs: 5_000 });
    expect(other.body).toEqual({ body: null, from: "n1", requestId: "" });
  });

  it("take a body of ten megabytes and refuse one above the limit before it leaves", async () => {
    const { n1, n2 } = await pair();
    n2.transport.handle("size", async (body) => ({ status: 200, body: (body as string).length }));
    const length = 10 * 1024 * 1024;
    expect((await n1.transport.request("n2", "size", "x".repeat(length), { ...way, timeoutMs: 15_000 })).body).toBe(
      length,
    );
    const over = n1.transport.request("n2", "size", "x".repeat(13 * 1024 * 1024), { ...way, timeoutMs: 15_000 });
    await expect(over).rejects.toMatchObject({ mayHaveArrived: false });
  });

  it("are answered 404 for an unknown path and 500 for a handler that fails", async () => {
    const { n1, n2 } = await pair();
    n2.transport.handle("broken", async () => {
      throw new Error("a detail that stays here");
    });
    expect((await n1.transport.request("n2", "other", {}, { ...way, timeoutMs: 5_000 })).status).toBe(404);
    const broken = await n1.transport.request("n2", "broken", {}, { ...way, timeoutMs: 5_000 });
    expect(broken).toMatchObject({ status: 500, body: { code: "internal_error" } });
  });

  it("end at their deadline or when the caller gives up, and the handler learns of it", async () => {
    const { n1, n2 } = await pair();
    const started = new Inbox<AbortSignal>();
    n2.transport.handle("slow", (_, { signal }) => {
      started.put(signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve({ status: 200, body: 0 })));
    });
    const late = n1.transport.request("n2", "slow", {}, { ...way, timeoutMs: 300 });
    await expect(late).rejects.toMatchObject({ failure: "timeout", mayHaveArrived: true });
    const controller = new AbortController();
    const given = n1.transport.request("n2", "slow", {}, { ...way, timeoutMs: 60_000, signal: controller.signal });
    const outcome = expect(given).rejects.toMatchObject({ failure: "aborted" });
    await started.next();
    const signal = await started.next();
    controller.abort();
    await outcome;
    if (!signal.aborted) await once(signal, "abort");
  });

  it("end when either transport closes", async () => {
    const { n1, n2 } = await pair();
    const started = new Inbox<null>();
    n2.transport.handle("slow", (_, { signal }) => {
      started.put(null);
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve({ status: 503, body: "closing" })),
      );
    });
    const first = n1.transport.request("n2", "slow", {}, { ...way, timeoutMs: 60_000 });
    await started.next();
    await n2.transport.close();
    expect(await first).toMatchObject({ status: 503, body: "closing" });
    n2.boot({ n1: n1.address });
    n2.transport.handle("slow", () => {
      started.put(null);
      return new Promise(() => {});
    });
    const second = n1.transport.request("n2", "slow", {}, { ...way, timeoutMs: 60_000 });
    const outcome = expect(second).rejects.toMatchObject({ failure: "closed" });
    await started.next();
    await n1.transport.close();
    await outcome;
    await expect(n1.transport.request("n2", "slow", {}, { ...way, timeoutMs: 1 })).rejects.toMatchObject({
      failure: "closed",
    });
    // This handler ignores its signal; closing does not wait for it for ever (afterEach closes n2).
  });
});

it("large bodies of strangers leave room for those of a peer", async () => {
  const { n1, n2 } = await pair();
  n1.transport.send(append(1, [largeBlock()]));
  await n2.inbox.next();
  // All that can be known before a body is there is right about them.
  const { headers } = new RawPeer(n2, "no secret of this cluster, but as long as one").sign();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const sockets = Array.from({ length: 150 }, () => {
    const socket = connect(n2.port, "127.0.0.1").on("error", () => {});
    socket.write(
      `POST /peer/v1/messages HTTP/1.1\r\nHost: a\r\n${lines.join("")}Content-Length: ${1024 * 1024}\r\n\r\n`,
    );
    return socket;
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  await expect.poll(() => n2.requests.length).toBeGreaterThan(sockets.length);
  n1.transport.send(append(2, [largeBlock()]));
  expect((await n2.inbox.next()).message).toEqual(expect.objectContaining({ from: "n1" }));
});
