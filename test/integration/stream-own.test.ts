import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, fallBehind, postJson, uniqueSource } from "./api-support.js";

let cluster: Cluster;
const closers: (() => void)[] = [];
beforeAll(async () => {
  cluster = await startSteadyCluster({ env: { ELECTION_TIMEOUT_MS: "3000" } });
});
afterAll(async () => {
  for (const close of closers) close();
  await cluster?.stop();
});

// What a stream shows has many shapes here; a wrong guess fails its assertion.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Shown = any;
const urls = (): string[] => cluster.nodes.map((node) => node.url);

interface Stream {
  readonly shown: Shown[];
  readonly socket: WebSocket;
  events(): Shown[];
  /** Close code and reason, once it is closed. */
  readonly closed: Promise<string>;
}

async function openSocket(url: string, query = "", headers: Record<string, string> = {}): Promise<Stream> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/v1/stream${query}`, { headers });
  closers.push(() => socket.terminate());
  const shown: Shown[] = [];
  socket.on("message", (data) => shown.push(JSON.parse(String(data))));
  const closed = new Promise<string>((resolve) =>
    socket.once("close", (code, reason) => resolve(`${code} ${String(reason)}`)),
  );
  await new Promise<void>((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { shown, socket, closed, events: () => shown.filter((one) => one.kind === "event").map((one) => one.event) };
}

/** Fields of each block, as they came. */
async function openSse(
  url: string,
  query = "",
  headers: Record<string, string> = {},
): Promise<Record<string, string>[]> {
  const abort = new AbortController();
  closers.push(() => abort.abort());
  const response = await fetch(`${url}/api/v1/stream${query}`, {
    headers: { Accept: "text/event-stream", ...headers },
    signal: abort.signal,
  });
  expect(response.status).toBe(200);
  const blocks: Record<string, string>[] = [];
  void (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true });
      const whole = rest.split("\n\n");
      rest = whole.pop() ?? "";
      for (const block of whole)
        blocks.push(Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2) as [string, string])));
    }
  })().catch(() => {});
  return blocks;
}

/** As Linux tells it; 0 elsewhere. */
function residentMegabytes(pid: number): number {
  const file = `/proc/${pid}/status`;
  return existsSync(file) ? Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(file, "utf8"))?.[1]) / 1024 : 0;
}

const event = (sourceAppId: string, eventType = "T", dataPayload = {}) => ({ eventType, sourceAppId, dataPayload });
const until = (check: () => boolean): Promise<boolean> => eventually(check, 30_000, "what the stream shows");

describe("our own stream", () => {
  it("shows whole events, from the first on, in both forms and on every node, while writes go on", async () => {
    const source = uniqueSource();
    for (let i = 0; i < 3; i++)
      await postJson(`${urls()[0]}/api/v1/events:batch`, { events: Array(500).fill(event(source)) });
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; isWriting; i++) await postJson(`${urls()[i % 3]}/api/v1/events`, event(source));
    })();
    const sockets = await Promise.all(urls().map((url) => openSocket(url, "?after=-1")));
    const feeds = await Promise.all(urls().map((url) => openSse(url, "?after=-1")));
    await until(() => sockets.every((one) => one.events().length > 1_550));
    isWriting = false;
    await writing;
    const { body: last } = await postJson(`${urls()[2]}/api/v1/events`, event(source));
    const { body: stored } = await call(`${urls()[2]}/api/v1/events/${last.sequence}`);
    for (const one of sockets) {
      await until(() => one.events().at(-1).sequence === last.sequence);
      expect(one.events().map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: last.sequence + 1 }, (_, i) => i),
      );
      expect(one.events().at(-1)).toEqual(stored);
    }
    for (const feed of feeds) {
      await until(() => feed.at(-1)?.id === String(last.sequence));
      const events = feed.filter((block) => block.event === "event");
      expect(events.map((block) => Number(block.id))).toEqual(Array.from({ length: last.sequence + 1 }, (_, i) => i));
      expect(JSON.parse(events.at(-1)?.data ?? "")).toEqual(stored);
    }
  });

  it("goes on after a place on another node, also when a node dies in between", async () => {
    const source = uniqueSource();
    const first = await openSocket(urls()[0] as string, `?sourceAppId=${source}`);
    for (let i = 0; i < 5; i++) await postJson(`${urls()[i % 3]}/api/v1/events`, event(source));
    await until(() => first.events().length === 5);
    await cluster.kill("n1");
    const { body } = await postJson(`${urls()[1]}/api/v1/events:batch`, { events: Array(5).fill(event(source)) });
    const place = first.events()[4].sequence;
    const second = await openSocket(urls()[1] as string, `?sourceAppId=${source}&after=${place}`);
    // The header is newer than the address that a browser repeats.
    const feed = await openSse(urls()[2] as string, `?sourceAppId=${source}&after=0`, {
      "Last-Event-ID": String(place),
    });
    const expected = body.events.map((one: Shown) => one.sequence);
    await until(() => second.events().length === 5 && feed.filter((block) => block.event === "event").length === 5);
    expect(second.events().map(({ sequence }) => sequence)).toEqual(expected);
    expect(feed.flatMap(({ event, id }) => (event === "event" ? [Number(id)] : []))).toEqual(expected);
    await cluster.start("n1");
    await cluster.leader();
  });

  it("filters by type and source, for what is past and what comes, and moves the place over the rest", async () => {
    const source = uniqueSource();
    const batch = { events: Array.from({ length: 900 }, (_, i) => event(source, i % 100 === 0 ? "wanted" : "other")) };
    const { body: past } = await postJson(`${urls()[0]}/api/v1/events:batch`, batch);
    const from = past.events[0].sequence - 1;
    const query = `?after=${from}&sourceAppId=${source}&eventType=wanted`;
    const socket = await openSocket(urls()[1] as string, query);
    const feed = await openSse(urls()[1] as string, query);
    await until(() => socket.events().length === 9);
    const { body: live } = await postJson(`${urls()[0]}/api/v1/events:batch`, batch);
    await until(() => socket.events().length === 18);
    const wanted = [...past.events, ...live.events].filter((_, i) => i % 100 === 0).map((one: Shown) => one.sequence);
    expect(socket.events().map(({ sequence }) => sequence)).toEqual(wanted);
    // A thousand more that it does not want: then its place is beyond its last event.
    await postJson(`${urls()[0]}/api/v1/events:batch`, { events: Array(1_000).fill(event(source, "other")) });
    await until(() => socket.shown.at(-1).kind === "notice" && feed.at(-1)?.data === undefined);
    expect(socket.shown.at(-1)).toMatchObject({ notice: "position" });
    expect(socket.shown.at(-1).sequence).toBeGreaterThan(wanted.at(-1));
    expect(Number(feed.at(-1)?.id)).toBe(socket.shown.at(-1).sequence);
  });

  it("shows elections as events of their own kind, on every node, without an id", async () => {
    const sockets = await Promise.all(urls().map((url) => openSocket(url)));
    const feed = await openSse(urls()[0] as string);
    const body = await eventually(
      async () => {
        const answer = await postJson(`${urls()[0]}/api/v1/cluster/step-down`, { actor: "ada", reason: "a test" });
        // None is level for a moment after n1 was away.
        return answer.status === 200 && answer.body;
      },
      30_000,
      "the leader steps down",
    );
    const isMeant = ({ kind, election }: Shown): boolean => kind === "election" && election.term === body.term;
    for (const one of sockets) {
      await until(() => one.shown.some(isMeant));
      const shown = one.shown.find(isMeant);
      expect(shown.election).toMatchObject({ ...body, reason: "hand_over", handOver: true });
    }
    const isShown = ({ event, data }: Record<string, string>): boolean =>
      event === "election" && JSON.parse(data ?? "").term === body.term;
    await until(() => feed.some(isShown));
    expect(feed.find(isShown)?.id).toBeUndefined();
  });

  it("closes a slow client with the place of its gap, from which it goes on", async () => {
    const url = urls()[0] as string;
    const source = uniqueSource();
    const large = { events: Array(4).fill(event(source, "T", { text: "x".repeat(250_000) })) };
    const {
      client: slow,
      reason,
      writes,
    } = await fallBehind(
      () => openSocket(url, `?sourceAppId=${source}`),
      () => postJson(`${url}/api/v1/events:batch`, large),
    );
    const { body: last } = await postJson(`${url}/api/v1/events`, event(source));
    const from = Number(/^from=(\d+)$/.exec(reason)?.[1]);
    expect(from).toBe(slow.events().at(-1).sequence + 1);
    expect(from).toBeLessThan(last.sequence);
    const again = await openSocket(urls()[1] as string, `?sourceAppId=${source}&after=${from - 1}`);
    await until(() => again.events().length > 0 && again.events().at(-1).sequence === last.sequence);
    const all = [...slow.events(), ...again.events()].map(({ sequence }) => sequence);
    expect(all).toEqual(all.map((_, i) => all[0] + i));
    expect(all).toHaveLength(writes * 4 + 1);
  });

  it("serves 1,000 clients that all resume at once, and refuses one more", async () => {
    const url = urls()[2] as string;
    // The streams of the tests before count too.
    for (const close of closers.splice(0)) close();
    const small = { events: Array(300).fill(event(uniqueSource())) };
    const { body: before } = await postJson(`${url}/api/v1/events:batch`, small);
    const from = before.events.at(-1).sequence - 200;
    const open: Stream[] = [];
    // In groups: 1,000 handshakes at once overrun the kernel's backlog, not the node.
    while (open.length < 1_000)
      open.push(...(await Promise.all(Array.from({ length: 50 }, () => openSocket(url, `?after=${from}`)))));
    await expect(openSocket(url)).rejects.toThrow("503");
    const { body: last } = await postJson(`${url}/api/v1/events`, event(uniqueSource()));
    await until(() => open.every((one) => one.events().at(-1)?.sequence === last.sequence));
    for (const one of open) {
      const sequences = one.events().map(({ sequence }) => sequence);
      expect(sequences).toEqual(Array.from({ length: last.sequence - from }, (_, i) => from + 1 + i));
    }
    expect(residentMegabytes(cluster.node("n3").pid as number)).toBeLessThan(300);
    for (const { socket } of open) socket.terminate();
    expect((await call(`${url}/livez`)).status).toBe(200);
  });

  it("refuses what it does not understand with a problem that names it", async () => {
    const url = urls()[0] as string;
    const headers = { Accept: "text/event-stream" };
    for (const query of ["?after=x", "?after=1&after=2", "?afer=1", "?eventType=", "?after=99999999"]) {
      const { status, body } = await call(`${url}/api/v1/stream${query}`, { headers });
      expect([query, status, body.code]).toEqual([query, 400, "invalid_parameter"]);
      await expect(openSocket(url, query)).rejects.toThrow("400");
    }
    expect((await call(`${url}/api/v1/stream`)).body.code).toBe("upgrade_required");
    expect((await postJson(`${url}/api/v1/stream`, {})).body.code).toBe("method_not_allowed");
  });
});
