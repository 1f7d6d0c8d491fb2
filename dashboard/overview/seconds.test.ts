import { expect, it } from "vitest";
import { Seconds } from "./seconds.js";

it("counts events by the second they came in, and says nothing of the time before it was there", () => {
  const seconds = new Seconds(100, true);
  seconds.add(101, 2);
  seconds.add(101, 3);
  expect(seconds.rates(103, 5)).toEqual({ at: [98, 99, 100, 101, 102], counts: [null, null, 0, 5, 0] });
});

it("has no count for the seconds in which nothing could be heard", () => {
  const seconds = new Seconds(100, true);
  seconds.add(101, 1);
  seconds.hear(101, false);
  expect(seconds.rates(104, 4).counts).toEqual([0, 1, null, null]);
  seconds.hear(103, true);
  seconds.add(103, 40);
  expect(seconds.rates(105, 5).counts).toEqual([0, 1, null, 40, 0]);
});

it("has none either until the stream is there", () => {
  const seconds = new Seconds(100, false);
  seconds.hear(102, true);
  expect(seconds.rates(104, 4).counts).toEqual([null, null, 0, 0]);
});

it("forgets what is shown no more", () => {
  const seconds = new Seconds(100, true);
  seconds.hear(101, false);
  seconds.hear(102, true);
  seconds.add(103, 7);
  expect(seconds.rates(200, 2).counts).toEqual([0, 0]);
  expect(seconds.rates(105, 4).counts).toEqual([0, 0, 0, 0]);
});
