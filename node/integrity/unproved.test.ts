import { expect, it } from "vitest";
import { type Height, height, type NodeId, term } from "../../shared/ids.js";
import { blockVerifier, EMPTY_CHAIN, sealBlock } from "../../shared/log/chain.js";
import type { Control } from "../../shared/log/control.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { createVerifier, deriveSigner } from "../host/signer.js";
import { Anchors } from "../replica/anchors.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import type { IncidentFinding } from "./incident-record.js";
import { Inspector } from "./inspector.js";
import type { Places } from "./place-file.js";
import { Scrub } from "./scrub.js";

/** From here on a start notes what is committed. */
const TAIL_FROM = 560;
const COUNT = 600;
const GROWN = TestLog.grow(COUNT - 1).blocks;

/** A node that was started after all its pages of anchors were deleted, and that notes no more than its log's end. */
function setUp(blocks: readonly TestBlock[] = GROWN, tailFrom = TAIL_FROM) {
  const store = new MemoryIntegrity(blocks);
  store.anchors = "absent";
  const noted: IncidentFinding[] = [];
  const reads: number[] = [];
  const verified: number[] = [];
  const clock = hastyClock();
  const anchors = new Anchors({
    store: { readAnchors: async () => null, writeAnchors: async () => undefined },
    reader: {
      readHeaders: async (from, to) => {
        reads.push(to - from + 1);
        const found = [...store.documents.values()].filter(({ at }) => from <= at && at <= to);
        return found.sort((a, b) => a.at - b.at).map(({ block }) => block);
      },
    },
    heldThrough: () => height(blocks.length),
    inOrder: (write) => write(),
    onWarning: () => undefined,
  });
  for (const { stored } of blocks.slice(tailFrom - 1))
    anchors.add(stored.block.header, stored.block.blockHash, blocks[0]?.next.blockHash ?? "");
  const committedAt = async (at: Height) => anchors.proofAtHand(at) ?? anchors.proofOf(at);
  const note = (finding: IncidentFinding): void => void noted.push(finding);
  const heldThrough = (): Height => height(blocks.length);
  const inspector = new Inspector({
    ...{ nodeId: "n1" as never, store, committedAt, heldThrough, clock, note },
    peers: { copies: async () => ({ agreeing: [], block: null }) },
    verifiedAt: () => null,
    sealOf: async () => true,
    onAltered: () => undefined,
    onForgotten: () => undefined,
    logger: { warn: () => undefined },
  });
  inspector.start();
  const kept = {
    places: { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null } as Places,
    set: (change: Partial<Places>): void => void Object.assign(kept, { places: { ...kept.places, ...change } }),
  };
  const scrub = new Scrub({
    ...{ store, places: kept, committedAt, heldThrough, clock, note },
    verifyBlock: blockVerifier(createVerifier()),
    stateAt: async () => null,
    inspect: (from, through, suspicion) => inspector.suspectAll(from, through, suspicion),
    paths: () => [],
    compareEntries: async (sound) => void verified.push(...sound.map(({ found }) => found.at)),
    checkOwnRecords: async () => undefined,
    keeping: { plantedAt: async () => [] },
    isAlone: () => true,
    isSeen: () => true,
  });
  const found = (): (string | number)[][] => noted.map(({ kind, heights = [] }) => [kind, ...heights]);
  return { store, scrub, kept, found, reads, verified };
}

const withTerm = (one: FoundBlock): FoundBlock => {
  const header = { ...one.block.header, term: 7 as never };
  return { ...one, rawHeader: header, block: { ...one.block, header } };
};

const unlinked = (one: FoundBlock): FoundBlock => {
  const header = { ...one.block.header, previousBlockHash: "0".repeat(64) };
  return { ...one, rawHeader: header, block: { ...one.block, header } };
};

it.each(["edited", "deleted"])(
  "a pass finds an old block that was %s together with the pages of anchors",
  async (how) => {
    const { store, scrub, kept, found, reads } = setUp();
    if (how === "edited") store.change(300, withTerm);
    else store.documents.delete(300);
    store.change(100, (one) => ({ ...one, block: { ...one.block, payloads: new Uint8Array(3) } }));
    store.change(120, unlinked);
    expect(await scrub.pass()).toBe(true);
    expect(kept.places.lastPass?.height).toBe(600);
    const all = found();
    expect(all).toContainEqual(["state_altered"]);
    expect(all).toContainEqual(["header_modified", 300, 300]);
    expect(all.filter(([, at]) => at !== undefined && at !== 300)).toEqual([
      ["payload_modified", 100, 100],
      ["link_broken", 120, 120],
    ]);
    if (how === "deleted") expect(all).toContainEqual(["missing", 300, 300]);
    // The way down was walked once, whatever asked for it.
    expect(reads.filter((count) => count > 1).length).toBeLessThanOrEqual(3);
  },
);

/** Its second member is admitted at 11 with new keys, and leads from 50 on. */
function withAdmission(): TestBlock[] {
  const [first, lost, second] = [7, 8, 9].map((byte) => deriveSigner(new Uint8Array(32).fill(byte)));
  if (first === undefined || lost === undefined || second === undefined) throw new Error("three seeds");
  const { members, ...genesis } = GENESIS as Extract<Control, { kind: "genesis" }>;
  const [n1] = members;
  if (n1 === undefined) throw new Error("no founder");
  const n2 = { ...n1, id: "n2", address: "http://127.0.0.1:3001", storeId: "4".repeat(32), keys: lost.keys };
  const { storeId, joinNonce } = n2;
  const why = { actor: "a person", reason: "a new disk" };
  const controls: Record<number, Control> = {
    1: { ...genesis, members: [n1, n2] },
    11: { kind: "node_admitted", node: "n2", joinNonce, storeId, keys: second.keys, ...why },
  };
  const blocks: TestBlock[] = [];
  let state = EMPTY_CHAIN;
  for (let at = 1; at <= COUNT; at++) {
    const leader = at < 50 ? { id: n1.id, signer: first.block } : { id: "n2", signer: second.block };
    const control = controls[at];
    const { block, next } = sealBlock(
      state,
      {
        ...{ term: term(at < 50 ? 1 : 2), leaderId: leader.id as NodeId, events: [], now: "2026-01-01T00:00:00.000Z" },
        ...{ commitHeight: height(Math.max(0, at - 2)), ...(control === undefined ? {} : { control }) },
      },
      leader.signer,
    );
    state = next;
    const stored = { block, frontier: next.range.hashes };
    blocks.push({ stored, toStore: { ...stored, entry: null }, next, views: [], events: [] });
  }
  return blocks;
}

it.each<[string, number, (store: MemoryIntegrity) => void]>([
  ["is altered", 10, (store) => store.change(10, withTerm)],
  ["is missing", 10, (store) => void store.documents.delete(10)],
  ["admits the leader and is altered", 11, (store) => store.change(11, withTerm)],
  ["is the genesis", 1, (store) => store.change(1, withTerm)],
  [
    "is altered, and the next one's signature too",
    10,
    (store) => {
      store.change(10, withTerm);
      store.change(11, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
    },
  ],
])(
  "a pass names no sound block by members that it may not know: one block %s, another is in the way",
  async (_, at, alter) => {
    const { store, scrub, found, verified } = setUp(withAdmission());
    alter(store);
    store.change(300, withTerm);
    expect(await scrub.pass()).toBe(true);
    expect([...new Set(found().flatMap(([, ...heights]) => heights))].sort()).toEqual([at, 300].sort());
    // What follows verifies again where the members are known.
    if (at === 10) expect(verified.filter((one) => one > 11 && one < 300)).toHaveLength(288);
  },
);

it("a pass verifies what is above an altered block also while nothing proves who is a member", async () => {
  const { store, scrub, found, verified } = setUp(GROWN, 1);
  store.change(200, withTerm);
  expect(await scrub.pass()).toBe(true);
  expect(found()).toEqual([["header_modified", 200, 200]]);
  // By the hash that its next one names, and the members that are known by then.
  const heights = Array.from({ length: COUNT }, (_, i) => i + 1);
  expect(verified).toEqual(heights.filter((at) => at !== 200 && at !== 201));
});
