import { expect, it, vi } from "vitest";
import type { ReadEvent } from "../../shared/log/event.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { LoggedRequests, RememberedPlaces } from "./logged-requests.js";

function made(sizes: readonly number[]) {
  const log = new TestLog();
  const blocks = sizes.map((size, b) =>
    log.block(Array.from({ length: size }, (_, i) => ({ idempotencyKey: `${b} ${i}` }))),
  );
  const remembered = new RememberedPlaces();
  const decoded = vi.fn((block: TestBlock, i: number) => block.events[i] as ReadEvent);
  const requestsOf = (b: number, change: object = {}): LoggedRequests => {
    const block = blocks[b] as TestBlock;
    const event = (i: number): ReadEvent => decoded(block, i);
    return LoggedRequests.within(remembered.of({ ...block.stored.block, ...change }, event), event);
  };
  const ask = (b: number, change?: object): string | undefined => {
    const { events } = blocks[b] as TestBlock;
    const { sourceAppId } = (events[0] as ReadEvent).record;
    return requestsOf(b, change).ofKey([sourceAppId], `${b} 0`)[0]?.record.id;
  };
  return { blocks, decoded, requestsOf, ask };
}

it("a block is gone through once, however many repeat what was logged in it", () => {
  const { blocks, decoded, requestsOf } = made([1_000]);
  const { events } = blocks[0] as TestBlock;
  for (const { record } of events as readonly ReadEvent[]) {
    const requests = requestsOf(0);
    expect(requests.ofKey(["other", record.sourceAppId], record.idempotencyKey as string)[0]?.record).toBe(record);
    expect(requests.ofIds(["unknown", record.id])[0]?.record).toBe(record);
  }
  expect(requestsOf(0).ofKey(["app"], "unknown")).toEqual([]);
  // Each event once for its place, and then only those that are shown: twice for a key.
  expect(decoded.mock.calls.length).toBe(1_000 + 3 * 1_000);
});

it("another block at the same height is gone through anew, and so is one that was asked for long ago", () => {
  const { decoded, ask } = made([9_000, 9_000, 100]);
  const isAnew = (b: number, change?: object): boolean => {
    const before = decoded.mock.calls.length;
    expect(ask(b, change)).toBeDefined();
    return decoded.mock.calls.length - before > 2;
  };
  expect([isAnew(0), isAnew(0), isAnew(2), isAnew(0)]).toEqual([true, false, true, false]);
  expect(isAnew(0, { blockHash: "f".repeat(64) })).toBe(true);
  expect(isAnew(1)).toBe(true);
  expect([isAnew(1), isAnew(0)]).toEqual([false, true]);
});

it("events that say that more of their batch follow, or come before, than stand in the block have their key, and end with it", () => {
  const log = new TestLog();
  const { events } = log.block([
    { idempotencyKey: "a", batch: [1, 2] },
    { idempotencyKey: "b", batch: [0, 2] },
  ]);
  const requests = LoggedRequests.of(events);
  const { sourceAppId } = (events[0] as ReadEvent).record;
  for (const key of ["a", "b"]) expect(requests.hasKey(sourceAppId, key)).toBe(true);
  expect(requests.hasKey(sourceAppId, "c")).toBe(false);
  expect(requests.hasKey("other", "a")).toBe(false);
  expect(requests.ofKey([sourceAppId], "a")).toEqual(events.slice(0, 1));
  expect(requests.ofKey([sourceAppId], "b")).toEqual(events.slice(1));
});
