import { expect, it } from "vitest";
import { WIDE } from "../../shared/log/filter.js";
import type { Run } from "../../shared/log/index.js";
import { TestLog } from "../../test/contracts/fixtures.js";
import { entryOf } from "../storage/entries.js";
import type { IndexEntry } from "../storage/port.js";
import { isOther } from "./compare-entries.js";

const log = new TestLog();
const { stored, toStore } = log.block([{ dataPayload: { n: 1 }, eventType: "a.b" }], { paths: ["n"] });
const { block } = stored;
const entry = toStore.entry as IndexEntry;
const withOwn = (own: Run): IndexEntry => ({ ...entry, own });

it("misses none of its own terms where an entry says that it has too many", () => {
  const wide = withOwn({ terms: [WIDE], places: [new Uint8Array(0)] });
  expect(isOther(entryOf(block, wide), { block, entry })).toBe(false);
  const none = withOwn({ terms: [], places: [] });
  expect(isOther(entryOf(block, none), { block, entry })).toBe(true);
});

it("takes an entry in which nothing makes sense for another one", () => {
  expect(isOther({ ...entryOf(block, entry), entry: null }, { block, entry })).toBe(true);
  expect(isOther(undefined, { block, entry })).toBe(true);
  expect(isOther(entryOf(block, entry), { block, entry })).toBe(false);
});
