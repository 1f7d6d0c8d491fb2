import { expect, it } from "vitest";
import { height } from "../shared/ids.js";
import { Duplicates } from "./duplicates.js";
import type { LogEntry } from "./log-view.js";
import type { BlockIds } from "./types.js";

const NOTHING = { idsFrom: height(1), ids: [], commitHeight: height(0) };

/** A block with these events; only what is looked at is filled. */
function block(at: number, events: readonly { id: string; key?: string }[]): LogEntry {
  const records = events.map(({ id, key }) => ({
    record: { id, sourceAppId: "app", ...(key === undefined ? {} : { idempotencyKey: key }) },
  }));
  return { next: { height: height(at) }, events: records } as unknown as LogEntry;
}

const withIds = (at: number, count: number): LogEntry =>
  block(
    at,
    Array.from({ length: count }, (_, i) => ({ id: `${at}/${i}` })),
  );

it("knows the keys of a block until it is durable, when the index has them, and its ids beyond that", () => {
  const duplicates = new Duplicates({ idsMax: 10, idsBlocksMin: 1 }, NOTHING);
  duplicates.add(block(1, [{ id: "a", key: "k1" }]));
  duplicates.add(block(2, [{ id: "b", key: "k2" }]));
  expect(duplicates.heightOfKey("app", "k1")).toBe(1);
  expect(duplicates.heightOfKey("other", "k1")).toBeUndefined();
  duplicates.onDurable(height(1));
  expect(duplicates.heightOfKey("app", "k1")).toBeUndefined();
  expect(duplicates.heightOfKey("app", "k2")).toBe(2);
  expect(duplicates.heightOfId("a")).toBe(1);
});

it("undoes replaced blocks, durable or not, and never what stands again at another height", () => {
  const duplicates = new Duplicates({ idsMax: 10, idsBlocksMin: 1 }, NOTHING);
  duplicates.add(block(1, [{ id: "a" }]));
  duplicates.add(block(2, [{ id: "b", key: "k2" }]));
  duplicates.add(block(3, [{ id: "c", key: "k3" }]));
  duplicates.onDurable(height(2));
  duplicates.remove(height(2));
  expect([duplicates.ids, duplicates.keys]).toEqual([1, 0]);
  duplicates.add(block(2, [{ id: "d" }]));
  duplicates.add(block(3, [{ id: "b", key: "k2" }]));
  expect(duplicates.heightOfId("b")).toBe(3);
  expect(duplicates.heightOfKey("app", "k2")).toBe(3);
});

it("forgets the ids of the oldest blocks when there are too many, and says from where on they are whole", () => {
  const duplicates = new Duplicates({ idsMax: 10, idsBlocksMin: 1 }, NOTHING);
  for (let at = 1; at <= 4; at++) duplicates.add(withIds(at, 4));
  expect([duplicates.ids, duplicates.idsFrom]).toEqual([16, 1]);
  duplicates.forget(height(3));
  expect([duplicates.ids, duplicates.idsFrom]).toEqual([8, 3]);
  expect(duplicates.heightOfId("2/0")).toBeUndefined();
  expect(duplicates.heightOfId("3/0")).toBe(3);
});

it("never forgets what is not committed, nor the newest committed blocks, however many ids they hold", () => {
  const duplicates = new Duplicates({ idsMax: 1, idsBlocksMin: 2 }, NOTHING);
  for (let at = 1; at <= 9; at++) duplicates.add(withIds(at, 4));
  duplicates.forget(height(5));
  expect(duplicates.idsFrom).toBe(4);
  expect(duplicates.ids).toBe(24);
});

it("begins with what recovery read, and forgets what is too much of it", () => {
  const ids = [21, 22, 23, 24].map((at): BlockIds => ({ height: height(at), ids: [`${at}a`, `${at}b`] }));
  const duplicates = new Duplicates(
    { idsMax: 4, idsBlocksMin: 1 },
    { idsFrom: height(20), ids, commitHeight: height(24) },
  );
  expect(duplicates.idsFrom).toBe(23);
  expect(duplicates.heightOfId("22a")).toBeUndefined();
  expect(duplicates.heightOfId("23a")).toBe(23);
});

it("keeps what a later block has as well when it forgets an earlier one's", () => {
  const duplicates = new Duplicates({ idsMax: 1, idsBlocksMin: 1 }, NOTHING);
  for (let at = 1; at <= 3; at++) duplicates.add(block(at, [{ id: "a", key: "k" }]));
  duplicates.onDurable(height(1));
  expect(duplicates.heightOfKey("app", "k")).toBe(3);
  duplicates.add(block(4, [{ id: "b" }]));
  duplicates.forget(height(3));
  expect(duplicates.heightOfId("a")).toBe(3);
});
