import pino from "pino";
import { describe, expect, it, vi } from "vitest";
import type { ShownEvent } from "../../../shared/log/event.js";
import type { FoundEvent } from "../../../shared/log/stored-event.js";
import { FairPlaces } from "../../service/fair-places.js";
import type { Found, LogReads, LogService, PageRequest } from "../../service/log-port.js";
import { connectClient } from "./client.js";
import { StreamHub } from "./hub.js";
import type { StreamFilter } from "./request.js";
import { resume } from "./resume.js";

const event = (sequence: number): ShownEvent => ({
  v: 1,
  sequence,
  id: sequence.toString(16).padStart(24, "0"),
  eventType: sequence % 7 === 3 ? "rare" : "T",
  timestamp: "2026-05-01T12:00:00Z",
  sourceAppId: "S",
  payload: "{}",
  payloadSalt: "00".repeat(16),
  payloadHash: "a".repeat(64),
  recordedAt: "2026-05-01T12:00:00.000Z",
  previousHash: "b".repeat(64),
  hash: "c".repeat(64),
  height: 1,
  term: 1,
});

const foundOf = (shown: ShownEvent): FoundEvent => ({
  ...{ sequence: shown.sequence, hash: shown.hash, payloadBytes: shown.payload.length },
  shown: () => shown,
});

const MIB = 1024 * 1024;

/** A log that grows while it is read. */
class FakeLog {
  published: number;
  pagesAtOnce = 0;
  pagesAtOnceMax = 0;
  private readonly listeners = new Set<(events: ShownEvent[]) => void>();

  constructor(
    start: number,
    private readonly random: () => number,
    private readonly hole: number | null = null,
  ) {
    this.published = start;
  }

  get logSize(): number {
    return this.published;
  }
  subscribe(listener: (events: ShownEvent[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  subscribeNotices(): () => void {
    return () => {};
  }
  commit(count: number): void {
    const events = Array.from({ length: count }, (_, i) => event(this.published + i));
    this.published += count;
    for (const listener of this.listeners) listener(events);
  }
  async page({ filter, low, high, limit }: PageRequest): Promise<Found> {
    this.pagesAtOnce += 1;
    this.pagesAtOnceMax = Math.max(this.pagesAtOnceMax, this.pagesAtOnce);
    const found: FoundEvent[] = [];
    let at = low;
    // A search looks at so much and no more.
    const end = Math.min(high, low + 700);
    for (; at < end && found.length < limit; at++)
      if (at !== this.hole && (filter.eventType === undefined || event(at).eventType === filter.eventType))
        found.push(foundOf(event(at)));
    // While the page is on its way, more is committed.
    await Promise.resolve();
    if (this.published < 6_000) this.commit(Math.floor(this.random() * 120));
    this.pagesAtOnce -= 1;
    return { events: found, next: at >= high ? null : at, isCutOff: at === end, from: [] };
  }
}

/** Park and Miller's generator: the same run for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function connect(
  log: FakeLog,
  filter: StreamFilter = {},
  { address = "127.0.0.1", past = new FairPlaces({ max: 2 * MIB }) } = {},
) {
  const hub = new StreamHub({ reads: log, status: log } as unknown as LogService, {
    logger: pino({ level: "silent" }),
    clientsMax: 10,
  });
  const got: { kind: string; sequence: number }[] = [];
  const state = { isOpen: true, bufferedBytes: 0, closed: "" };
  const client = connectClient(
    {
      address,
      get isOpen() {
        return state.isOpen;
      },
      get bufferedBytes() {
        return state.bufferedBytes;
      },
      send: (bytes) => {
        const shown = JSON.parse(String(bytes));
        got.push({ kind: shown.kind, sequence: shown.kind === "event" ? shown.event.sequence : shown.sequence });
      },
      closeSlow: (from) => Object.assign(state, { isOpen: false, closed: `from=${from}` }),
      closeForRestart: () => Object.assign(state, { isOpen: false, closed: "restart" }),
    },
    "own",
    filter,
  );
  const parts = { hub, reads: log as unknown as LogReads, past };
  return { hub, client, state, got, start: (from: number) => resume(client, from, filter, parts) };
}

describe("resuming", () => {
  it.each(Array.from({ length: 20 }, (_, i) => i + 1))(
    "joins the live events without a gap or a double while both go on (seed %i)",
    async (seed) => {
      const random = seeded(seed);
      const log = new FakeLog(1_000 + Math.floor(random() * 3_000), random);
      const isFiltered = seed % 2 === 0;
      const { got, client, start } = connect(log, isFiltered ? { eventType: "rare" } : {});
      const from = Math.floor(random() * 900);
      const resumed = start(from);
      await vi.waitFor(() => expect(log.published).toBeGreaterThanOrEqual(1_000));
      await resumed;
      log.commit(50);
      const expected = Array.from({ length: log.published - from }, (_, i) => event(from + i)).filter((one) =>
        client.wants(one),
      );
      const events = got.filter(({ kind }) => kind === "event");
      await vi.waitFor(() => expect(events.length).toBeLessThanOrEqual(expected.length));
      expect(got.filter(({ kind }) => kind === "event").map(({ sequence }) => sequence)).toEqual(
        expected.map(({ sequence }) => sequence),
      );
      // The places that it is told never go back.
      const places = got.map(({ sequence }) => sequence);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    },
  );

  it("tells a client whose filter matches nothing how far the stream has come", async () => {
    const log = new FakeLog(6_000, seeded(1));
    const { got, start } = connect(log, { eventType: "never" });
    await start(0);
    expect(got.every(({ kind }) => kind === "notice")).toBe(true);
    expect(got.at(-1)?.sequence).toBeGreaterThanOrEqual(5_000);
  });

  it("counts a reader as a client, reads few pages at once, and forgets a reader that has gone", async () => {
    const log = new FakeLog(6_000, seeded(2));
    const { hub, state, client, start, got } = connect(log);
    const resumed = start(0);
    expect(hub.clientCount).toBe(1);
    await vi.waitFor(() => expect(got.length).toBeGreaterThan(0));
    state.isOpen = false;
    hub.remove(client);
    await resumed;
    expect([hub.clientCount, log.pagesAtOnceMax]).toEqual([0, 1]);
  });

  it("has a place for a page until its client has taken it, and waits for nobody of another address", async () => {
    const log = new FakeLog(6_000, seeded(3));
    const past = new FairPlaces({ max: 2 * MIB, spare: MIB });
    const readers = ["a", "a", "a", "a", "b"].map((address) => {
      const reader = connect(log, {}, { address, past });
      // Nothing of what it is sent leaves.
      reader.state.bufferedBytes = 100_000;
      return reader;
    });
    const resumed = readers.map(({ start }) => start(0));
    const counts = (): number[] => readers.map(({ got }) => (got.length > 0 ? 1 : 0));
    const [first, , gone, last, other] = readers;
    await expect.poll(counts).toEqual([1, 1, 0, 0, 1]);
    if (gone === undefined || first === undefined || last === undefined || other === undefined) throw new Error();
    gone.state.isOpen = false;
    gone.client.forget();
    await resumed[2];
    other.state.bufferedBytes = 0;
    await resumed[4];
    expect(counts()).toEqual([1, 1, 0, 0, 1]);
    // One takes its page: whoever waits is next.
    first.state.bufferedBytes = 0;
    await expect.poll(counts).toEqual([1, 1, 0, 1, 1]);
    expect(gone.got).toEqual([]);
    for (const { state } of readers) state.bufferedBytes = 0;
    await Promise.all(resumed);
    for (const { got, start: _, state } of readers.filter((one) => one !== gone))
      expect([state.closed, got.length]).toEqual(["", log.published]);
  });
});
