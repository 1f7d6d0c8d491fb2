import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { guardedFiles, guardsOf, mistakeIn, withWatch } from "./guards.js";
import { OPEN } from "./open-guards.js";
import { TESTED } from "./tested-guards.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const guards = guardedFiles(root).flatMap((file) => guardsOf(root, file));

it("names each guard once, by its condition", () => {
  const names = guards.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});

it("finds conditions of if and ?:, and what is compared and joined where it is returned or kept", () => {
  const names = guards.map(({ name }) => name);
  expect(names).toContain("cluster/follower.ts: message.term < core.term");
  expect(names).toContain("cluster/vote.ts: isGranted");
  expect(names).toContain(
    'cluster/vote.ts: message.term === core.term && isFree && canVote(core) && core.role !== "leader" && isComplete(core, body.tail)',
  );
  expect(names).toContain(
    "cluster/quorum.ts: peer.isVoter && core.membersAt(core.log.tail.members).get(id)?.joinNonce === peer.joinNonce",
  );
});

it("compiles a file so that each guard asks how it is to come out", async () => {
  const text = withWatch(root, "cluster/fifo.ts");
  const { Fifo } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  const queue = new Fifo();
  for (const item of [1, 2, 3]) queue.push(item);
  const seen: [string, unknown][] = [];
  const watchGuard = (name: string, is: unknown): unknown => {
    seen.push([name, is]);
    return name.endsWith("#2") ? !is : is;
  };
  Object.assign(globalThis, { watchGuard });
  expect([queue.shift(), queue.pop(), queue.length]).toEqual([1, undefined, 2]);
  Object.assign(globalThis, { watchGuard: undefined });
  expect(seen).toEqual([
    ["cluster/fifo.ts: this.start * 2 > this.items.length", false],
    ["cluster/fifo.ts: this.length === 0 #2", false],
  ]);
});

it("changes the source of a guard at its place, and nowhere else", () => {
  const guard = guards.find(({ name }) => name === "cluster/fifo.ts: this.length === 0 #2");
  const text = readFileSync(join(root, "cluster/fifo.ts"), "utf8");
  for (const [mistake, condition] of [
    ["inverted", "!(this.length === 0)"],
    ["always true", "((this.length === 0), true)"],
    ["always false", "((this.length === 0), false)"],
  ] as const) {
    const { find, replace } = mistakeIn(root, guard as (typeof guards)[number], mistake);
    const lines = text.replace(find, () => replace).split("\n");
    const changed = lines.filter((line, i) => line !== text.split("\n")[i]);
    expect(changed).toEqual([expect.stringContaining(condition)]);
    expect(lines.findIndex((line) => line.includes(condition)) + 1).toBe(guard?.line);
  }
});

it("says of no guard both that a test sees it and that none does", () => {
  const names = guards.map(({ name }) => name);
  for (const name of Object.keys(OPEN)) {
    expect(names, name).toContain(name);
    expect(Object.keys(TESTED), name).not.toContain(name);
  }
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
