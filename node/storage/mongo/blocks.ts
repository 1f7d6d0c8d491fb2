import type { Collection } from "mongodb";
import { type Height, height } from "../../../shared/ids.js";
import type { ToldControl } from "../integrity-port.js";
import type { StoredBlock } from "../port.js";
import { READ_BATCH_BLOCKS, type StoredDocument, storedBlock, storedBytes } from "./documents.js";
import { blocksFrom } from "./entry-ids.js";
import { LIMITED, READ_MS } from "./options.js";

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
  const found: StoredBlock[] = [];
  let bytes = 0;
  const cursor = blocks
    .find(blocksFrom(from))
    .sort({ _id: 1 })
    .limit(Math.max(1, limit.blocksMax))
    .batchSize(READ_BATCH_BLOCKS)
    .maxTimeMS(limit.isForClient === true ? READ_MS : 0);
  for await (const document of cursor) {
    bytes += storedBytes(document);
    if (found.length > 0 && bytes > limit.bytesMax) break;
    found.push(storedBlock(document));
  }
  return found;
}

/** A document beside the place that it names, as under a fraction, is nobody's block, whatever it says. */
const IN_ITS_PLACE = { $expr: { $eq: ["$_id", "$header.height"] } };

export async function readMembershipBlocks(blocks: Blocks, through: Height): Promise<StoredBlock[]> {
  const newest = blocks.aggregate<{ at: number }>(
    [
      { $match: { "header.control.kind": "node_admitted", _id: { $gte: 1, $lte: through }, ...IN_ITS_PLACE } },
      { $group: { _id: "$header.control.node", at: { $max: "$_id" } } },
      { $sort: { at: -1 } },
      { $limit: ADMITTED_NODES_MAX },
    ],
    { hint: CONTROL_INDEX.name, ...LIMITED },
  );
  const admissions = (await newest.toArray()).map(({ at }) => at);
  const genesis = { "header.control.kind": "genesis", _id: { $gte: 1, $lte: through }, ...IN_ITS_PLACE };
  const found = blocks.find({ $or: [genesis, { _id: { $in: admissions } }] }, LIMITED).sort({ _id: 1 });
  return (await found.toArray()).map(storedBlock);
}

export async function readElectionBlocks(blocks: Blocks, through: Height, blocksMax: number): Promise<StoredBlock[]> {
  const found = blocks
    .find({ "header.control.kind": { $in: ["genesis", "term_started"] }, _id: { $gte: 1, $lte: through } }, LIMITED)
    // Without the hint the server may walk the whole log backwards for the order's sake.
    .hint(CONTROL_INDEX.name)
    .sort({ _id: -1 })
    .limit(Math.max(1, blocksMax));
  return (await found.toArray()).map(storedBlock);
}

export async function readControlHeights(
  blocks: Blocks,
  kind: ToldControl,
  through: Height,
  countMax: number,
): Promise<Height[]> {
  const found = blocks
    .find({ "header.control.kind": kind, _id: { $gte: 1, $lte: through } }, { projection: { _id: 1 } })
    .hint(CONTROL_INDEX.name)
    .sort({ _id: -1 })
    .limit(Math.max(1, countMax));
  // Somebody else's document may have a fraction for its id.
  const ids = (await found.toArray()).map(({ _id }) => _id).filter((id) => Number.isSafeInteger(id));
  return ids.map((id) => height(id)).reverse();
}
