import type { IndexEntry, LogStore, Storage } from "../../node/storage/port.js";
import { height } from "../../shared/ids.js";
import { keyValue, termHash } from "../../shared/log/index.js";
import { type TestBlock, TestLog } from "./fixtures.js";
import type { StorageHarness } from "./harness.js";

export interface IndexFixture {
  /** Of the test that runs. */
  harness(): StorageHarness;
  /** Another database takes its place. */
  renew(): Promise<void>;
  storage(nodeId?: string): Storage;
  opened(): Promise<LogStore>;
}

export const keyTerm = (source: string, key: string, hash = termHash): Uint8Array =>
  hash("key", keyValue(source, key)).subarray(0, 8);
export const entryOf = (block: TestBlock): IndexEntry => block.toStore.entry as IndexEntry;
export const puts = (blocks: readonly TestBlock[]) =>
  blocks.filter(({ events }) => events.length > 0).map((it) => ({ block: it.stored.block, entry: entryOf(it) }));

/** Genesis, and blocks of several events with keys. */
export function keyed(count: number): { log: TestLog; blocks: TestBlock[] } {
  const { log, blocks } = TestLog.grow(0);
  for (let i = 0; i < count; i++)
    blocks.push(log.block([{ idempotencyKey: `k${i}` }, { sourceAppId: "other", eventType: `type.${i % 3}` }]));
  return { log, blocks };
}

export const ALL = {
  groups: [],
  names: [],
  own: [],
  wantsTimes: false,
  from: height(1),
  to: height(1_000_000),
  order: "asc",
  limit: 1_000,
} as const;
