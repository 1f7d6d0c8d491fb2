import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { FAILED, guardedFiles, guardsOf, withNotes } from "./guards.js";
import { TESTED } from "./tested-guards.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const guards = guardedFiles(root).flatMap((file) => guardsOf(root, file));

it("names each guard once, by its condition", () => {
  const names = guards.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  expect(names).toContain("cluster/follower.ts: message.term < core.term");
});

it("compiles a file so that each guard notes itself, and is what it was", async () => {
  const text = withNotes(root, "cluster/fifo.ts");
  const { Fifo } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  const seen = new Map<string, number>();
  Object.assign(globalThis, { guardsSeen: seen });
  const queue = new Fifo();
  for (const item of [1, 2, 3]) queue.push(item);
  expect([queue.shift(), queue.pop(), queue.length]).toEqual([1, 3, 1]);
  expect(Object.fromEntries(seen)).toEqual({
    "cluster/fifo.ts: this.length === 0 #2": FAILED,
    "cluster/fifo.ts: this.start * 2 > this.items.length": FAILED,
    "cluster/fifo.ts: this.length === 0 #3": FAILED,
  });
});

it("knows each guard that it says a test of, and finds the test", () => {
  for (const [name, { file, test }] of Object.entries(TESTED)) {
    expect(
      guards.map((guard) => guard.name),
      name,
    ).toContain(name);
    expect(readFileSync(join(root, file), "utf8"), name).toContain(test);
  }
});
