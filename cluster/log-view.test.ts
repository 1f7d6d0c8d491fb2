import { expect, it } from "vitest";
import { height, sequence } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import { type ChainState, EMPTY_CHAIN } from "../shared/log/chain.js";
import { Duplicates } from "./duplicates.js";
import { type LogEntry, LogView } from "./log-view.js";

/** A block that carries one event; only what the view looks at is filled. */
function entry(at: number, id = `id-${at}`, bytes = 10, idempotencyKey?: string): LogEntry {
  const record = {
    id,
    sourceAppId: "app",
    sequence: sequence(at),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
  return {
    block: {
      header: { height: height(at) },
      records: new Uint8Array(bytes),
      payloads: new Uint8Array(0),
    } as unknown as Block,
    next: { ...EMPTY_CHAIN, height: height(at), blockHash: `hash-${at}` } as ChainState,
    events: [{ record }] as unknown as LogEntry["events"],
  };
}

it("keeps every uncommitted block, and committed ones only up to its size", () => {
  const log = new LogView(EMPTY_CHAIN, [], height(0));
  for (let at = 1; at <= 5; at++) log.append(entry(at, `id-${at}`, 8 * 1024 * 1024));
  expect(log.baseHeight).toBe(0);
  expect(log.commit(height(3)).map((one) => one.next.height)).toEqual([1, 2, 3]);
  expect(log.baseHeight).toBe(3);
  expect(log.at(3)?.blockHash).toBe("hash-3");
  expect(log.at(2)).toBeUndefined();
  expect(log.slice(4, { bytesMax: 1, blocksMax: 9 }).map((block) => block.header.height)).toEqual([4]);
  expect(log.slice(4, { bytesMax: 99e6, blocksMax: 9 })).toHaveLength(2);
});

it("replaces a tail: what was durable above the cut no longer is", () => {
  const log = new LogView(EMPTY_CHAIN, [entry(1), entry(2), entry(3)], height(1));
  expect(log.durableHeight).toBe(3);
  expect(log.truncate(2).map((one) => one.next.height)).toEqual([2, 3]);
  expect(log.durableHeight).toBe(1);
  expect(log.tail.height).toBe(1);
});

it("knows the ids and keys of its events until their block is replaced or their key can be looked up", () => {
  const duplicates = new Duplicates(1_000);
  const [first, second] = [entry(1, "a", 10, "k1"), entry(2, "b", 10, "k2")];
  duplicates.add(first, 0);
  duplicates.add(second, 0);
  expect(duplicates.heightOfId("a")).toBe(1);
  expect(duplicates.heightOfKey("app", "k2")).toBe(2);
  expect(duplicates.heightOfKey("other", "k2")).toBeUndefined();
  duplicates.remove([second]);
  expect(duplicates.heightOfId("b")).toBeUndefined();
  expect(duplicates.heightOfKey("app", "k2")).toBeUndefined();
  duplicates.projected(2);
  expect(duplicates.heightOfKey("app", "k1")).toBeUndefined();
  expect(duplicates.heightOfId("a")).toBe(1);
});

it("forgets ids only when they are both many and old, and never one that stands again at another height", () => {
  const duplicates = new Duplicates(1_000);
  const block = (at: number, ids: string[]): LogEntry => ({
    ...entry(at),
    events: ids.map((id) => ({
      record: { id, sourceAppId: "app", sequence: sequence(at) },
    })) as unknown as LogEntry["events"],
  });
  duplicates.add(block(1, ["again"]), 0);
  duplicates.remove([block(1, ["again"])]);
  duplicates.add(block(2, ["old"]), 0);
  duplicates.add(block(3, ["again"]), 0);
  const many = Array.from({ length: 100_000 }, (_, i) => `x${i}`);
  duplicates.add(block(4, many), 500);
  expect(duplicates.heightOfId("old")).toBe(2);
  duplicates.add(block(5, ["y1", "y2"]), 2_000);
  expect(duplicates.heightOfId("old")).toBeUndefined();
  expect(duplicates.heightOfId("y1")).toBe(5);
});

it("holds no more forgotten ids than living ones, however many come in one block", () => {
  const duplicates = new Duplicates(1_000);
  const held = (): number =>
    (duplicates as unknown as { ages: { ids: string[] }[] }).ages.reduce((sum, { ids }) => sum + ids.length, 0);
  for (let at = 1; at <= 1_000; at++) {
    const events = Array.from({ length: 1_000 }, (_, i) => ({ record: { id: `${at}/${i}`, sourceAppId: "app" } }));
    duplicates.add({ ...entry(at), events: events as unknown as LogEntry["events"] }, at * 100);
  }
  expect(duplicates.heightOfId("950/0")).toBeDefined();
  expect(duplicates.heightOfId("800/0")).toBeUndefined();
  expect(held()).toBeLessThan(250_000);
});
