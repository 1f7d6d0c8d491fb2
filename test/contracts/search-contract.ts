import { describe, expect, it } from "vitest";
import type { FoundEntry, NewBlock, Storage } from "../../node/storage/port.js";
import { type Height, height } from "../../shared/ids.js";
import { type EventFilter, hitsOf, matches, planOf } from "../../shared/log/filter.js";
import { blockIndex, ownRun, type TermHash, termHash } from "../../shared/log/index.js";
import { instantOf } from "../../shared/timestamp.js";
import { insert, type TestBlock, TestLog } from "./fixtures.js";
import { ALL, entryOf, keyed, keyTerm } from "./index-fixtures.js";

/** Terms at the ends of int64, many of them alike: 3 types and 4 sources have 5 terms. */
const colliding: TermHash = (kind, value) => {
  const hash = termHash(kind, value).slice();
  if (kind !== "type" && kind !== "source" && kind !== "key") return hash;
  const ends = [0x00, 0x7f, 0x80, 0xff];
  hash.fill(ends[(hash[9] ?? 0) % 4] ?? 0, 0, 8);
  return hash;
};
const withHash = ({ stored, events }: TestBlock, hash: TermHash, paths: readonly string[]): NewBlock => ({
  ...stored,
  entry: events.length === 0 ? null : { index: blockIndex(events, hash), own: ownRun(events, paths, hash) },
});

/** What is found. */
export function searchContract(openStore: () => Promise<Storage>): void {
  describe("the index", () => {
    it.each([
      { name: "as they are", hash: termHash },
      { name: "colliding, negative and at the ends of int64", hash: colliding },
    ])("finds what a scan finds, with terms $name", async ({ hash }) => {
      const { log, reader } = await openStore();
      const chain = new TestLog();
      const zones = ["Z", "+02:00", "-02:00", "", ".0009Z"];
      const blocks = Array.from({ length: 14 }, (_, at) =>
        chain.block(
          Array.from({ length: at % 5 }, (_, i) => ({
            eventType: `type.${(at + i) % 3}`,
            sourceAppId: `app-${(at * i) % 4}`,
            timestamp: `2026-01-${String(((3 * at + i) % 28) + 1).padStart(2, "0")}T12:00:00${zones[i]}`,
            dataPayload: { tag: [at % 2, "x"], deep: { n: at } },
          })),
        ),
      );
      const paths = ["tag", "deep.n"];
      await log.insertBlocks(blocks.map((block) => withHash(block, hash, paths)));
      const day = (text: string) => instantOf(`2026-01-${text}Z`) as NonNullable<ReturnType<typeof instantOf>>;
      const filters: EventFilter[] = [
        {},
        { eventType: "type.1" },
        { sourceAppId: "app-2" },
        { eventType: "type.2", sourceAppId: "app-0" },
        { typePrefix: "type" },
        { typePrefix: "typ" },
        { eventType: "none" },
        { payload: [{ path: "tag", texts: ["1", '"x"'] }], eventType: "type.0" },
        { payload: [{ path: "deep.n", texts: ["7"] }] },
        { timestampFrom: day("03T10:00:00"), timestampTo: day("09T12:00:00.0005") },
        { timestampBefore: day("05T00:00:00"), sourceAppId: "app-1" },
      ];
      for (const filter of filters) {
        const plan = planOf(filter, hash);
        const names = plan.conditions.flatMap(({ isOwn, values }) => (isOwn ? [] : values.map((it) => it.term)));
        const own = plan.conditions.flatMap(({ isOwn, values }) => (isOwn ? values.map((it) => it.term) : []));
        const { groups, millis } = plan;
        const query = { ...ALL, groups, names, own, wantsTimes: millis !== null };
        const entries = await reader.find(query);
        const found = entries.flatMap((entry) => {
          const { sure, unsure } = hitsOf(plan, entry);
          const events = blocks[entry.height - 1]?.events ?? [];
          return [...sure, ...unsure.filter((i) => matches(events[i] as (typeof events)[0], filter))]
            .sort((a, b) => a - b)
            .map((i) => entry.first + i);
        });
        const scanned = blocks.flatMap(({ events }) => events).filter((event) => matches(event, filter));
        expect(found).toEqual(scanned.map(({ record }) => record.sequence));
        // Every order, part and limit.
        const heights = entries.map((entry) => entry.height);
        const heightsOf = async (change: object) => (await reader.find({ ...query, ...change })).map((it) => it.height);
        expect(await heightsOf({ order: "desc" })).toEqual([...heights].reverse());
        expect(await heightsOf({ limit: 2 })).toEqual(heights.slice(0, 2));
        const within = heights.filter((at) => at >= 4 && at <= 9);
        expect(await heightsOf({ from: height(4), to: height(9), order: "desc" })).toEqual([...within].reverse());
        const [group] = groups;
        if (group === undefined) continue;
        const candidates = (await reader.find({ ...ALL, groups: [group] })).length;
        const range = { from: height(1), to: height(100) };
        expect(await reader.estimate(group, range, 100)).toBe(candidates);
        expect(await reader.estimate(group, range, 1)).toBe(Math.min(candidates, 1));
        const led = (await reader.find({ ...ALL, groups: [group], order: "desc" })).map((entry) => entry.height);
        const whole = { from: height(1), to: height(100), order: "desc", limit: 100 } as const;
        expect(await reader.heights(group, whole)).toEqual(led);
        expect(await reader.heights(group, { ...whole, limit: 1 })).toEqual(led.slice(0, 1));
      }
    });

    it("says of an entry what was asked, and nothing else", async () => {
      const { log, reader } = await openStore();
      const { blocks } = keyed(1);
      await insert(log, blocks);
      const [type, source] = [termHash("type", "type.0"), termHash("source", "other")].map((it) => it.slice(0, 8));
      const [none] = await reader.find(ALL);
      const [some] = await reader.find({ ...ALL, names: [type as Uint8Array], wantsTimes: true });
      expect(none).toMatchObject({ height: 2, first: 0, count: 2, isWide: false, times: new Uint8Array(0) });
      expect(none?.placesOf(type as Uint8Array, "names")).toBeNull();
      expect(some?.times).toEqual(entryOf(blocks[1] as TestBlock).index.times);
      expect(some?.placesOf(type as Uint8Array, "names")).toHaveLength(12);
      expect(some?.placesOf(type as Uint8Array, "own")).toBeNull();
      expect(some?.placesOf(source as Uint8Array, "names")).toBeNull();
    });

    it("knows an entry with too many own terms", async () => {
      const { log, reader } = await openStore();
      const { blocks } = TestLog.grow(0);
      await insert(log, blocks);
      const events = Array.from({ length: 900 }, (_, i) => ({ eventType: `a${i}.b.c.d.e.f` }));
      const wide = new TestLog().fork(blocks[0] as TestBlock).block(events);
      await log.insertBlocks([wide.toStore]);
      const { groups } = planOf({ typePrefix: "a7.b" });
      expect(await reader.find({ ...ALL, groups })).toMatchObject([{ height: 2, isWide: true, count: 900 }]);
    });

    it("finds the heights of a key in order, and hands out all keys", async () => {
      const { log, keys } = await openStore();
      const { log: chain, blocks } = keyed(5);
      blocks.push(chain.block([]), chain.block([{ idempotencyKey: "k1" }]));
      await insert(log, blocks);
      expect(await keys.heightsOfKey(keyTerm("app", "k1"), 10)).toEqual([3, 8]);
      expect(await keys.heightsOfKey(keyTerm("app", "k1"), 1)).toEqual([3]);
      expect(await keys.heightsOfKey(keyTerm("app", "none"), 10)).toEqual([]);
      const all: Uint8Array[] = [];
      let next: Height | null = height(2);
      for (let page = 1; next !== null; page++) {
        const found = await keys.keyTerms(next, 2);
        all.push(...found.terms);
        next = found.next;
        expect(page).toBeLessThan(5);
      }
      expect(all).toEqual(["k0", "k1", "k2", "k3", "k4", "k1"].map((key) => keyTerm("app", key)));
      expect(await keys.keyTerms(height(9), 2)).toEqual({ terms: [], next: null });
    });

    it("finds keys whose terms are at the ends of int64", async () => {
      const { log, keys } = await openStore();
      const { blocks } = keyed(8);
      await log.insertBlocks(blocks.map((block) => withHash(block, colliding, [])));
      for (const end of [0x00, 0x7f, 0x80, 0xff]) {
        const term = new Uint8Array(8).fill(end);
        const due = [...Array(8).keys()].filter((i) => keyTerm("app", `k${i}`, colliding)[0] === end).map((i) => i + 2);
        // A name of the same term leads to a block as well.
        expect(await keys.heightsOfKey(term, 100)).toEqual(expect.arrayContaining(due));
      }
    });

    it("finds the block of a sequence, and the blocks around it", async () => {
      const { log, reader } = await openStore();
      const { log: chain, blocks } = keyed(3);
      blocks.push(chain.block([]), chain.block([{}]));
      await insert(log, blocks);
      const at = (entry: FoundEntry): number => entry.height;
      const holding = async (i: number) => (await reader.holding(i, height(9)))?.block.header.height;
      expect(await Promise.all([0, 1, 2, 5, 6, 7].map(holding))).toEqual([2, 2, 3, 4, 6, undefined]);
      expect((await reader.neighbours(height(3), "asc", 2)).map(at)).toEqual([3, 4]);
      expect((await reader.neighbours(height(5), "desc", 10)).map(at)).toEqual([4, 3, 2]);
    });

    it("is read beside its blocks, up or down, as many as fit", async () => {
      const { log, reader } = await openStore();
      const { blocks } = keyed(5);
      await insert(log, blocks);
      const heights = async (wanted: number[], bytesMax = 1 << 20) =>
        (
          await reader.readBlocks(
            wanted.map((at) => height(at)),
            bytesMax,
          )
        ).map(({ block }) => block.header.height);
      expect(await heights([2, 4, 5])).toEqual([2, 4, 5]);
      expect(await heights([6, 3, 2])).toEqual([6, 3, 2]);
      expect(await heights([6, 3, 2], 1)).toEqual([6]);
      expect(await heights([9, 3])).toEqual([3]);
      const { block } = (blocks[3] as TestBlock).stored;
      const read = [{ block: { ...block, signature: new Uint8Array(0) }, frontier: [] }];
      expect(await reader.readBlocks([height(4)], 1)).toEqual(read);
      expect(await reader.readBlocks([], 1)).toEqual([]);
    });
  });
}
