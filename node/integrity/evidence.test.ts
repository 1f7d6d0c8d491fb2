import { expect, it } from "vitest";
import { toHex } from "../../shared/bytes.js";
import { height } from "../../shared/ids.js";
import { hashHeader } from "../../shared/log/block.js";
import { ADMITTED, GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { newestAdmissions } from "../../test/doubles/memory-blocks.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import type { KeptDocument } from "../storage/integrity-port.js";
import type { AlertRecord } from "../storage/port.js";
import { Evidence } from "./evidence.js";

/** An alert with these documents as evidence, of which the store says how many it gave at once. */
function setUp(sizes: readonly number[]) {
  let most = 0;
  const all = sizes.map(
    (size, i): KeptDocument => ({
      ...{ id: `e${i}`, height: null, keptAt: "2030-01-01T00:00:00.000Z", isWhole: true },
      document: { a: "x".repeat(size) },
    }),
  );
  const evidence = new Evidence({
    nodeId: "n1",
    store: {
      blocksAt: async () => [],
      kept: async (names) => {
        const found = all.filter(({ id }) => names.includes(id));
        most = Math.max(most, found.length);
        return found;
      },
    },
    log: { readMembershipBlocks: async () => [] },
    peers: { copies: async () => ({ agreeing: [], block: null, frontier: [], contradicting: [] }) },
    committedAt: async () => ({ blockHash: "", previousHash: "" }),
    heldThrough: () => height(9),
    clusterId: () => "c".repeat(64),
    isSealed: async () => true,
    wall: () => "2030-01-01T00:00:00.000Z",
  });
  const alert = { evidence: all.map(({ id }) => id) } as unknown as AlertRecord;
  return { evidence, alert, mostAtOnce: () => most };
}

it("reads documents one at a time, and says how many it has no room for", async () => {
  const { evidence, alert, mostAtOnce } = setUp([5_000_000, 2_000_000, 5_000_000, 1_000]);
  const { evidenceHash, others, omitted } = await evidence.bundle(alert);
  expect(others.map(({ id }) => id)).toEqual(["e0", "e1"]);
  expect(omitted).toEqual({ blocks: 0, documents: 2 });
  expect(await evidence.hashOf(alert)).toBe(evidenceHash);
  expect(mostAtOnce()).toBe(1);
});

it("names as members only those of committed blocks, whatever the database says", async () => {
  const log = new TestLog();
  const controls = [GENESIS, ADMITTED, undefined, { ...ADMITTED, joinNonce: "4".repeat(32) }, undefined, undefined];
  const blocks = controls.map((control) => log.block([], control === undefined ? {} : { control }));
  const sound = (at: number) => (blocks[at - 1] as TestBlock).stored;
  const database = new MemoryDatabase("");
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  // Whoever can compute hashes: another nonce in an admission, and a block that becomes one.
  for (const at of [4, 5]) {
    const { block, ...stored } = sound(at);
    const header = { ...block.header, control: { ...ADMITTED, joinNonce: "e".repeat(32) } };
    const altered = { ...block, header, blockHash: hashHeader(header) };
    database.blocks.set(height(at), { stored: { ...stored, block: altered }, writeId: 0 });
  }
  const bundleOf = async (isCopied: boolean) => {
    const evidence = new Evidence({
      nodeId: "n1",
      store: {
        blocksAt: async (heights) =>
          heights.flatMap((at) => {
            const stored = database.blocks.get(at)?.stored;
            return stored === undefined ? [] : [{ ...stored, at, rawHeader: stored.block.header }];
          }),
        kept: async () => [],
      },
      log: { readMembershipBlocks: async (through) => newestAdmissions(database, through) },
      peers: {
        copies: async (at) => ({
          ...{ agreeing: ["n2"], frontier: [], contradicting: [] },
          block: isCopied ? sound(at).block : null,
        }),
      },
      committedAt: async (at) => ({ blockHash: sound(at).block.blockHash, previousHash: "" }),
      heldThrough: () => height(6),
      clusterId: () => sound(1).block.blockHash,
      isSealed: async () => true,
      wall: () => "2030-01-01T00:00:00.000Z",
    });
    return evidence.bundle({ heights: [[6, 6]] } as unknown as AlertRecord);
  };
  const headers = async (isCopied: boolean) => (await bundleOf(isCopied)).membership.map(({ header }) => header);
  expect(await headers(true)).toEqual([1, 2, 4].map((at) => sound(at).block.header));
  expect(await headers(false)).toEqual([1, 2].map((at) => sound(at).block.header));
});

it("takes a block from a member whose signature in its own database is not its leader's, and its own where no member gives it", async () => {
  const { blocks } = TestLog.grow(3);
  const sound = (at: number) => (blocks[at - 1] as TestBlock).stored;
  const signature = new Uint8Array(64);
  const bundleOf = async (isCopied: boolean) => {
    const evidence = new Evidence({
      nodeId: "n1",
      store: {
        // Of the genesis, and of the block that the alert is about.
        blocksAt: async ([at = height(1)]) => {
          const { block, ...stored } = sound(at);
          const altered = at < 3 ? { ...block, signature } : block;
          return [{ ...stored, at, block: altered, rawHeader: block.header }];
        },
        kept: async () => [],
      },
      log: { readMembershipBlocks: async () => [] },
      peers: {
        copies: async (at) => ({
          ...{ agreeing: ["n2"], frontier: [], contradicting: [] },
          block: isCopied ? sound(at).block : null,
        }),
      },
      committedAt: async (at) => ({ blockHash: sound(at).block.blockHash, previousHash: "" }),
      heldThrough: () => height(3),
      clusterId: () => sound(1).block.blockHash,
      isSealed: async (block) => block.signature !== signature,
      wall: () => "2030-01-01T00:00:00.000Z",
    });
    const { membership, blocks: shown } = await evidence.bundle({ heights: [[2, 2]] } as unknown as AlertRecord);
    return [membership[0]?.signature, shown[0]?.committed?.signature, shown[0]?.committed?.from];
  };
  expect(await bundleOf(true)).toEqual([toHex(sound(1).block.signature), toHex(sound(2).block.signature), "n2"]);
  expect(await bundleOf(false)).toEqual([toHex(signature), toHex(signature), "n1"]);
});
