import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { type Height, height } from "../../shared/ids.js";
import { blockIndex, ownRun } from "../../shared/log/index.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { AlteredBlock } from "../replica/anchors.js";
import { proved } from "../replica/proved-block.js";
import type { IndexAccount } from "../storage/integrity-port.js";
import type { IndexEntry, StoredEntry } from "../storage/port.js";
import { EntryInspector } from "./entry-inspector.js";
import type { IncidentFinding } from "./incident-record.js";
import { Keeping } from "./keeping.js";

function setUp(count = 8) {
  const { blocks } = TestLog.grow(count);
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const store = new MemoryIntegrity(blocks);
  const noted: IncidentFinding[] = [];
  const made: number[] = [];
  const standing = {
    account: "whole" as IndexAccount,
    isWhole: true,
    isJudged: true,
    held: count + 1,
    altered: 0,
    all: 0,
    paths: [] as string[],
  };
  const inspector = new EntryInspector({
    nodeId: "n1",
    store,
    keeping: new Keeping({ store, clock: hastyClock(), logger: { warn: () => undefined } }),
    readBlocks: async (heights) => {
      const sound: Height[] = [];
      for (const at of heights) {
        if (at === standing.altered && sound.length === 0) throw new AlteredBlock(at, "altered");
        if (at === standing.altered) break;
        sound.push(at);
      }
      return sound.map((at) => proved(of(at).stored.block, at === 1 ? "" : of(at - 1).next.headHash));
    },
    entryOf: (events, index, paths) =>
      events.length === 0 ? null : { index: index ?? blockIndex(events), own: ownRun(events, paths) },
    indexedPaths: () => standing.paths,
    isWhole: () => standing.isWhole,
    heldThrough: () => height(standing.held),
    accountOf: async () => standing.account,
    clock: hastyClock(),
    makeAnew: (at) => made.push(at),
    makeAllAnew: () => {
      standing.all += 1;
    },
    note: (finding) => noted.push(finding),
  });
  const alter = (at: number, change: (entry: StoredEntry) => StoredEntry): void => {
    store.entries.set(at, change(store.entries.get(at) as StoredEntry));
  };
  const inspect = async (heights: readonly number[]): Promise<number[]> => {
    standing.isJudged = await inspector.inspect(heights.map(height), "watch");
    return noted.map(({ heights: [first] = [0, 0] }) => first);
  };
  return { inspector, store, noted, made, standing, alter, inspect };
}

it("finds entries that are missing, or not what their blocks give, and has them made anew", async () => {
  const { store, alter, inspect, noted, made } = setUp();
  expect(await inspect([2, 3, 4, 5, 6, 7, 8, 9])).toEqual([]);
  store.entries.delete(3);
  alter(5, (entry) => ({ ...entry, entry: null }));
  alter(6, (entry) => ({ ...entry, first: entry.first + 1 }));
  alter(8, ({ entry, ...rest }) => ({ ...rest, entry: entry && { ...entry, own: { terms: [], places: [] } } }));
  expect(await inspect([9, 8, 6, 5, 3, 3, 2])).toEqual([3, 5, 6, 8]);
  expect(made).toEqual([3, 5, 6, 8]);
  expect(noted[0]).toMatchObject({
    kind: "index_differs",
    sequences: [[1, 1]],
    detail: expect.stringMatching(/missing/),
  });
});

it("says nothing of what is not committed, of an index that is being made anew, and beside an altered block", async () => {
  const { store, inspect, standing } = setUp();
  for (const at of [3, 4, 9]) store.entries.delete(at);
  standing.held = 8;
  standing.altered = 3;
  expect([await inspect([2, 3, 4, 9]), standing.isJudged]).toEqual([[4], true]);
  standing.isWhole = false;
  expect([await inspect([4, 3]), standing.isJudged]).toEqual([[4], false]);
});

it("finds an entry beside a block without events, and tells of it unless an insert that was given up may have left it", async () => {
  const { store, inspect, made, noted } = setUp();
  const of = store.entries.get(5) as StoredEntry;
  // Block 1 has no events.
  store.entries.set(1, { ...of, height: height(1), first: 0 });
  expect(await inspect([1])).toEqual([]);
  expect(made).toEqual([1]);
  store.entries.set(1, { ...of, height: height(1) });
  expect(await inspect([1])).toEqual([1]);
  expect(made).toEqual([1, 1]);
  expect(noted[0]?.detail).toBe("the index entry of block 1 of n1 is one that it cannot have; it is taken away");
});

it("asks entries for no more paths than they had when they were read", async () => {
  const { store, inspect, standing } = setUp();
  const { entriesBetween } = store;
  store.entriesBetween = async (from, through) => {
    const entries = await entriesBetween.call(store, from, through);
    // Just now the last entry has been made anew with the terms of a path that was added.
    standing.paths = ["i"];
    return entries;
  };
  expect(await inspect([2])).toEqual([]);
  expect(await inspect([2])).toEqual([2]);
});

it("has the whole index made anew where very many differ", async () => {
  const { store, inspect, standing, made } = setUp(100);
  store.entries.clear();
  await inspect(Array.from({ length: 100 }, (_, i) => i + 2));
  expect(standing.all).toBeGreaterThan(0);
  expect(made.length).toBeLessThan(100);
});

it("makes all entries anew where the index does not say that it is whole, unless it is not", async () => {
  const { inspector, standing } = setUp();
  expect([await inspector.isMarkerSound(), standing.all]).toEqual([true, 0]);
  standing.account = "other";
  expect([await inspector.isMarkerSound(), standing.all]).toEqual([false, 1]);
  // A write of this node's own that arrived late: nobody has changed anything.
  standing.account = "own work";
  expect([await inspector.isMarkerSound(), standing.all]).toEqual([true, 2]);
  standing.isWhole = false;
  standing.account = "other";
  expect([await inspector.isMarkerSound(), standing.all]).toEqual([true, 2]);
});

it("shows that it goes on with each part of many that it looked at", async () => {
  const { inspector } = setUp(100);
  let parts = 0;
  const onPart = (): void => {
    parts += 1;
  };
  expect(
    await inspector.inspect(
      Array.from({ length: 100 }, (_, i) => height(i + 2)),
      "watch",
      undefined,
      onPart,
    ),
  ).toBe(true);
  expect(parts).toBe(4);
});

it("takes no entry for missing that went with the log while it was looked at, and says that it did not judge it", async () => {
  const { store, standing, inspect, made } = setUp();
  const { entriesBetween } = store;
  store.entriesBetween = async () => {
    standing.held = 0;
    return [];
  };
  expect([await inspect([2, 3]), standing.isJudged, made]).toEqual([[], false, []]);
  Object.assign(store, { entriesBetween });
  standing.held = 9;
  store.entries.delete(3);
  expect([await inspect([2, 3]), standing.isJudged]).toEqual([[3], true]);
});

it("says that it judged nothing where the index was given up while it was looked at", async () => {
  const { store, standing, inspect } = setUp();
  const { entriesBetween } = store;
  store.entriesBetween = async () => {
    standing.isWhole = false;
    return [];
  };
  expect([await inspect([2, 3]), standing.isJudged]).toEqual([[], false]);
  Object.assign(store, { entriesBetween });
  standing.isWhole = true;
  store.entries.delete(3);
  expect([await inspect([2, 3]), standing.isJudged]).toEqual([[3], true]);
});

const said = (...bytes: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const one of bytes) hash.update(Buffer.from([0, 0, 0, one.length])).update(one);
  return `${Buffer.concat(bytes).length} bytes, sha256 ${hash.digest("hex").slice(0, 32)}`;
};

it("names the fields of an entry that differ, as hashes where they are long, and keeps it before it is made anew", async () => {
  const { store, alter, inspect, noted, made } = setUp();
  const [three, four] = [3, 4].map((at) => store.entries.get(at) as StoredEntry) as [StoredEntry, StoredEntry];
  const index = (three.entry as IndexEntry).index;
  alter(3, (one) => ({
    ...{ ...one, first: one.first + 1, blockHash: "" },
    entry: one.entry && { ...one.entry, index: { ...index, names: { terms: [], places: [] } } },
  }));
  alter(4, (one) => ({ ...one, entry: null, broken: "runs" }));
  alter(5, (one) => ({ ...one, entry: one.entry && { ...one.entry, own: { terms: [], places: [] } } }));
  store.entries.delete(6);
  const { keepEntry } = store;
  store.keepEntry = (at) => {
    expect(made).toEqual([]);
    return keepEntry.call(store, at);
  };
  await inspect([3, 4, 5, 6]);
  const { terms, places } = index.names;
  expect(noted[0]).toMatchObject({
    evidence: ["3-entry"],
    differences: [
      { height: 3, field: "entry.first", stored: three.first + 1, expected: three.first },
      { height: 3, field: "entry.blockHash", stored: "nothing that could stand there", expected: three.blockHash },
      { height: 3, field: "entry.runs", stored: "0 names, 0 keys", expected: `${terms.length} names, 0 keys` },
      { height: 3, field: "entry.terms", stored: said(), expected: said(...terms) },
      { height: 3, field: "entry.places", stored: said(), expected: said(...places) },
    ],
    detail: expect.stringContaining(`entry.first of block 3 is ${three.first + 1}, committed was ${three.first}`),
  });
  expect(
    noted.slice(1).map(({ evidence, differences = [] }) => [evidence, differences.map(({ field }) => field)]),
  ).toEqual([
    [["4-entry"], ["entry.runs"]],
    [["5-entry"], ["entry.own"]],
    [[], ["entry"]],
  ]);
  expect(noted[1]?.differences?.[0]?.expected).toBe(
    `${(four.entry as IndexEntry).index.names.terms.length} names, 0 keys`,
  );
  expect(noted[3]?.differences?.[0]).toEqual({ height: 6, field: "entry", expected: expect.stringMatching(/sha256/) });
});

it("shows nothing that was put right meanwhile as evidence, and tells of what cannot be kept all the same", async () => {
  const { store, alter, inspect, noted, made } = setUp();
  const sound = store.entries.get(3) as StoredEntry;
  for (const at of [3, 4, 5]) alter(at, (one) => ({ ...one, first: 99 }));
  let tries = 0;
  store.keepEntry = async (at) => {
    if (at === 3) return { name: "3-entry", entry: sound };
    tries += 1;
    throw new Error("refused");
  };
  await inspect([3, 4, 5]);
  expect(noted.map(({ evidence, differences }) => [evidence, differences?.map(({ field }) => field)])).toEqual([
    [[], ["entry.first"]],
    [[], ["entry.first"]],
    [[], ["entry.first"]],
  ]);
  expect(noted.map(({ detail }) => detail.includes("could not be kept"))).toEqual([false, true, true]);
  // Whoever keeps evidence from being taken delays what is told once.
  expect([tries, made]).toEqual([4, [3, 4, 5]]);
});
