import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { type Height, height, treeSize } from "../../shared/ids.js";
import type { BlockHeader } from "../../shared/log/block.js";
import { type LoggedEvent, shownEvent } from "../../shared/log/event.js";
import { type EventFilter, matches, WIDE } from "../../shared/log/filter.js";
import type { Run } from "../../shared/log/index.js";
import { nameHash } from "../../shared/log/proved-body.js";
import { instantOf } from "../../shared/timestamp.js";
import { insert, STATE_MAC, type TestBlock, type TestEvent, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase, type MemoryEntry } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { Anchors } from "../replica/anchors.js";
import { ProvedBlocks } from "../replica/proved-blocks.js";
import type { IndexEntry, LogReader } from "../storage/port.js";
import { type Found, IndexDiffers, type Search } from "./page-builder.js";
import { Searches } from "./search.js";

const PATHS = ["user"];
const TYPES = ["order", "order.paid", "order.paid.eu", "note"];
const SOURCES = ["shop", "desk", "robot"];
const TIMES = [
  "2026-01-01T00:00:00Z",
  "2026-01-01T00:00:00.5Z",
  "2026-01-01T00:00:00.5004Z",
  "2026-01-01T00:00:00.500Z",
  "2026-01-01T00:00:00.501Z",
  "2026-03-01T00:00:00+02:00",
  "1969-12-31T23:59:59.999Z",
];

/** Repeatable, and every value with every other. */
const eventOf = (n: number): TestEvent => ({
  eventType: TYPES[(n * 7) % TYPES.length] as string,
  sourceAppId: SOURCES[(n * 5 + Math.floor(n / 11)) % SOURCES.length] as string,
  timestamp: TIMES[(n * 3 + Math.floor(n / 17)) % TIMES.length] as string,
  dataPayload: { user: n % 4 === 0 ? [n % 3, "x"] : n % 5, text: "y".repeat(n % 40) },
});

const BLOCKS = 110;
const log = new TestLog();
const blocks: TestBlock[] = [];
for (let at = 1, n = 0; at <= BLOCKS; at++) {
  const count = at % 9 === 0 ? 0 : at % 13 === 0 ? 9 : (at % 4) + (at > 60 && at < 70 ? 0 : 1);
  blocks.push(
    log.block(
      Array.from({ length: count }, () => eventOf(n++)),
      { paths: PATHS },
    ),
  );
}
const events: { readonly event: LoggedEvent; readonly header: BlockHeader }[] = blocks.flatMap((block) =>
  block.events.map((event) => ({ event, header: block.stored.block.header })),
);
const SIZE = events.length;

interface Fixture {
  /** How far the store is known to hold the log. */
  readonly store: { held: Height };
  readonly database: MemoryDatabase;
  readonly reader: LogReader;
  readonly searches: Searches;
  readonly index: { version: number };
  /** Each look at the clock takes so long. */
  readonly clock: { now: number; step: number };
  readonly altered: number[];
  /** Entries that were told of without being believed. */
  readonly differing: number[];
}

async function setUp({ remembers = 20, bytesMax = 200_000, of = blocks } = {}): Promise<Fixture> {
  const database = new MemoryDatabase("a".repeat(32));
  const storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  await storage.log.open();
  await insert(storage.log, of);
  // Too many terms of their own: what stands in these blocks only they can tell.
  for (const at of [5, 6, 40, 41, 42, 90]) {
    const found = database.entries.get(height(at));
    if (found?.stored.entry == null) continue;
    const own = { terms: [WIDE], places: [new Uint8Array(0)] };
    const stored = { ...found.stored, entry: { ...found.stored.entry, own } };
    database.entries.set(height(at), { ...found, stored });
  }
  const heldThrough = (): Height => height(of.length);
  const inOrder = (run: () => Promise<void>): Promise<void> => run();
  const anchors = new Anchors({
    store: storage.log,
    reader: storage.reader,
    heldThrough,
    inOrder,
    onWarning: () => {},
  });
  for (const { stored } of of) anchors.add(stored.block.header, stored.block.blockHash, "c");
  const altered: number[] = [];
  const onAltered = ({ height: at }: { height: number }): number => altered.push(at);
  const proved = new ProvedBlocks({ reader: storage.reader, anchors, bytesMax, heldThrough, onAltered });
  for (const { stored, events: those } of of.slice(-remembers || of.length))
    proved.add(stored.block, those[0]?.record.previousHash ?? "");
  const clock = { now: 0, step: 0 };
  const now = (): number => {
    clock.now += clock.step;
    return clock.now;
  };
  const store = { held: heldThrough() };
  const differing: number[] = [];
  const index = { version: 0 };
  const searches = new Searches({
    reader: storage.reader,
    blocks: proved,
    clock: { now },
    commitHeight: heldThrough,
    heldThrough: () => store.held,
    indexVersion: () => index.version,
    onIndexDiffers: (at) => differing.push(at),
  });
  return { database, index, reader: storage.reader, searches, clock, altered, store, differing };
}

let fixture: Fixture;
beforeEach(async () => {
  fixture = await setUp();
});

const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined, freq: 2 });
const instant = (texts: readonly string[]) => optional(fc.constantFrom(...texts).map((text) => instantOf(text)));
const SEALED = [
  "2026-01-01T00:00:01.000Z",
  "2026-01-01T00:00:30Z",
  "2026-01-01T00:01:07.0001Z",
  "2027-01-01T00:00:00Z",
];
const userTexts = fc.constantFrom(canonicalText(1), canonicalText("x"), canonicalText(3), canonicalText("none"));

const filters: fc.Arbitrary<EventFilter> = fc
  .record({
    eventType: optional(fc.constantFrom(...TYPES, "none")),
    sourceAppId: optional(fc.constantFrom(...SOURCES, "none")),
    typePrefix: optional(fc.constantFrom("order", "order.paid", "none")),
    payload: optional(fc.uniqueArray(userTexts, { minLength: 1 }).map((texts) => [{ path: "user", texts }])),
    timestampFrom: instant(TIMES),
    timestampTo: instant(TIMES),
    timestampBefore: instant(TIMES),
    recordedSince: instant(SEALED),
    recordedUntil: instant(SEALED),
  })
  .map((filter) => Object.fromEntries(Object.entries(filter).filter(([, value]) => value != null)) as EventFilter);

const range = fc
  .tuple(fc.integer({ min: 0, max: SIZE }), fc.integer({ min: 0, max: SIZE }))
  .map(([a, b]) => (a < b ? { low: a, high: b } : { low: b, high: a }));
const orders = fc.constantFrom("asc" as const, "desc" as const);

function scan({ filter, order, low, high }: Pick<Search, "filter" | "order" | "low" | "high">): number[] {
  const found = events.slice(low, high).filter(({ event }) => matches(event, filter));
  const sequences = found.map(({ event }) => event.record.sequence as number);
  return order === "asc" ? sequences : sequences.reverse();
}
const sequencesOf = ({ events: found }: Found): number[] => found.map(({ sequence }) => sequence);

/** Page after page, each from where the one before ended. */
async function allPages(searches: Searches, search: Search): Promise<number[]> {
  const found: number[] = [];
  let rest = search;
  for (let pages = 0; ; pages++) {
    if (pages > 500) throw new Error("it never ends");
    const page = await searches.find(rest);
    found.push(...sequencesOf(page));
    if (page.next === null) return found;
    rest = search.order === "asc" ? { ...rest, low: page.next } : { ...rest, high: page.next + 1 };
  }
}

describe("a search", () => {
  it.each<[string, Parameters<typeof setUp>[0]]>([
    ["with the newest blocks in memory", {}],
    ["with the names of all blocks in memory, and no block", { remembers: BLOCKS, bytesMax: 1 }],
    ["with some blocks in memory, and the names of more", { remembers: 70, bytesMax: 60_000 }],
  ])(
    "finds what a scan finds, in order, past what is skipped, as many as are wanted, %s",
    async (_, memory) => {
      fixture = await setUp(memory);
      const pages = fc.record({ skip: fc.integer({ min: 0, max: 30 }), limit: fc.integer({ min: 1, max: 40 }) });
      await fc.assert(
        fc.asyncProperty(filters, orders, range, pages, async (filter, order, { low, high }, { skip, limit }) => {
          const wanted = { filter, order, low, high };
          const deadline = Number.POSITIVE_INFINITY;
          const found = await fixture.searches.find({ ...wanted, skip, limit, bytesMax: 1e9, deadline });
          expect(sequencesOf(found)).toEqual(scan(wanted).slice(skip, skip + limit));
          expect(found.isCutOff).toBe(false);
          if (found.events.length < limit) expect(found.next).toBeNull();
          const atHand = fixture.searches.atHand({ ...wanted, skip, limit, bytesMax: 1e9, deadline });
          if (atHand !== null)
            expect({ ...atHand, events: sequencesOf(atHand) }).toEqual({ ...found, events: sequencesOf(found) });
          for (const event of found.events) {
            const { event: logged, header } = events[event.sequence] as (typeof events)[0];
            expect([event.hash, event.shown()]).toEqual([logged.hash, shownEvent(logged, header)]);
          }
        }),
        { numRuns: 70 },
      );
    },
    60_000,
  );

  it("reads only blocks with hits, all of a page at once, where names are in memory", async () => {
    const { searches, reader } = await setUp({ remembers: BLOCKS, bytesMax: 60_000 });
    const [asked, read] = [vi.spyOn(reader, "heights"), vi.spyOn(reader, "readBlocks")];
    const filter = { sourceAppId: "shop", eventType: "note" };
    const search = { filter, order: "asc", low: 0, high: SIZE, limit: 8, bytesMax: 1e9, deadline: 1e9 } as const;
    const due = scan(search).slice(0, 8);
    expect(sequencesOf(await searches.find(search))).toEqual(due);
    const heights = [...new Set(due.map((at) => (events[at] as (typeof events)[0]).header.height))];
    expect(asked).not.toHaveBeenCalled();
    expect(read.mock.calls.map(([of]) => of)).toEqual([heights]);
  });

  describe("of large blocks that are not in memory", () => {
    const large = new TestLog();
    const of = Array.from({ length: 24 }, (_, block) =>
      large.block(Array.from({ length: 500 }, (_, i) => ({ sourceAppId: `app-${(block * 500 + i) % 50}` }))),
    );
    const search = { order: "desc", low: 0, high: 24 * 500, limit: 50, bytesMax: 1e9, deadline: 1e9 } as const;
    /** One block a second is sealed. */
    const at = (second: number) => ({ millis: Date.UTC(2026, 0, 1) + second * 1_000, rest: "" });
    const heightsRead = async (filter: EventFilter): Promise<{ found: number; heights: number[] }> => {
      const { searches, reader } = await setUp({ of, remembers: 1, bytesMax: 1 });
      const read = vi.spyOn(reader, "readBlocks");
      const { events: found } = await searches.find({ ...search, filter });
      return { found: found.length, heights: read.mock.calls.flatMap(([heights]) => heights) };
    };

    it("reads about as many as have what is wanted", async () => {
      const { found, heights } = await heightsRead({ sourceAppId: "app-7" });
      expect(found).toBe(50);
      // Each has ten.
      expect(heights.length).toBeLessThanOrEqual(6);
    });

    it("reads none that was sealed too late or too early", async () => {
      const [recordedSince, recordedUntil] = [at(7.5), at(10.5)];
      const { found, heights } = await heightsRead({ sourceAppId: "app-7", recordedSince, recordedUntil });
      expect(found).toBe(30);
      expect(heights).toEqual([10, 9, 8]);
    });
  });

  it.each([1, 1_000_000])(
    "is not misled by two names with the same hash, with %d bytes of memory",
    async (bytesMax) => {
      const [name, other] = ["costarring", "liquid"];
      expect(nameHash(utf8(name))).toBe(nameHash(utf8(other)));
      const of = [name, other, "shop", other, name];
      const made = new TestLog();
      const { searches } = await setUp({
        bytesMax,
        of: of.map((sourceAppId) => made.block([{ sourceAppId }, { sourceAppId: "desk", eventType: sourceAppId }])),
      });
      const search = { order: "asc", low: 0, high: 2 * of.length, limit: 9, bytesMax: 1e9, deadline: 1e9 } as const;
      const find = async (filter: EventFilter) => sequencesOf(await searches.find({ ...search, filter }));
      expect(await find({ sourceAppId: name })).toEqual([0, 8]);
      expect(await find({ eventType: other })).toEqual([3, 7]);
    },
  );

  it("finds all page by page, whatever ends a page: its limit, its bytes or its time", async () => {
    const ends = fc.record({
      limit: fc.constantFrom(1, 3, 50, 1_000),
      bytesMax: fc.constantFrom(1, 3_000, 1e9),
      step: fc.constantFrom(0, 1),
    });
    await fc.assert(
      fc.asyncProperty(filters, orders, range, ends, async (filter, order, { low, high }, { step, ...ends_ }) => {
        fixture.clock.step = step;
        const deadline = step === 0 ? Number.POSITIVE_INFINITY : 0;
        const wanted = { filter, order, low, high };
        expect(await allPages(fixture.searches, { ...wanted, ...ends_, deadline })).toEqual(scan(wanted));
      }),
      { numRuns: 80 },
    );
  });

  it("ends at its deadline, and says so", async () => {
    const search: Search = {
      filter: { eventType: "none" },
      order: "asc",
      low: 0,
      high: SIZE,
      limit: 10,
      bytesMax: 1e9,
      deadline: 0,
    };
    fixture.clock.step = 1;
    const unfiltered = await fixture.searches.find({
      ...search,
      filter: { recordedSince: { millis: 0, rest: "" } },
      limit: SIZE,
    });
    expect(unfiltered.isCutOff).toBe(true);
    expect(unfiltered.next).toBe((unfiltered.events.at(-1)?.sequence ?? 0) + 1);
    const common = await fixture.searches.find({ ...search, filter: { typePrefix: "order" }, limit: SIZE });
    expect(common.isCutOff).toBe(true);
    expect(common.events.length).toBeGreaterThan(0);
  });

  it("goes on without an index where nothing is asked of it, and says that it is lost where something is", async () => {
    const { database, searches } = await setUp({ remembers: 0 });
    database.dropIndex();
    const deadline = Number.POSITIVE_INFINITY;
    for (const order of ["asc", "desc"] as const) {
      const all = { filter: {}, order, low: 3, high: SIZE - 3 };
      expect(await allPages(searches, { ...all, limit: 7, bytesMax: 1e9, deadline })).toEqual(scan(all));
    }
    expect(await searches.places.placeOf(20)).toMatchObject({ height: events[20]?.header.height });
    const wanted = { order: "asc", low: 0, high: SIZE, limit: 7, bytesMax: 1e9, deadline } as const;
    const filter = { eventType: "note" };
    await expect(searches.find({ ...wanted, filter })).rejects.toMatchObject({ failure: "index_lost" });
    await expect(searches.count(filter, { high: SIZE, cap: 9, deadline })).rejects.toMatchObject({
      failure: "index_lost",
    });
  });

  it.each(["asc", "desc"] as const)("passes over no event whose header says that there is none, %s", async (order) => {
    const { database, searches, altered } = await setUp({ remembers: 0 });
    const found = database.blocks.get(height(50));
    if (found === undefined) throw new Error("no block");
    const { block } = found.stored;
    const emptied = { ...block, header: { ...block.header, eventCount: 0 } };
    database.blocks.set(height(50), { ...found, stored: { ...found.stored, block: emptied } });
    const search = { filter: {}, order, low: 0, high: SIZE, limit: SIZE, bytesMax: 1e9, deadline: 1e9 };
    // What comes before it is shown; whoever goes on from there is told.
    const before = await searches.find(search);
    const next = before.next as number;
    expect(before.isCutOff).toBe(false);
    expect(sequencesOf(before)).toEqual(scan(search).slice(0, before.events.length));
    expect(events[next]?.header.height).toBe(50);
    const rest = order === "asc" ? { ...search, low: next } : { ...search, high: next + 1 };
    await expect(searches.find(rest)).rejects.toMatchObject({ name: "AlteredBlock", height: 50 });
    expect(altered).toContain(50);
  });

  it("does not answer from an entry that says what its block does not", async () => {
    const { database, searches, differing } = await setUp({ remembers: 0 });
    const found = database.entries.get(height(14));
    const other = database.entries.get(height(15));
    if (found === undefined || other?.stored.entry == null) throw new Error("no entry");
    const stored = { ...found.stored, count: 2, entry: other.stored.entry };
    database.entries.set(height(14), { ...found, stored });
    const [, second] = blocks[14]?.events ?? [];
    const filter = { eventType: second?.record.eventType ?? "" };
    const search: Search = { filter, order: "asc", low: 0, high: SIZE, limit: SIZE, bytesMax: 1e9, deadline: 1e9 };
    // Blocks that are read for all of their hits are asked themselves; what is passed over, entries tell.
    expect(sequencesOf(await searches.find(search))).toEqual(scan(search));
    const has = (block: TestBlock | undefined, type: string) =>
      block?.events.some((event) => event.record.eventType === type) === true;
    const foreign = TYPES.find((type) => has(blocks[14], type) && !has(blocks[13], type)) ?? "";
    const named = { ...search, filter: { eventType: foreign } };
    expect(sequencesOf(await searches.find(named))).toEqual(scan(named));
    expect(differing).toEqual([14]);
    await expect(searches.find({ ...search, skip: 1 })).rejects.toMatchObject({ name: "IndexDiffers", height: 14 });
  });
});

describe("an entry that somebody damaged", () => {
  const changed = (bytes: Uint8Array): Uint8Array => {
    const copy = bytes.slice();
    copy[copy.length - 1] = 200;
    return copy;
  };
  it.each<[string, (entry: IndexEntry) => IndexEntry]>([
    [
      "places that its block does not have",
      ({ index, own }) => ({ own, index: { ...index, names: each(index.names, changed) } }),
    ],
    [
      "places that are cut",
      ({ index, own }) => ({ own, index: { ...index, names: each(index.names, (it) => it.subarray(0, 9)) } }),
    ],
    ["times that are cut", ({ index, own }) => ({ own, index: { ...index, times: index.times.subarray(0, 5) } })],
  ])("is named by whoever searches or counts: %s", async (what, damage) => {
    const { database, searches } = fixture;
    const found = database.entries.get(height(14));
    if (found?.stored.entry == null) throw new Error("no entry");
    database.entries.set(height(14), { ...found, stored: { ...found.stored, entry: damage(found.stored.entry) } });
    const { eventType = "", timestamp = "" } = blocks[13]?.events[0]?.record ?? {};
    const at = instantOf(timestamp);
    const filter = what.startsWith("times") && at !== null ? { timestampFrom: at } : { eventType };
    const search: Search = { filter, order: "asc", low: 0, high: SIZE, limit: SIZE, bytesMax: 1e9, deadline: 1e9 };
    await expect(searches.find({ ...search, skip: 1 })).rejects.toMatchObject({ name: "IndexDiffers", height: 14 });
    if (!what.startsWith("times")) expect(sequencesOf(await searches.find(search))).toEqual(scan(search));
    const counted = searches.count(filter, { high: SIZE, cap: 1e6, deadline: 1e9 });
    await expect(counted).rejects.toMatchObject({ name: "IndexDiffers", height: 14 });
  });
});
const each = ({ terms, places }: Run, change: (bytes: Uint8Array) => Uint8Array): Run => ({
  terms,
  places: places.map(change),
});

describe("a count", () => {
  it("is what a scan counts, up to its cap, also after others of the same filter and after such as ran out of time", async () => {
    const asked = fc.array(
      fc.record({
        high: fc.integer({ min: 0, max: SIZE }),
        cap: fc.constantFrom(0, 3, 20, 1e6),
        isShort: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(filters, asked, async (filter, list) => {
        const { searches, clock } = fixture;
        for (const { high, cap, isShort } of list) {
          clock.step = isShort ? 1 : 0;
          const deadline = isShort ? 0 : Number.POSITIVE_INFINITY;
          const counted = await searches.count(filter, { high, cap, deadline });
          if (counted === null) {
            expect(isShort).toBe(true);
            continue;
          }
          const { length } = scan({ filter, order: "asc", low: 0, high });
          expect(counted).toEqual({ total: Math.min(length, cap), isCapped: length > cap });
        }
      }),
      { numRuns: 120 },
    );
  });

  it("ends at last, though each part of it runs out of time", async () => {
    fixture.clock.step = 1;
    const filter = { sourceAppId: "shop" };
    let counted: { total: number } | null = null;
    let parts = 0;
    for (; counted === null && parts < 50; parts++)
      counted = await fixture.searches.count(filter, { high: SIZE, cap: 1e6, deadline: 0 });
    expect(counted?.total).toBe(scan({ filter, order: "asc", low: 0, high: SIZE }).length);
    expect(parts).toBeGreaterThan(2);
  });

  it("counts and skips no event twice where a header was altered", async () => {
    const { database, searches } = await setUp({ remembers: 1 });
    for (const at of [10, 40, 77]) {
      const found = database.blocks.get(height(at));
      if (found === undefined) throw new Error(`no block ${at}`);
      const { header } = found.stored.block;
      const altered = { ...header, eventCount: header.eventCount + 1, treeSize: treeSize(header.treeSize + 1) };
      database.blocks.set(height(at), {
        ...found,
        stored: { ...found.stored, block: { ...found.stored.block, header: altered } },
      });
    }
    const counted = await searches.count({}, { high: SIZE, cap: 1e6, deadline: 1e9 });
    expect(counted).toEqual({ total: SIZE, isCapped: false });
    // The last ones, of blocks that are what they were.
    const search: Search = { filter: {}, order: "asc", low: 0, high: SIZE, limit: 5, bytesMax: 1e9, deadline: 1e9 };
    const found = await searches.find({ ...search, skip: SIZE - 5 });
    expect(sequencesOf(found)).toEqual(scan(search).slice(-5));
  });

  it("is forgotten once the index was mended, also one that was under way", async () => {
    const { database, searches, index, reader } = fixture;
    const filter = { eventType: blocks[13]?.events[0]?.record.eventType ?? "" };
    const range = { high: SIZE, cap: 1e6, deadline: 1e9 };
    const due = { total: scan({ filter, order: "asc", low: 0, high: SIZE }).length, isCapped: false };
    const whole = database.entries.get(height(14)) as MemoryEntry;
    // It hides its events, and nothing but the entry says so.
    database.entries.delete(height(14));
    expect((await searches.count(filter, range))?.total).toBeLessThan(due.total);
    database.entries.set(height(14), whole);
    index.version += 1;
    expect(await searches.count(filter, range)).toEqual(due);

    database.entries.delete(height(14));
    index.version += 1;
    const find = reader.find.bind(reader);
    reader.find = async (query) => {
      const found = await find(query);
      if (!database.entries.has(height(14))) index.version += 1;
      database.entries.set(height(14), whole);
      return found;
    };
    await expect(searches.count(filter, range)).rejects.toThrow("was mended");
    expect(await searches.count(filter, range)).toEqual(due);
  });

  it("ends in time where blocks have to be read themselves", async () => {
    const { searches, reader, clock } = fixture;
    const filter = { payload: [{ path: "user", texts: ["1"] }] };
    const read = reader.readBlocks.bind(reader);
    let reads = 0;
    reader.readBlocks = (...asked) => {
      reads += 1;
      clock.now += 1_000;
      return read(...asked);
    };
    // Blocks 5 and 6 say of themselves that only they can tell.
    const deadline = clock.now + 500;
    expect(await searches.count(filter, { high: SIZE, cap: 1e6, deadline })).toBeNull();
    expect(reads).toBe(1);
    const due = { total: scan({ filter, order: "asc", low: 0, high: SIZE }).length, isCapped: false };
    // It goes on from there.
    expect(await searches.count(filter, { high: SIZE, cap: 1e6, deadline: 1e9 })).toEqual(due);
  });

  it("goes on behind what it has counted once a block that was altered is what it was again", async () => {
    const { database, searches, reader } = fixture;
    const filter = { payload: [{ path: "user", texts: ["1"] }] };
    const range = { high: SIZE, cap: 1e6, deadline: 1e9 };
    const read = reader.readBlocks.bind(reader);
    const asked: number[] = [];
    reader.readBlocks = (heights, bytesMax) => {
      asked.push(...heights);
      return read(heights, bytesMax);
    };
    // Blocks 5, 6 and 40 say of themselves that only they can tell.
    const whole = database.blocks.get(height(40));
    if (whole === undefined) throw new Error("no block 40");
    const { block } = whole.stored;
    const header = { ...block.header, term: 9 as never };
    database.blocks.set(height(40), { ...whole, stored: { ...whole.stored, block: { ...block, header } } });
    await expect(searches.count(filter, range)).rejects.toMatchObject({ name: "AlteredBlock", height: 40 });
    expect(asked).toEqual(expect.arrayContaining([5, 6, 40]));
    asked.length = 0;
    database.blocks.set(height(40), whole);
    const { length } = scan({ filter, order: "asc", low: 0, high: SIZE });
    expect(await searches.count(filter, range)).toEqual({ total: length, isCapped: false });
    // What it had looked through is not read again.
    expect(asked.filter((at) => at < 40)).toEqual([]);
  });

  it("block by block is not believed either if the index was mended meanwhile", async () => {
    const { searches, index } = fixture;
    const counts = async (mends: number): Promise<number> => {
      let total = 0;
      for await (const { count } of searches.counted({ typePrefix: "order" }, { low: 0, high: SIZE, deadline: 1e9 })) {
        total += count;
        index.version += mends;
      }
      return total;
    };
    expect(await counts(0)).toBeGreaterThan(0);
    await expect(counts(1)).rejects.toThrow("was mended");
  });
});

it("calls nothing absent while its store holds less than was committed: a database that went back says it is whole", async () => {
  const search = {
    filter: { eventType: "none" },
    order: "desc",
    low: 0,
    high: SIZE,
    limit: 5,
    bytesMax: 1e6,
    deadline: 1e9,
  } as const;
  expect((await fixture.searches.find(search)).events).toEqual([]);
  // Below the blocks that are in memory, which need no store.
  fixture.store.held = height(BLOCKS - 30);
  await expect(fixture.searches.find(search)).rejects.toThrow("not known to hold the log");
  const range = { high: SIZE, cap: 10, deadline: 1e9 };
  await expect(fixture.searches.count({ sourceAppId: "none" }, range)).rejects.toThrow("not known to hold the log");
});

it("says which entry differs where a count looks for an event that its block has not", async () => {
  const { database, searches } = fixture;
  const [large, small] = [9, 1].map((count) => blocks.find(({ events: { length } }) => length === count)?.stored.block);
  const [from, to] = [large, small].map((block) => block?.header.height) as [Height, Height];
  const [other, own] = [from, to].map((at) => database.entries.get(at)) as [MemoryEntry, MemoryEntry];
  database.entries.set(to, { ...own, stored: { ...other.stored, height: to } });
  const range = { high: SIZE, cap: SIZE, deadline: 1e9 };
  const told: unknown[] = [];
  for (const timestampFrom of TIMES.flatMap((text) => instantOf(text) ?? []))
    await searches.count({ timestampFrom }, range).catch((error) => told.push(error));
  expect(told.length).toBeGreaterThan(0);
  expect(told.filter((error) => !(error instanceof IndexDiffers && error.height === to))).toEqual([]);
});

it("counts no event twice where an entry stands beside a block without events", async () => {
  const { database, searches } = fixture;
  const empty = blocks.findLast(({ events: { length } }) => length === 0)?.stored.block.header.height as Height;
  const next = database.entries.get(height(empty + 1)) as MemoryEntry;
  database.entries.set(empty, { ...next, stored: { ...next.stored, height: empty } });
  const filters = [...new Set(events.map(({ event }) => event.record.eventType))].map((eventType) => ({ eventType }));
  const told: unknown[] = [];
  for (const filter of filters)
    await searches.count(filter, { high: SIZE, cap: SIZE, deadline: 1e9 }).catch((error) => told.push(error));
  expect(told.length).toBeGreaterThan(0);
  expect(told.filter((error) => !(error instanceof IndexDiffers && error.height === empty))).toEqual([]);
});

it("goes by the blocks for when something was logged: an entry that names another time misleads no search", async () => {
  const { database, searches } = fixture;
  const middle = events[Math.floor(SIZE / 2)]?.header.sealedAt as string;
  const filter = { recordedSince: instantOf(middle) as NonNullable<ReturnType<typeof instantOf>> };
  const search = { filter, order: "asc", low: 0, high: SIZE, limit: SIZE, bytesMax: 1e6, deadline: 1e9 } as const;
  const due = (await searches.find(search)).events.map(({ sequence }) => sequence);
  expect(due.length).toBeGreaterThan(0);
  expect(due.length).toBeLessThan(SIZE);
  for (const [at, entry] of database.entries)
    database.entries.set(at, { ...entry, stored: { ...entry.stored, sealedAt: 0 } });
  expect((await searches.find(search)).events.map(({ sequence }) => sequence)).toEqual(due);
});
