import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { type EventFilter, matches } from "../../shared/log/filter.js";
import { instantOf } from "../../shared/timestamp.js";
import { insert, STATE_MAC, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { Anchors } from "../replica/anchors.js";
import { ProvedBlocks } from "../replica/proved-blocks.js";
import { type Counts, Histograms } from "./histogram.js";
import type { HistogramRequest } from "./log-port.js";
import { Searches } from "./search.js";

const TYPES = ["order", "order.paid", "note"];
const SOURCES = ["shop", "desk"];
const TIMES = ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"];

/** Blocks of 0 to 6 events, sealed a second apart from each other. */
function grow(count: number): TestBlock[] {
  const log = new TestLog();
  let n = 0;
  return Array.from({ length: count }, (_, at) =>
    log.block(
      Array.from({ length: (at * 5) % 7 }, () => {
        n += 1;
        const timestamp = TIMES[n % 2] as string;
        const names = { eventType: TYPES[n % 3] as string, sourceAppId: SOURCES[(n * 3) % 2] as string };
        return { ...names, timestamp, dataPayload: { user: n % 4 } };
      }),
      { paths: ["user"] },
    ),
  );
}

const blocks = grow(90);
const events = blocks.flatMap((block) => block.events);
const SIZE = events.length;
const millisOf = (text: string): number => (instantOf(text) as { millis: number }).millis;
const recordedAt = events.map(({ record }) => millisOf(record.recordedAt));

interface Fixture {
  readonly histograms: Histograms;
  readonly clock: { now: number; step: number };
}

async function setUp(remembers: number): Promise<Fixture> {
  const database = new MemoryDatabase("a".repeat(32));
  const storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  await storage.log.open();
  await insert(storage.log, blocks);
  const heldThrough = () => height(blocks.length);
  const inOrder = (run: () => Promise<void>): Promise<void> => run();
  const { log: store, reader } = storage;
  const anchors = new Anchors({ store, reader, heldThrough, inOrder, onWarning: () => {} });
  for (const { stored } of blocks) anchors.add(stored.block.header, stored.block.blockHash, "c");
  const proved = new ProvedBlocks({ reader, anchors, bytesMax: 20_000, heldThrough, onAltered: () => {} });
  for (const { stored, events: those } of blocks.slice(blocks.length - remembers))
    proved.add(stored.block, those[0]?.record.previousHash ?? "");
  const time = { now: 0, step: 0 };
  const clock = {
    now: (): number => {
      time.now += time.step;
      return time.now;
    },
  };
  const commitHeight = heldThrough;
  const indexVersion = (): number => 0;
  const onIndexDiffers = (): void => {};
  const held = { commitHeight, heldThrough, indexVersion, onIndexDiffers };
  const searches = new Searches({ reader, blocks: proved, clock, ...held });
  return { histograms: new Histograms({ searches, blocks: proved, commitHeight, clock }), clock: time };
}

const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined, freq: 2 });
const filters: fc.Arbitrary<EventFilter> = fc
  .record({
    eventType: optional(fc.constantFrom(...TYPES, "none")),
    sourceAppId: optional(fc.constantFrom(...SOURCES)),
    typePrefix: optional(fc.constant("order")),
    payload: optional(fc.constantFrom("1", "3").map((text) => [{ path: "user", texts: [text] }])),
    timestampFrom: optional(fc.constantFrom(...TIMES).map((text) => instantOf(text) ?? undefined)),
  })
  .map((filter) => Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)));
const START = millisOf("2026-01-01T00:00:00Z");
const moment = fc.option(fc.integer({ min: START - 5_000, max: START + 100_000 }), { nil: null });
const requests: fc.Arbitrary<HistogramRequest> = fc.record({
  filter: filters,
  since: moment,
  until: moment,
  buckets: fc.integer({ min: 1, max: 200 }),
  size: fc.integer({ min: 0, max: SIZE }),
});

/** Every event is looked at. */
function scan({ filter, size }: HistogramRequest, { edges }: Counts): number[] {
  const found = events.slice(0, size).filter((event) => matches(event, filter));
  return edges.slice(1).map((until, i) => {
    const since = edges[i] as number;
    const isIn = (at: number): boolean => at >= since && at < until;
    return found.filter(({ record }) => isIn(recordedAt[record.sequence] as number)).length;
  });
}

describe.each([
  { what: "with all in memory", remembers: blocks.length },
  { what: "with the newest blocks in memory", remembers: 20 },
  { what: "with nothing in memory", remembers: 0 },
])("a histogram $what", ({ remembers }) => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await setUp(remembers);
  });

  it("counts what a scan counts, in each of its buckets", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const found = await fixture.histograms.of(request, { deadline: Number.POSITIVE_INFINITY });
        if (found === null) throw new Error("it had all the time");
        expect(found.counts).toEqual(scan(request, found));
        const { edges } = found;
        if (request.since !== null && edges.length > 0) expect(edges[0]).toBe(request.since);
        if (request.until !== null && edges.length > 0) expect(edges.at(-1)).toBe(request.until);
        expect(edges.length).toBeLessThanOrEqual(request.buckets + 1);
        for (const [i, edge] of edges.entries()) if (i > 0) expect(edge).toBeGreaterThan(edges[i - 1] as number);
      }),
      { numRuns: 150 },
    );
  });

  it("has every event in it where no bounds are given", async () => {
    const request = { filter: {}, since: null, until: null, buckets: 7, size: SIZE };
    const found = await fixture.histograms.of(request, { deadline: Number.POSITIVE_INFINITY });
    expect(found?.counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)).toBe(SIZE);
    expect(found?.edges[0]).toBe(recordedAt[0]);
    expect(found?.edges.at(-1)).toBe((recordedAt.at(-1) as number) + 1);
  });
});

it("a histogram that runs out of time has whole buckets, the newest ones, and says so of the others", async () => {
  const request = { filter: { typePrefix: "order" }, since: null, until: null, buckets: 30, size: SIZE };
  const { histograms, clock } = await setUp(0);
  const whole = await histograms.of(request, { deadline: Number.POSITIVE_INFINITY });
  const partly: number[] = [];
  for (let deadline = 1; deadline < 200; deadline++) {
    Object.assign(clock, { now: 0, step: 1 });
    const found = await histograms.of(request, { deadline });
    if (found === null) continue;
    const nulls = found.counts.filter((count) => count === null).length;
    if (nulls > 0 && nulls < found.counts.length) partly.push(nulls);
    expect(found.counts.slice(0, nulls)).toEqual(Array(nulls).fill(null));
    expect(found.counts.slice(nulls)).toEqual(whole?.counts.slice(nulls));
  }
  expect(partly.length).toBeGreaterThan(0);
});

it("a histogram of an empty log has no time to show, unless it is told which", async () => {
  const { histograms } = await setUp(0);
  const request = { filter: {}, since: null, until: null, buckets: 10, size: 0 };
  expect(await histograms.of(request, { deadline: Number.POSITIVE_INFINITY })).toEqual({ edges: [], counts: [] });
  const asked = { ...request, since: START, until: START + 100, buckets: 2 };
  const empty = { edges: [START, START + 50, START + 100], counts: [0, 0] };
  expect(await histograms.of(asked, { deadline: Number.POSITIVE_INFINITY })).toEqual(empty);
});
