import { expect, it } from "vitest";
import type { Range } from "../storage/incident.js";
import { countOf, covers, withRange } from "./ranges.js";

it("puts together what touches, and keeps the rest apart, in order", () => {
  const add = (ranges: [number, number][]) => ranges.reduce<Range[]>((all, one) => withRange(all, one, 10), []);
  expect(
    add([
      [5, 5],
      [1, 2],
      [3, 3],
      [9, 12],
      [10, 11],
    ]),
  ).toEqual([
    [1, 3],
    [5, 5],
    [9, 12],
  ]);
  expect(
    add([
      [5, 6],
      [1, 9],
    ]),
  ).toEqual([[1, 9]]);
});

it("joins the nearest where there are too many, so that none is left out", () => {
  const ranges = withRange(
    [
      [1, 1],
      [10, 10],
      [12, 12],
    ],
    [30, 31],
    3,
  );
  expect(ranges).toEqual([
    [1, 1],
    [10, 12],
    [30, 31],
  ]);
  expect([covers(ranges, 11), covers(ranges, 13), countOf(ranges)]).toEqual([true, false, 6]);
});
