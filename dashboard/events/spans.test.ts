import { expect, it } from "vitest";
import { type Bucket, bucketAt, moved, placeIn, spanOf } from "./spans.js";

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString();
const buckets: Bucket[] = [0, 10, 20, 30].map((s) => ({ since: at(s), until: at(s + 10), count: s }));

it("a moment is in the bucket that begins at it or before, and none is outside of all", () => {
  const found = [-5, 0, 9.999, 10, 39, 40, 99].map((second) => bucketAt(buckets, Date.parse(at(second))));
  expect(found).toEqual([0, 0, 0, 1, 3, 3, 3]);
});

it("a span goes from the first of its buckets to the end of the last, whichever was chosen first", () => {
  expect(spanOf(buckets, 1, 2)).toEqual({ since: at(10), until: at(30) });
  expect(spanOf(buckets, 2, 1)).toEqual({ since: at(10), until: at(30) });
  expect(spanOf(buckets, 3, 3)).toEqual({ since: at(30), until: at(40) });
  expect(spanOf([], 0, 0)).toBeNull();
});

it("keys move the cursor, with Shift they widen what is chosen, and nothing leaves the whole", () => {
  const press = (key: string, shiftKey = false) => moved({ anchor: 1, at: 2 }, { key, shiftKey }, 4);
  expect(press("ArrowRight")).toEqual({ anchor: 3, at: 3 });
  expect(press("ArrowRight", true)).toEqual({ anchor: 1, at: 3 });
  expect(press("ArrowLeft", true)).toEqual({ anchor: 1, at: 1 });
  expect(press("PageUp")).toEqual({ anchor: 3, at: 3 });
  expect(press("Home", true)).toEqual({ anchor: 1, at: 0 });
  expect(press("End")).toEqual({ anchor: 3, at: 3 });
  expect(press("x")).toBeNull();
});

it("a mark stands where its moment is, or nowhere", () => {
  const view = { since: at(0), until: at(40), total: 60, buckets };
  expect([0, 10, 40, 41, -1].map((second) => placeIn(view, at(second)))).toEqual([0, 0.25, 1, null, null]);
  expect(placeIn({ since: null, until: null, total: 0, buckets: [] }, at(0))).toBeNull();
});
