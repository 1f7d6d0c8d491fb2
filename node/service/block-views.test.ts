import { beforeEach, expect, it } from "vitest";
import { fromHex } from "../../shared/bytes.js";
import { type HashHex, type Height, height } from "../../shared/ids.js";
import { headerBytes } from "../../shared/log/block.js";
import { appendLeaves } from "../../shared/merkle/compact-range.js";
import { insert, STATE_MAC, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { createVerifier } from "../host/signer.js";
import { Anchors } from "../replica/anchors.js";
import { ProvedBlocks } from "../replica/proved-blocks.js";
import type { StoredBlock } from "../storage/port.js";
import { BlockViews } from "./block-views.js";
import type { Parts } from "./parts.js";

const { blocks } = TestLog.grow(8);
const TOP = height(blocks.length);
const AT = 8;
const verifier = createVerifier();

let database: MemoryDatabase;
let views: BlockViews;
let told: number[];
beforeEach(async () => {
  database = new MemoryDatabase("1".padStart(32, "0"));
  told = [];
  const storage = memoryStorage(database, { nodeId: "n1", bootId: "b", stateMac: STATE_MAC });
  const { log: store, reader } = storage;
  await store.open();
  await insert(store, blocks);
  const heldThrough = (): Height => TOP;
  const onInvalidBlock = (at: number): number => told.push(at);
  const onAltered = (error: { height: number }): number => told.push(error.height);
  const inOrder = (run: () => Promise<void>): Promise<void> => run();
  const anchors = new Anchors({ store, reader, heldThrough, inOrder, onWarning: () => {} });
  const clusterId = blocks[0]?.stored.block.blockHash as HashHex;
  for (const { stored } of blocks) anchors.add(stored.block.header, stored.block.blockHash, clusterId);
  const log = {
    blocks: new ProvedBlocks({ reader, anchors, bytesMax: 0, heldThrough, onAltered }),
    committed: { height: TOP },
    committedHash: async (at: Height) => (await anchors.proofOf(at)).blockHash,
  };
  const parts = { storage, driver: { log, heldThrough: TOP }, peers: { handle: () => {} }, verifier, onInvalidBlock };
  views = new BlockViews(parts as unknown as Parts, {} as never);
});

function change(at: number, edit: (stored: StoredBlock) => StoredBlock): void {
  const found = database.blocks.get(height(at));
  if (found === undefined) throw new Error(`no block ${at}`);
  database.blocks.set(height(at), { ...found, stored: edit(found.stored) });
}

it("gives of each block what proves it", async () => {
  for (let at = 1; at <= TOP; at++) {
    const view = await views.block(at);
    if (view === null) throw new Error(`no block ${at}`);
    const { header, signature, memberKeys, frontierBefore, leaves } = view;
    expect(verifier.verify(memberKeys[header.leaderId] as string, headerBytes(header), fromHex(signature))).toBe(true);
    const before = { size: header.firstSequence, hashes: frontierBefore.map(fromHex) };
    expect(appendLeaves(before, leaves.map(fromHex))).toEqual(blocks[at - 1]?.next.range);
  }
  expect(told).toEqual([]);
});

const another = new Uint8Array(32).fill(9);
const EDITS: [string, number, (stored: StoredBlock) => StoredBlock][] = [
  ["its signature", AT, ({ block, ...rest }) => ({ ...rest, block: { ...block, signature: another } })],
  [
    "its signature to that of another block",
    AT,
    ({ block, ...rest }) => ({
      ...rest,
      block: { ...block, signature: blocks[2]?.stored.block.signature as Uint8Array },
    }),
  ],
  [
    "a hash of the tree before it",
    AT - 1,
    ({ block, frontier }) => ({ block, frontier: [another, ...frontier.slice(1)] }),
  ],
  ["how many hashes the tree before it has", AT - 1, ({ block, frontier }) => ({ block, frontier: frontier.slice(1) })],
  [
    "the header before it",
    AT - 1,
    ({ block, ...rest }) => ({ ...rest, block: { ...block, header: { ...block.header, term: 9 as never } } }),
  ],
];

it.each([AT - 1, AT])(
  "shows no block where %i is missing, though the one that is asked for is in memory, and tells of it",
  async (at) => {
    await views.block(AT);
    database.blocks.delete(height(at));
    await expect(views.block(AT)).rejects.toMatchObject({ name: "AlteredBlock", height: at });
    expect(told).toContain(at);
  },
);

it.each(EDITS)("shows no block of which somebody altered %s, and tells of it", async (_, at, edit) => {
  change(at, edit);
  await expect(views.block(AT)).rejects.toMatchObject({ name: "AlteredBlock", height: at });
  expect(told).toEqual([at]);
});
