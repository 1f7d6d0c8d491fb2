import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "../support/eventually.js";
import { call, fallBehind, openNodes, postJson, type TestNodes, uniqueSource } from "./api-support.js";

let nodes: TestNodes;
const closers: (() => void)[] = [];
beforeAll(async () => {
  nodes = await openNodes();
});
afterAll(async () => {
  for (const close of closers) close();
  await nodes?.stop();
});

// Events have many shapes here; a wrong guess fails its assertion.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Shown = any;

/** What a client has received so far; `until` waits for a condition without sleeping. */
class Received {
  readonly events: Shown[] = [];
  private readonly waiting = new Set<() => void>();
  add(event: Shown): void {
    this.events.push(event);
    for (const look of this.waiting) look();
  }
  until(isDone: (events: Shown[]) => boolean, withinMs = 180_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only ${this.events.length} events came`)), withinMs);
      const look = (): void => {
        if (!isDone(this.events)) return;
        clearTimeout(timer);
        this.waiting.delete(look);
        resolve();
      };
      this.waiting.add(look);
      look();
    });
  }
}

async function openSocket(url: string, path: string): Promise<{ received: Received; socket: WebSocket }> {
  const socket = new WebSocket(url.replace(/^http/, "ws") + path);
  closers.push(() => socket.terminate());
  const received = new Received();
  socket.on("message", (data, isBinary) => {
    expect(isBinary).toBe(false);
    received.add(JSON.parse(String(data)));
  });
  await new Promise<void>((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { received, socket };
}

async function openSse(
  url: string,
  lastEventId?: number,
): Promise<{ received: Received; headers: Headers; comments: string[] }> {
  const abort = new AbortController();
  closers.push(() => abort.abort());
  const response = await fetch(`${url}/api/event-logs/stream`, {
    headers: {
      Accept: "text/event-stream",
      ...(lastEventId === undefined ? {} : { "Last-Event-ID": String(lastEventId) }),
    },
    signal: abort.signal,
  });
  expect(response.status).toBe(200);
  const received = new Received();
  const comments: string[] = [];
  void readSse(response, received, comments).catch(() => {});
  return { received, headers: response.headers, comments };
}

async function readSse(response: Response, received: Received, comments: string[]): Promise<void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2) as [string, string]));
      if (fields.data === undefined) comments.push(block);
      else received.add({ ...JSON.parse(fields.data), lastEventId: fields.id, name: fields.event });
    }
  }
}

describe("the live streams", () => {
  it("show every committed event once, in order, on every node and in each API's own shape", async () => {
    const clients = await Promise.all(
      nodes.urls.map(async (url) => ({
        a: (await openSocket(url, "/api/event-logs/stream")).received,
        b: (await openSocket(url, "/")).received,
        sse: (await openSse(url)).received,
      })),
    );
    const source = uniqueSource();
    const writes = Array.from({ length: 60 }, (_, i) => {
      const url = nodes.urls[i % nodes.urls.length] as string;
      const event = { eventType: "S", sourceAppId: source, timestamp: "2026-05-01T12:00:00+01:00", dataPayload: { i } };
      if (i % 10 === 0) return postJson(`${url}/api/v1/events:batch`, { events: Array(20).fill(event) });
      return postJson(url + ["/api/event-logs", "/events", "/api/v1/events"][i % 3], event);
    });
    for (const { status } of await Promise.all(writes)) expect(status).toBe(201);
    const total = 54 + 6 * 20;
    const mine = (events: Shown[]) => events.filter((event) => event.sourceAppId === source);
    for (const { a, b, sse } of clients)
      await Promise.all([a, b, sse].map((received) => received.until((events) => mine(events).length >= total)));

    // A node's queries follow its stream by a moment, except for what it acknowledged itself.
    const newest = await eventually(
      async () => {
        const { body } = await call(`${nodes.urls[0]}/api/event-logs?sourceAppId=${source}&limit=1000`);
        return body.total === total && body;
      },
      30_000,
      "the node's queries show all",
    );
    for (const { a, b, sse } of clients) {
      expect(mine(a.events)).toEqual(newest.data);
      expect(mine(sse.events).map(({ lastEventId: _id, name: _name, ...event }) => event)).toEqual(newest.data);
      // Without a name: a browser's onmessage sees only such events.
      for (const event of sse.events) {
        expect(event.lastEventId).toBe(String(event.sequence));
        expect(event.name).toBeUndefined();
      }
      expect(mine(b.events).map((event) => event.currentHash)).toEqual(newest.data.map((event: Shown) => event.hash));
      expect(Object.keys(b.events[0])).toEqual([
        "_id",
        "eventType",
        "sourceAppId",
        "dataPayload",
        "timestamp",
        "previousHash",
        "currentHash",
      ]);
      expect(mine(b.events)[0].timestamp).toBe("2026-05-01T11:00:00.000Z");
      for (const events of [a.events, sse.events])
        for (let i = 1; i < events.length; i++) {
          expect(events[i].sequence).toBe(events[i - 1].sequence + 1);
          expect(events[i].previousHash).toBe(events[i - 1].hash);
        }
    }
  });

  it("start at the moment of connecting", async () => {
    const url = nodes.urls[1] as string;
    const { body: before } = await postJson(`${url}/api/event-logs`, {
      eventType: "S",
      sourceAppId: uniqueSource(),
      dataPayload: {},
    });
    const { received } = await openSocket(url, "/api/event-logs/stream");
    const { body: after } = await postJson(`${url}/api/event-logs`, {
      eventType: "S",
      sourceAppId: uniqueSource(),
      dataPayload: {},
    });
    await received.until((events) => events.some((event) => event.sequence === after.sequence));
    expect(received.events.every((event) => event.sequence > before.sequence)).toBe(true);
    expect(received.events[0].sequence).toBeLessThanOrEqual(after.sequence);
  });

  it("by SSE go on after Last-Event-ID on any node, without a gap or a double, while writes go on", async () => {
    const source = uniqueSource();
    const event = { eventType: "S", sourceAppId: source, dataPayload: {} };
    const { body: old } = await postJson(`${nodes.urls[0]}/api/v1/events:batch`, { events: Array(300).fill(event) });
    const from = old.events[10].sequence;
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; isWriting; i++) await postJson(`${nodes.urls[i % 3]}/api/event-logs`, event);
    })();
    const clients = await Promise.all(nodes.urls.map((url) => openSse(url, from)));
    for (const { received } of clients) await received.until((events) => events.length >= 310);
    isWriting = false;
    await writing;
    const { body: last } = await postJson(`${nodes.urls[2]}/api/event-logs`, event);
    for (const { received } of clients) {
      await received.until((events) => events.at(-1).sequence >= last.sequence);
      const sequences = received.events.map((shown) => shown.sequence);
      expect(sequences).toEqual(sequences.map((_, i) => from + 1 + i));
    }
    const headers = { Accept: "text/event-stream", "Last-Event-ID": "999999999" };
    expect((await call(`${nodes.urls[0]}/api/event-logs/stream`, { headers })).body.code).toBe("invalid_header");
    const words = { Accept: "text/event-stream", "Last-Event-ID": "x" };
    expect((await call(`${nodes.urls[0]}/api/event-logs/stream`, { headers: words })).status).toBe(400);
  });

  it("close a client that does not read with 1013 and the place of its gap; others miss nothing", async () => {
    const url = nodes.urls[0] as string;
    const fast = await openSocket(url, "/api/event-logs/stream");
    const source = uniqueSource();
    const event = { eventType: "S", sourceAppId: source, dataPayload: { text: "x".repeat(250_000) } };
    const large = { events: Array(4).fill(event) };
    let sent = 0;
    const { client: slow, reason } = await fallBehind(
      () => openSocket(url, "/api/event-logs/stream"),
      async () => {
        expect((await postJson(`${url}/api/v1/events:batch`, large)).status).toBe(201);
        sent += 4;
        // A client that reads all that it gets is slow too, where the machine is: it is not hurried.
        await fast.received.until((events) => events.filter((e) => e.sourceAppId === source).length === sent);
      },
    );
    const { body: last } = await postJson(`${url}/api/event-logs`, {
      eventType: "S",
      sourceAppId: source,
      dataPayload: {},
    });
    await fast.received.until((events) => events.at(-1).sequence >= last.sequence);
    const from = Number(/^from=(\d+)$/.exec(reason)?.[1]);
    expect(from).toBe(slow.received.events.at(-1).sequence + 1);
    expect(from).toBeLessThan(last.sequence);
    for (const { events } of [slow.received, fast.received])
      for (let i = 1; i < events.length; i++) expect(events[i].sequence).toBe(events[i - 1].sequence + 1);
  });

  it.each([0, 1, 2])("say what they are, and where they are not (node %i)", async (i) => {
    const url = nodes.urls[i] as string;
    const { headers, comments } = await openSse(url);
    expect(headers.get("content-type")).toContain("text/event-stream");
    expect(headers.get("x-accel-buffering")).toBe("no");
    expect(headers.get("cache-control")).toContain("no-cache");
    expect(comments.every((comment) => comment === "retry: 3000")).toBe(true);
    expect((await call(`${url}/api/event-logs/stream`)).body.code).toBe("upgrade_required");
    await expect(openSocket(url, "/nowhere")).rejects.toThrow("404");
  });

  it("drop what a client says, and close one that says too much", async () => {
    const url = nodes.urls[2] as string;
    const { socket, received } = await openSocket(url, "/");
    socket.send("hello");
    socket.send(JSON.stringify({ eventType: "X", sourceAppId: "Y", dataPayload: {} }));
    const { body } = await postJson(`${url}/events`, { eventType: "S", sourceAppId: uniqueSource(), dataPayload: {} });
    await received.until((events) => events.some((event) => event._id === body.event._id));
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    socket.send("x".repeat(64 * 1024 + 1));
    expect(await closed).toBe(1009);
    expect((await call(`${url}/livez`)).status).toBe(200);
  });
});
