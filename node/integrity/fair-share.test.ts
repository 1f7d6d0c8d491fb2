import { expect, it } from "vitest";
import { fairShare } from "./fair-share.js";

const of = (height: number, count: number) => Array.from({ length: count }, (_, i) => ({ height, field: `f${i}` }));

it("takes all while there is room", () => {
  expect(fairShare(of(1, 4), 4)).toEqual(of(1, 4));
});

it("takes as many of each block as of the others, where there are more", () => {
  const all = [...of(1, 100), ...of(2, 2), ...of(3, 5)];
  expect(fairShare(all, 9)).toEqual([...of(1, 4), ...of(2, 2), ...of(3, 3)]);
});

it("takes the first of the first blocks, where there are too many blocks", () => {
  const all = [...of(1, 2), ...of(2, 2), ...of(3, 1)];
  expect(fairShare(all, 2)).toEqual([...of(1, 1), ...of(2, 1)]);
});

it("keeps shares fair as more and more comes", () => {
  let kept = fairShare(of(1, 100), 8);
  for (const height of [2, 3, 4]) kept = fairShare([...kept, ...of(height, 3)], 8);
  expect(kept).toEqual([1, 2, 3, 4].flatMap((height) => of(height, 2)));
});
