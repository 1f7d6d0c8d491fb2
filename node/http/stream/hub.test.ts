import pino from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ShownEvent } from "../../../shared/log/event.js";
import type { LogService, StreamNotice } from "../../service/log-port.js";
import type { StreamForm } from "./forms.js";
import { CLIENT_BUFFER_BYTES_MAX, type StreamClient, StreamHub } from "./hub.js";

const event = (sequence: number, text = ""): ShownEvent => ({
  v: 1,
  sequence,
  id: sequence.toString(16).padStart(24, "0"),
  eventType: "T",
  timestamp: "2026-05-01T12:00:00+01:00",
  sourceAppId: "S",
  payload: JSON.stringify({ text }),
  payloadSalt: "00".repeat(16),
  payloadHash: "a".repeat(64),
  recordedAt: "2026-05-01T12:00:00.000Z",
  previousHash: "b".repeat(64),
  hash: "c".repeat(64),
  height: 1,
  term: 1,
});
const range = (from: number, to: number, text = ""): ShownEvent[] =>
  Array.from({ length: to - from }, (_, i) => event(from + i, text));

const HERE = "127.0.0.1";

/** A client that takes everything at once, until told to take nothing. */
class FakeClient implements StreamClient {
  readonly got: string[] = [];
  isReading = true;
  bufferedBytes = 0;
  closed: string | undefined;
  passedTo: number[] = [];
  address = HERE;
  constructor(
    readonly form: StreamForm = "a",
    private readonly eventType?: string,
  ) {}
  wants(event: { eventType: string }): boolean {
    return this.eventType === undefined || event.eventType === this.eventType;
  }
  passed(sequence: number): void {
    this.passedTo.push(sequence);
  }
  send(bytes: Buffer): void {
    this.got.push(String(bytes));
    if (!this.isReading) this.bufferedBytes += bytes.length;
  }
  closeSlow(from: number): void {
    this.closed = `from=${from}`;
  }
  closeForRestart(): void {
    this.closed = "restart";
  }
  get sequences(): number[] {
    return this.got.map((text) => JSON.parse(text).sequence);
  }
}

let commit: (events: readonly ShownEvent[]) => void;
let passBy: (first: number, next: number) => boolean;
let tell: (notice: StreamNotice) => void;
let unsubscribed = 0;
let hub: StreamHub;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"] });
  unsubscribed = 0;
  const reads = {
    subscribe(listener: typeof commit, asked: typeof passBy) {
      commit = listener;
      passBy = asked;
      return () => unsubscribed++;
    },
  };
  const status = {
    subscribeNotices(listener: typeof tell) {
      tell = listener;
      return () => unsubscribed++;
    },
  };
  hub = new StreamHub({ reads, status } as unknown as LogService, { logger: pino({ level: "silent" }), clientsMax: 3 });
});
afterEach(() => {
  vi.useRealTimers();
});
const join = (client = new FakeClient()): FakeClient => {
  hub.add(client);
  return client;
};
const half = "x".repeat(CLIENT_BUFFER_BYTES_MAX / 2);

describe("the stream hub", () => {
  it("wants no events made while nobody listens, and knows all the same where the next ones begin", async () => {
    expect(passBy(4, 7)).toBe(true);
    const client = join();
    expect(passBy(7, 9)).toBe(false);
    commit(range(7, 9));
    await vi.runAllTimersAsync();
    expect(client.sequences).toEqual([7, 8]);
    hub.remove(client);
    expect(passBy(9, 12)).toBe(true);
    const later = join();
    commit(range(10, 13));
    await vi.runAllTimersAsync();
    expect(later.sequences).toEqual([12]);
  });

  it("hands every client every event once, in order, from the moment of its connecting", async () => {
    const early = join();
    commit(range(7, 10));
    const late = join();
    commit(range(10, 12));
    commit(range(10, 13));
    await vi.runAllTimersAsync();
    expect(early.sequences).toEqual([7, 8, 9, 10, 11, 12]);
    expect(late.sequences).toEqual([10, 11, 12]);
  });

  it("gives each form its own shape", () => {
    const [a, b, sse] = [join(), join(new FakeClient("b")), join(new FakeClient("sse"))];
    commit([event(5)]);
    expect(Object.keys(JSON.parse(a.got[0] as string))).toContain("hash");
    expect(JSON.parse(b.got[0] as string)).toMatchObject({
      currentHash: "c".repeat(64),
      timestamp: "2026-05-01T11:00:00.000Z",
    });
    expect(sse.got[0]).toBe(`id: 5\ndata: ${a.got[0]}\n\n`);
  });

  it("serves many events over several turns, and loses none", async () => {
    const clients = [join(), join(), join()];
    commit(range(0, 5_000));
    expect(clients[2]?.got.length).toBe(0);
    await vi.runAllTimersAsync();
    for (const client of clients) expect(client.sequences).toEqual(range(0, 5_000).map((e) => e.sequence));
  });

  it("holds a client whose buffer is full, and goes on without a gap when it reads again", async () => {
    const client = join();
    client.isReading = false;
    commit(range(0, 8, half));
    expect(client.got.length).toBe(2);
    await vi.advanceTimersByTimeAsync(300);
    client.isReading = true;
    client.bufferedBytes = 0;
    await vi.runAllTimersAsync();
    expect(client.sequences).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(client.closed).toBeUndefined();
  });

  it("closes a client that stays full with the place where its gap starts; others are not held up", async () => {
    const slow = join();
    const fast = join();
    slow.isReading = false;
    commit(range(0, 8, half));
    expect(fast.sequences).toHaveLength(8);
    await vi.advanceTimersByTimeAsync(600);
    expect(slow.closed).toBe("from=2");
    expect(slow.sequences).toEqual([0, 1]);
    expect(hub.clientCount).toBe(1);
    hub.add(new FakeClient());
    // Until its connection is closed, the slow one's buffer counts.
    expect(hub.canAdd(HERE)).toBe(false);
    hub.remove(slow);
    expect(hub.canAdd(HERE)).toBe(true);
    await vi.runAllTimersAsync();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps at most 16 MiB for those who lag, whatever comes at once", () => {
    const slow = join();
    slow.isReading = false;
    for (let block = 0; block < 12; block++) commit(range(block * 4, block * 4 + 4, half));
    expect(slow.closed).toBe("from=2");
  });

  it("keeps what comes for a client that first reads older events", async () => {
    commit(range(0, 3));
    const client = new FakeClient();
    hub.pin(client);
    commit(range(3, 6));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.got).toEqual([]);
    expect(hub.pinnedAt(client)).toBe(3);
    hub.release(client, 3);
    commit(range(6, 8));
    expect(client.sequences).toEqual([3, 4, 5, 6, 7]);
  });

  it("drops what it kept for a reader when that becomes too much, and closes nobody for it", () => {
    commit(range(0, 3));
    const client = new FakeClient();
    hub.read(client);
    hub.pin(client);
    for (let block = 0; block < 12; block++) commit(range(3 + block * 4, 7 + block * 4, half));
    expect([client.closed, client.got, hub.pinnedAt(client)]).toEqual([undefined, [], undefined]);
    expect(hub.clientCount).toBe(1);
    hub.pin(client);
    expect(hub.pinnedAt(client)).toBe(51);
    hub.release(client, 51);
    commit(range(51, 53));
    expect(client.sequences).toEqual([51, 52]);
  });

  it("leaves out what a client does not want, and moves its place all the same", () => {
    const client = join(new FakeClient("own", "U"));
    commit([event(0), { ...event(1), eventType: "U" }, event(2)]);
    const { payload: _text, ...shown } = event(1);
    expect(client.got.map((text) => JSON.parse(text))).toEqual([
      { kind: "event", event: { ...shown, eventType: "U", dataPayload: { text: "" } } },
    ]);
    expect(client.passedTo).toEqual([0, 2]);
  });

  it("tells alerts and elections to the clients of our own stream only", () => {
    const [a, own, sse] = [join(), join(new FakeClient("own")), join(new FakeClient("own_sse"))];
    const election = {
      term: 2,
      leaderId: "n2",
      height: 9,
      at: "",
      reason: null,
      previousLeader: null,
      votes: [],
      tookMs: 3,
    };
    tell({ kind: "election", election: { ...election, handOver: false } });
    expect(a.got).toEqual([]);
    expect(JSON.parse(own.got[0] as string)).toMatchObject({ kind: "election", election: { leaderId: "n2" } });
    expect(sse.got[0]).toMatch(/^event: election\ndata: \{"term":2.*\}\n\n$/);
  });

  it("closes every stream rather than skip an event that never came", () => {
    const client = join();
    commit(range(0, 2));
    commit(range(3, 4));
    expect(client.sequences).toEqual([0, 1]);
    expect(client.closed).toBe("from=2");
    const next = join();
    commit(range(4, 5));
    expect(next.sequences).toEqual([4]);
  });

  it("keeps further places for addresses that have none", () => {
    for (let i = 0; i < 3; i++) join();
    for (let i = 0; i < 100; i++) {
      const address = `192.0.2.${i}`;
      expect([i, hub.canAdd(HERE), hub.canAdd(address)]).toEqual([i, false, true]);
      join(Object.assign(new FakeClient(), { address }));
      expect([i, hub.canAdd(address)]).toEqual([i, false]);
    }
    expect(hub.canAdd("192.0.2.100")).toBe(false);
  });

  it("has a limit of clients, and tells all of them of a restart", () => {
    const clients = [join(), join(), join()];
    expect(hub.canAdd(HERE)).toBe(false);
    hub.remove(clients[0] as FakeClient);
    expect(hub.canAdd(HERE)).toBe(true);
    hub.close();
    expect(clients.map((client) => client.closed)).toEqual([undefined, "restart", "restart"]);
    expect(hub.canAdd(HERE)).toBe(false);
    expect(unsubscribed).toBe(2);
  });
});
