import { expect, it } from "vitest";
import { height } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import { type ChainState, EMPTY_CHAIN } from "../shared/log/chain.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { type LogEntry, LogView } from "./log-view.js";

/** A block; only what the view looks at is filled. */
function entry(at: number, bytes = 10): LogEntry {
  return {
    block: {
      header: { height: height(at) },
      records: new Uint8Array(bytes),
      payloads: new Uint8Array(0),
    } as unknown as Block,
    next: { ...EMPTY_CHAIN, height: height(at), blockHash: `hash-${at}` } as ChainState,
    events: [],
  };
}

it("keeps every uncommitted block, and committed ones only up to its size", () => {
  const log = new LogView(EMPTY_CHAIN, [], height(0), DEFAULT_LIMITS);
  for (let at = 1; at <= 5; at++) log.append(entry(at, 8 * 1024 * 1024));
  expect(log.baseHeight).toBe(0);
  expect(log.commit(height(3)).map((one) => one.next.height)).toEqual([1, 2, 3]);
  expect(log.baseHeight).toBe(3);
  expect(log.at(3)?.blockHash).toBe("hash-3");
  expect(log.at(2)).toBeUndefined();
  expect(log.slice(4, { bytesMax: 1, blocksMax: 9 }).map((block) => block.header.height)).toEqual([4]);
  expect(log.slice(4, { bytesMax: 99e6, blocksMax: 9 })).toHaveLength(2);
});

it("replaces a tail: what was durable above the cut no longer is", () => {
  const log = new LogView(EMPTY_CHAIN, [entry(1), entry(2), entry(3)], height(1), DEFAULT_LIMITS);
  expect(log.durableHeight).toBe(3);
  log.truncate(2);
  expect(log.durableHeight).toBe(1);
  expect(log.tail.height).toBe(1);
});
