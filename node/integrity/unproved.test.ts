import { expect, it } from "vitest";
import { type Height, height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import { TestLog } from "../../test/contracts/fixtures.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { createVerifier } from "../host/signer.js";
import { Anchors } from "../replica/anchors.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import type { IncidentFinding } from "./incident-record.js";
import { Inspector } from "./inspector.js";
import type { Places } from "./place-file.js";
import { Scrub } from "./scrub.js";

/** From here on a start notes what is committed. */
const TAIL_FROM = 560;
const { blocks } = TestLog.grow(599);

/** A node that was started after all its pages of anchors were deleted, and that notes no more than its log's end. */
function setUp() {
  const store = new MemoryIntegrity(blocks);
  store.anchors = "absent";
  const noted: IncidentFinding[] = [];
  const reads: number[] = [];
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
  for (const { stored } of blocks.slice(TAIL_FROM - 1))
    anchors.add(stored.block.header, stored.block.blockHash, blocks[0]?.next.blockHash ?? "");
  const committedAt = async (at: Height) => anchors.proofAtHand(at) ?? anchors.proofOf(at);
  const note = (finding: IncidentFinding): void => void noted.push(finding);
  const heldThrough = (): Height => height(blocks.length);
  const inspector = new Inspector({
    ...{ nodeId: "n1" as never, store, committedAt, heldThrough, clock, note },
    peers: { copies: async () => ({ agreeing: [], block: null }) },
    verifiedAt: () => null,
    onAltered: () => undefined,
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
    compareEntries: async () => undefined,
    checkOwnRecords: async () => undefined,
    isAlone: () => true,
    isSeen: () => true,
  });
  const found = (): (string | number)[][] => noted.map(({ kind, heights = [] }) => [kind, ...heights]);
  return { store, scrub, kept, found, reads };
}

const withTerm = (one: FoundBlock): FoundBlock => {
  const header = { ...one.block.header, term: 7 as never };
  return { ...one, rawHeader: header, block: { ...one.block, header } };
};

it.each(["edited", "deleted"])(
  "a pass finds an old block that was %s together with the pages of anchors",
  async (how) => {
    const { store, scrub, kept, found, reads } = setUp();
    if (how === "edited") store.change(300, withTerm);
    else store.documents.delete(300);
    store.change(100, (one) => ({ ...one, block: { ...one.block, payloads: new Uint8Array(3) } }));
    expect(await scrub.pass()).toBe(true);
    expect(kept.places.lastPass?.height).toBe(600);
    const all = found();
    expect(all).toContainEqual(["state_altered"]);
    expect(all).toContainEqual(["header_modified", 300, 300]);
    expect(all.filter(([, at]) => at !== undefined && at !== 300)).toEqual([["payload_modified", 100, 100]]);
    if (how === "deleted") expect(all).toContainEqual(["missing", 300, 300]);
    // The way down was walked once, whatever asked for it.
    expect(reads.filter((count) => count > 1).length).toBeLessThanOrEqual(3);
  },
);
