import { NEWEST_HEIGHTS, type StoredBlock } from "../../node/storage/port.js";
import { type Height, height } from "../../shared/ids.js";
import { blockBytes } from "../../shared/log/block.js";
import type { Control } from "../../shared/log/control.js";
import type { MemoryDatabase } from "./memory-database.js";

export interface MemoryBlock {
  readonly stored: StoredBlock;
  readonly writeId: number;
}

export function tailHeightOf({ blocks }: MemoryDatabase): Height {
  let tail = 0;
  for (const at of blocks.keys()) tail = Math.max(tail, at);
  return height(tail);
}

export const newestOf = ({ blocks }: MemoryDatabase): Height[] =>
  [...blocks.keys()].sort((a, b) => b - a).slice(0, NEWEST_HEIGHTS);

export const heightsFrom = ({ blocks }: MemoryDatabase, from: Height): Height[] =>
  [...blocks.keys()].filter((at) => at >= from).sort((a, b) => a - b);

export const inOrder = (database: MemoryDatabase, from: Height): MemoryBlock[] =>
  heightsFrom(database, from).map((at) => database.blocks.get(at) as MemoryBlock);

export function blocksFrom(
  database: MemoryDatabase,
  from: Height,
  limit: { readonly bytesMax: number; readonly blocksMax: number },
): StoredBlock[] {
  const found: StoredBlock[] = [];
  let bytes = 0;
  for (const { stored } of inOrder(database, from)) {
    bytes += blockBytes(stored.block);
    if (found.length > 0 && (bytes > limit.bytesMax || found.length >= limit.blocksMax)) break;
    found.push(structuredClone(stored));
  }
  return found;
}

export const blocksOfKinds = (database: MemoryDatabase, kinds: readonly Control["kind"][]): StoredBlock[] =>
  inOrder(database, height(0))
    .filter(({ stored: { block } }) => block.header.control !== undefined && kinds.includes(block.header.control.kind))
    .map(({ stored }) => structuredClone(stored));

/** The genesis and each node's newest admission up to `through`, oldest first. */
export function newestAdmissions(database: MemoryDatabase, through: Height): StoredBlock[] {
  const newest = new Map<string, StoredBlock>();
  for (const stored of blocksOfKinds(database, ["genesis", "node_admitted"])) {
    const { height: at, control } = stored.block.header;
    if (at <= through) newest.set(control?.kind === "node_admitted" ? control.node : "", stored);
  }
  return [...newest.values()].sort((a, b) => a.block.header.height - b.block.header.height);
}
