import { expect, it } from "vitest";
import { Fifo } from "./fifo.js";

it("gives out what it was given in order, from both ends, and holds little more than what is in it", () => {
  const queue = new Fifo<number>();
  const twin: number[] = [];
  for (let n = 0; n < 5_000; n++) {
    queue.push(n);
    twin.push(n);
    if (n % 3 === 0) expect(queue.shift()).toBe(twin.shift());
    if (n % 7 === 0) expect(queue.pop()).toBe(twin.pop());
    expect([queue.length, queue.first, queue.last]).toEqual([twin.length, twin[0], twin.at(-1)]);
  }
  expect([...queue]).toEqual(twin);
  while (twin.length > 0) expect(queue.shift()).toBe(twin.shift());
  expect([queue.length, queue.first, queue.last, queue.shift(), queue.pop()]).toEqual([
    0,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect((queue as unknown as { items: unknown[] }).items).toEqual([]);
});

it("gives out nothing twice, whichever end its last one left from, and takes more then", () => {
  const queue = new Fifo<number>();
  for (const n of [1, 2, 3]) queue.push(n);
  expect([queue.shift(), queue.pop(), queue.pop(), queue.pop(), queue.last]).toEqual([1, 3, 2, undefined, undefined]);
  expect([queue.shift(), queue.shift(), queue.length]).toEqual([undefined, undefined, 0]);
  queue.push(4);
  expect([queue.length, queue.shift(), queue.length]).toEqual([1, 4, 0]);
});
