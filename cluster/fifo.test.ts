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
