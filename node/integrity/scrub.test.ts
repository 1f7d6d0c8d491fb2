import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { blockVerifier, type ChainState, rangeMatches } from "../../shared/log/chain.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { foundBlock, hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import type { Clock } from "../clock.js";
import { createVerifier } from "../host/signer.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import type { StoredEntry } from "../storage/port.js";
import type { IncidentFinding } from "./incident-record.js";
import type { Suspicion } from "./inspector.js";
import type { Places } from "./place-file.js";
import { Scrub } from "./scrub.js";

const { blocks } = TestLog.grow(299);
const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;

const NOWHERE: Places = { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null };

function setUp({ places = NOWHERE, heldThrough = 300 } = {}) {
  const store = new MemoryIntegrity(blocks);
  const suspected: [number, Suspicion][] = [];
  const noted: IncidentFinding[] = [];
  const compared: number[] = [];
  const beside: unknown[] = [];
  const kept = {
    places,
    set: (change: Partial<Places>): void => void Object.assign(kept, { places: { ...kept.places, ...change } }),
  };
  const standing = { held: heldThrough };
  /** Of heights `from` to `through` nothing can be proved, as the header of block `at` is not what it was. */
  const unproved = { at: 0, from: 0, through: 0 };
  const isUnproved = (at: number): boolean => at >= unproved.from && at <= unproved.through;
  const proofs: number[] = [];
  const inspected: [number, number, number][] = [];
  const rests: number[] = [];
  const hasty = hastyClock();
  // Each block takes a millisecond.
  const clock: Clock = {
    ...hasty,
    breathe: async () => hasty.pass(1),
    after(ms, action) {
      rests.push(ms);
      return hasty.after(ms, action);
    },
  };
  const scrub: Scrub = new Scrub({
    store,
    places: kept,
    verifyBlock: blockVerifier(createVerifier()),
    committedAt: async (at) => {
      proofs.push(at);
      if (isUnproved(at)) throw new AlteredBlock(height(unproved.at), "its header is another one");
      return { blockHash: of(at).stored.block.blockHash, previousHash: "" };
    },
    heldThrough: () => height(standing.held),
    stateAt: async ({ at, block, frontier }: FoundBlock): Promise<ChainState | null> => {
      const isSound =
        !isUnproved(at) &&
        foundHash(at, block.blockHash) &&
        rangeMatches({ size: block.header.treeSize, hashes: frontier }, block.header);
      return isSound ? of(at).next : null;
    },
    inspect: async (from, through, suspicion) => {
      inspected.push([from, through, scrub.steps]);
      for (let at = from as number; at <= through; at++) suspected.push([at, suspicion]);
    },
    paths: () => [],
    compareEntries: async (verified, entries) => {
      for (const { found } of verified)
        if (entries.some((entry) => entry.height === found.at) || found.at === 1) compared.push(found.at);
    },
    checkOwnRecords: async (paced) => {
      beside.push(await paced(async () => kept.places.scrub?.height));
    },
    note: (finding) => noted.push(finding),
    keeping: { plantedAt: async (id) => [`forged-${id}`] },
    clock,
    isAlone: () => false,
    isSeen: () => true,
  });
  const heights = (): number[] => suspected.map(([at]) => at);
  const restedMs = (): number => rests.splice(0).reduce((sum, ms) => sum + ms, 0);
  return {
    store,
    scrub,
    suspected,
    heights,
    noted,
    compared,
    beside,
    kept,
    standing,
    restedMs,
    unproved,
    proofs,
    inspected,
  };
}
const foundHash = (at: number, blockHash: string): boolean => of(at).stored.block.blockHash === blockHash;
const flip = (one: FoundBlock, part: "payloads" | "records"): FoundBlock => {
  const bytes = one.block[part].slice();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return { ...one, block: { ...one.block, [part]: bytes } };
};

it("verifies every committed block and entry, none above, and says how far it came", async () => {
  const { scrub, heights, compared, noted, beside, kept } = setUp({ heldThrough: 290 });
  expect(await scrub.pass()).toBe(true);
  // What stands beside the log is looked at once, at its end.
  expect(beside).toEqual([290]);
  expect([heights(), noted]).toEqual([[], []]);
  expect(compared).toEqual(Array.from({ length: 290 }, (_, i) => i + 1));
  expect(kept.places).toMatchObject({ scrub: null, lastPass: { height: 290, lastSequence: 288 } });
  expect(scrub.coverage).toMatchObject({ verifiedThrough: 288 });
  expect([scrub.verifiedAt(height(290)) !== null, scrub.verifiedAt(height(291))]).toEqual([true, null]);
});

it("ends where the log ended as it began, however fast that grows", async () => {
  const { scrub, store, kept, standing } = setUp({ heldThrough: 100 });
  const blocksFrom = store.blocksFrom.bind(store);
  store.blocksFrom = (...asked) => {
    standing.held = Math.min(300, standing.held + 70);
    return blocksFrom(...asked);
  };
  expect(await scrub.pass()).toBe(true);
  expect(kept.places.lastPass).toMatchObject({ height: 100 });
  expect(standing.held).toBeGreaterThan(200);
});

it("begins anew where the log is shorter than its place: it was emptied, and is copied", async () => {
  const { scrub, kept, standing, compared } = setUp({ heldThrough: 300 });
  const seen: number[] = [];
  const { set } = kept;
  kept.set = (change) => {
    set(change);
    seen.push(change.lastPass?.height ?? 0);
    const at = kept.places.scrub?.height ?? 0;
    if (standing.held === 300 && at > 150) {
      standing.held = 0;
      setTimeout(() => {
        standing.held = 32;
      }, 5);
    }
  };
  expect(await scrub.pass()).toBe(true);
  expect(Math.max(...seen)).toBe(32);
  expect(kept.places).toMatchObject({ scrub: null, lastPass: { height: 32, lastSequence: 30 } });
  expect(compared.slice(-32)).toEqual(Array.from({ length: 32 }, (_, i) => i + 1));
});

it("begins anew when it is told to, also at its end", async () => {
  const { scrub, compared, beside, kept } = setUp();
  const { set } = kept;
  let isTold = false;
  kept.set = (change) => {
    set(change);
    if (!isTold && kept.places.scrub?.height === 300) {
      isTold = true;
      scrub.beginAnew();
    }
  };
  expect(await scrub.pass()).toBe(true);
  expect([compared.length, beside]).toEqual([600, [300]]);
});

it("looks at what is missing part by part", async () => {
  const { scrub, store, inspected, standing, restedMs } = setUp();
  for (let at = 2; at <= 299; at++) store.documents.delete(at);
  await scrub.pass();
  expect(inspected.map(([from, through]) => [from, through])).toEqual([
    [2, 257],
    [258, 299],
    [300, 300],
  ]);
  // Whoever waits for a sign of it sees one between them.
  expect(inspected.map(([, , steps]) => steps)).toEqual([0, 1, 2]);
  restedMs();
  inspected.length = 0;
  store.documents.clear();
  standing.held = 1_000;
  await scrub.pass();
  expect(inspected.map(([from, through]) => through - from + 1)).toEqual([256, 256, 256, 232]);
});

it("leaves what was not looked at any more, as the node stops, to the next start", async () => {
  const { scrub, store, kept, inspected } = setUp();
  for (let at = 2; at <= 299; at++) store.documents.delete(at);
  const { push } = inspected;
  inspected.push = (...some) => {
    scrub.stop();
    return push.apply(inspected, some);
  };
  expect(await scrub.pass()).toBe(false);
  expect([inspected.length > 0, kept.places.scrub?.height]).toEqual([true, 0]);
});

it("goes on past what it finds, and finds all of it", async () => {
  const { scrub, store, heights, suspected } = setUp();
  store.change(3, (one) => flip(one, "payloads"));
  store.change(10, (one) => flip(one, "records"));
  store.change(20, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  store.change(30, (one) => ({ ...one, frontier: [] }));
  const header = { ...of(40).stored.block.header, term: 7 as never };
  store.change(40, (one) => ({ ...one, rawHeader: header, block: { ...one.block, header } }));
  for (const at of [50, 51]) store.documents.delete(at);
  store.change(60, () => ({ ...foundBlock(of(61).stored), at: 60 }));
  for (let at = 299; at <= 300; at++) store.documents.delete(at);
  expect(await scrub.pass()).toBe(true);
  const expected = [3, 10, 20, 30, 40, 50, 51, 60, 299, 300];
  expect(heights().filter((at) => expected.includes(at))).toEqual(expected);
  expect(suspected.find(([at]) => at === 20)?.[1]).toMatchObject({ foundBy: "scrub", isSignatureBad: true });
  // The successors of what cannot be gone on from are looked at as well, and found sound.
  expect(heights().filter((at) => !expected.includes(at))).toEqual([31, 52, 61]);
});

it("finds a block that was exchanged for a sound one of another history", async () => {
  const { scrub, store, heights } = setUp();
  const other = TestLog.prototype.fork.call(new TestLog(), of(299)).block([{ dataPayload: { i: "other" } }]);
  store.documents.set(300, foundBlock(other.stored));
  await scrub.pass();
  expect(heights()).toEqual([300]);
});

it("tells of documents between two heights, and of pages of anchors that are not ours", async () => {
  const { scrub, store, noted } = setUp();
  store.documents.set(5.5, { ...foundBlock(of(5).stored), at: 5.5 });
  store.entries.set(7.25, { ...(store.entries.get(7) as StoredEntry), height: height(0) });
  store.anchors = "altered";
  await scrub.pass();
  expect(noted.map(({ kind, detail, evidence }) => [kind, /5\.5|-7\.25/.test(detail), evidence])).toEqual([
    ["forged", true, ["forged--7.25"]],
    ["state_altered", false, undefined],
    ["forged", true, ["forged-5.5"]],
  ]);
});

it("goes on by the chain where nothing can be proved, and looks once at what cannot", async () => {
  const { scrub, store, heights, noted, compared, kept, unproved, proofs } = setUp();
  Object.assign(unproved, { at: 7, through: 10 });
  store.anchors = "absent";
  expect(await scrub.pass()).toBe(true);
  expect([heights(), kept.places.lastPass?.height, compared.length]).toEqual([[7], 300, 300]);
  // What the first of them says holds for those up to the altered one.
  expect(proofs.slice(0, 4)).toEqual([1, 8, 9, 10]);
  expect(noted).toMatchObject([{ kind: "state_altered", foundBy: "scrub", detail: expect.stringMatching(/0 to 255/) }]);
});

const withHeader = (one: FoundBlock, change: object): FoundBlock => {
  const header = { ...one.block.header, ...change };
  return { ...one, rawHeader: header, block: { ...one.block, header } };
};
/** Sealed like any other, and not the one that was committed. */
const otherAt = (at: number): FoundBlock =>
  foundBlock(new TestLog().fork(of(at - 1)).block([{ dataPayload: { i: "other" } }]).stored);

it("names what disagrees with itself or the next where nothing can be proved, and nothing that is sound", async () => {
  const { scrub, store, heights, suspected, noted, compared, unproved } = setUp();
  Object.assign(unproved, { at: 100, from: 6, through: 101 });
  store.documents.set(5, otherAt(5));
  store.change(10, (one) => flip(one, "payloads"));
  store.change(20, (one) => withHeader(one, { term: 7 }));
  store.change(21, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  store.documents.set(30, otherAt(30));
  // Whose signature is due, nothing proves.
  store.change(40, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  store.change(60, (one) => ({ ...one, frontier: [] }));
  store.documents.delete(50);
  store.change(100, (one) => withHeader(one, { term: 7 }));
  store.change(200, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  expect(await scrub.pass()).toBe(true);
  expect(heights()).toEqual([5, 100, 50, 200]);
  expect(suspected.at(-1)?.[1]).toMatchObject({ isSignatureBad: true });
  const uncompared = [5, 6, 10, 20, 21, 31, 40, 50, 51, 60, 61, 100, 101, 200];
  expect(of(1).next.height + compared.length + uncompared.length).toBe(301);
  expect(compared.filter((at) => uncompared.includes(at))).toEqual([]);
  expect(noted.map(({ kind, heights: found }) => [kind, found])).toEqual([
    ["payload_modified", [10, 10]],
    ["header_modified", [20, 20]],
    // Both are sealed, and the one does not follow the other: which of them was exchanged cannot be said.
    ["hash_rewritten", [30, 31]],
    ["header_modified", [60, 60]],
  ]);
});

it("names no sound block above an exchanged one that is in the way", async () => {
  const { scrub, store, heights, noted, unproved } = setUp();
  Object.assign(unproved, { at: 100, through: 101 });
  store.documents.set(100, otherAt(100));
  await scrub.pass();
  expect([heights(), noted]).toEqual([[100], []]);
});

it.each(["with what was in the way", "alone"])(
  "tells of nothing that was put back %s since it was read, where nothing could be proved",
  async (how) => {
    const { scrub, store, suspected, noted, inspected, unproved } = setUp();
    Object.assign(unproved, { at: 100, through: 101 });
    store.change(20, (one) => flip(one, "payloads"));
    store.documents.set(30, otherAt(30));
    store.change(100, (one) => withHeader(one, { term: 7 }));
    const { push } = inspected;
    inspected.push = (...some) => {
      // The step has read its blocks by now.
      if (some[0]?.[0] === 100) {
        for (const at of [20, 30]) store.documents.set(at, foundBlock(of(at).stored));
        if (how !== "alone") {
          store.documents.set(100, foundBlock(of(100).stored));
          unproved.through = 0;
        }
      }
      return push.apply(inspected, some);
    };
    expect(await scrub.pass()).toBe(true);
    expect(noted).toEqual([]);
    // What can be proved by now is looked at once more.
    const looked = suspected.map(([at]) => at).filter((at) => at < 100);
    expect(looked).toEqual(how === "alone" ? [] : [20, 30, 31]);
  },
);

it("looks at a page of anchors before anything of it is proved: a proof makes it anew", async () => {
  const { scrub, store, noted, proofs } = setUp();
  const asked: number[] = [];
  store.anchorStanding = async () => {
    asked.push(proofs.length);
    return "altered";
  };
  await scrub.pass();
  expect([asked, noted.map(({ kind }) => kind)]).toEqual([[0], ["state_altered"]]);
});

it("goes on where it was after a restart, if that is still what it was", async () => {
  const scrub = { height: 250, startedAt: "2026-01-01T00:00:00.000Z" };
  const places: Places = { watch: null, lastPass: null, repair: null, rebuild: null, scrub };
  const resumed = setUp({ places });
  await resumed.scrub.pass();
  expect([resumed.compared[0], resumed.heights()]).toEqual([251, []]);
  expect(resumed.kept.places.lastPass).toMatchObject({ startedAt: "2026-01-01T00:00:00.000Z", height: 300 });
  const anew = setUp({ places });
  anew.store.documents.delete(250);
  await anew.scrub.pass();
  expect([anew.compared[0], anew.heights()]).toEqual([1, [250, 251]]);
});

it("hurries through the log once after a start, and rests later", async () => {
  const { scrub, restedMs } = setUp();
  await scrub.pass();
  expect([restedMs(), scrub.hasSkipped]).toEqual([300 / 2, false]);
  await scrub.pass();
  expect(restedMs()).toBeGreaterThan(5 * 1_600);
});

it("hurries through the log once more where something was replaced as a whole", async () => {
  const { scrub, restedMs } = setUp();
  await scrub.pass();
  restedMs();
  scrub.isHurried = true;
  await scrub.pass();
  expect(restedMs()).toBe(300 / 2);
});

it("hurries through what it left out as well, where it went on amidst the log", async () => {
  const places: Places = { ...NOWHERE, scrub: { height: 200, startedAt: "2026-01-01T00:00:00.000Z" } };
  const { scrub, restedMs } = setUp({ places });
  await scrub.pass();
  expect([restedMs(), scrub.hasSkipped]).toEqual([100 / 2, true]);
  await scrub.pass();
  // From block 200 on the pass before has read it.
  expect([restedMs(), scrub.hasSkipped]).toEqual([192 / 2 + 2_000 + 39 * 44, false]);
  await scrub.pass();
  expect(restedMs()).toBeGreaterThan(5 * 1_600);
});

it("says how far the running pass is, and how fast", async () => {
  const { scrub, kept } = setUp({
    places: { ...NOWHERE, scrub: { height: 150, startedAt: "2026-01-01T00:00:00.000Z" } },
  });
  expect(scrub.coverage).toMatchObject({ passHeight: 150, passBlocksPerSecond: null });
  const seen: unknown[] = [];
  const { set } = kept;
  kept.set = (change) => {
    set(change);
    seen.push(scrub.coverage.passHeight);
  };
  await scrub.pass();
  expect([seen[0], seen.at(-1)]).toEqual([214, null]);
  expect(scrub.coverage.passBlocksPerSecond).toBeGreaterThan(0);
});

it("stops where it is, and notes the place", async () => {
  const { scrub, kept } = setUp();
  const pass = scrub.pass();
  await new Promise((resolve) => setImmediate(resolve));
  scrub.stop();
  expect(await pass).toBe(false);
  expect(kept.places.lastPass).toBeNull();
});
