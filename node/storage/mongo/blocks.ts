import type { Collection } from "mongodb";
import { type Height, height } from "../../../shared/ids.js";
import type { ToldControl } from "../integrity-port.js";
import type { StoredBlock } from "../port.js";
import { READ_BATCH_BLOCKS, type StoredDocument, storedBlock, storedBytes } from "./documents.js";
import { blocksFrom, blocksInPlace } from "./entry-ids.js";
import { LIMITED, READ_MS } from "./options.js";
import { ALONE_MAX, orEachAlone } from "./undecoded.js";

/** Members are few; whoever altered the database may name more. */
const ADMITTED_NODES_MAX = 10_000;
const CONTROL_INDEX = {
  name: "header.control.kind_1",
  key: { "header.control.kind": 1 },
  partialFilterExpression: { "header.control.kind": { $exists: true } },
} as const;
/** Finds the block of a sequence: the first one after which the tree is larger. */
export const TREE_SIZE_INDEX = {
  name: "header.treeSize_1",
  key: { "header.treeSize": 1 },
  partialFilterExpression: { "header.treeSize": { $exists: true } },
} as const;

export const BLOCK_INDEXES = [CONTROL_INDEX, TREE_SIZE_INDEX];

type Blocks = Collection<StoredDocument>;

export async function readBlocksFrom(
  blocks: Blocks,
  from: Height,
  limit: { readonly bytesMax: number; readonly blocksMax: number; readonly isForClient?: boolean },
): Promise<StoredBlock[]> {
  const there = blocksFrom(from);
  const blocksMax = Math.max(1, limit.blocksMax);
  const read = async (): Promise<StoredDocument[]> => {
    const found: StoredDocument[] = [];
    let bytes = 0;
    const cursor = blocks
      .find(there)
      .sort({ _id: 1 })
      .limit(blocksMax)
      .batchSize(READ_BATCH_BLOCKS)
      .maxTimeMS(limit.isForClient === true ? READ_MS : 0);
    for await (const document of cursor) {
      bytes += storedBytes(document);
      if (found.length > 0 && bytes > limit.bytesMax) break;
      found.push(document);
    }
    return found;
  };
  return (await orEachAlone(blocks, read, there, { limit: Math.min(blocksMax, ALONE_MAX) })).map(storedBlock);
}

export async function nextHeight(blocks: Blocks, from: Height): Promise<Height | null> {
  const [found] = await blocks.find(blocksFrom(from), { projection: { _id: 1 }, sort: { _id: 1 }, limit: 1 }).toArray();
  return found === undefined ? null : height(Number(found._id));
}

export async function readMembershipBlocks(blocks: Blocks, through: Height): Promise<StoredBlock[]> {
  const newest = blocks.aggregate<{ at: number }>(
    [
      { $match: { "header.control.kind": "node_admitted", ...blocksInPlace(1, through) } },
      { $group: { _id: "$header.control.node", at: { $max: "$_id" } } },
      { $sort: { at: -1 } },
      { $limit: ADMITTED_NODES_MAX },
    ],
    { hint: CONTROL_INDEX.name, ...LIMITED },
  );
  const admissions = (await newest.toArray()).map(({ at }) => at);
  const genesis = { "header.control.kind": "genesis", ...blocksInPlace(1, through) };
  const either = { $or: [genesis, { _id: { $in: admissions } }] };
  const places = await blocks.find(either, { ...LIMITED, projection: { _id: 1 } }).toArray();
  const there = { _id: { $in: places.map(({ _id }) => _id) } };
  const read = (): Promise<StoredDocument[]> => blocks.find(there, LIMITED).sort({ _id: 1 }).toArray();
  return (await orEachAlone(blocks, read, there)).map(storedBlock);
}

export async function readElectionBlocks(blocks: Blocks, through: Height, blocksMax: number): Promise<StoredBlock[]> {
  const there = { "header.control.kind": { $in: ["genesis", "term_started"] }, ...blocksFrom(1, through) };
  // Without the hint the server may walk the whole log backwards for the order's sake.
  const order = { hint: CONTROL_INDEX.name, sort: { _id: -1 }, limit: Math.max(1, blocksMax) } as const;
  const read = (): Promise<StoredDocument[]> => blocks.find(there, { ...order, ...LIMITED }).toArray();
  return (await orEachAlone(blocks, read, there, order)).map(storedBlock);
}

export async function readControlHeights(
  blocks: Blocks,
  kind: ToldControl,
  through: Height,
  countMax: number,
): Promise<Height[]> {
  const found = blocks
    .find({ "header.control.kind": kind, ...blocksFrom(1, through) }, { projection: { _id: 1 } })
    .hint(CONTROL_INDEX.name)
    .sort({ _id: -1 })
    .limit(Math.max(1, countMax));
  return (await found.toArray()).map(({ _id }) => height(_id)).reverse();
}
