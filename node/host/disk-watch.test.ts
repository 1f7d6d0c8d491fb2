import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it } from "vitest";
import { DiskWatch } from "./disk-watch.js";

const watchOf = (answers: (number | null | Error)[], folders: readonly string[] = [], freeMinBytes = 1_000) =>
  new DiskWatch({
    freeMinBytes,
    folders: folders.map((folder, i) => ({ of: `part ${i}`, folder })),
    logger: pino({ level: "silent" }),
    askDatabase: async () => {
      const answer = answers.shift() ?? null;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });

it("is low below the limit, and again sound only a little above it", async () => {
  const watch = watchOf([1_000, 999, 1_000, 1_049, 1_050, 1_000]);
  const seen: boolean[] = [];
  watch.onChecked(() => seen.push(watch.isLow));
  for (let i = 0; i < 6; i++) await watch.check();
  expect(seen).toEqual([false, true, true, true, false, false]);
});

it("keeps what it knew while nobody can say", async () => {
  const watch = watchOf([null, 5, new Error("no server"), null]);
  await watch.check();
  expect(watch.isLow).toBe(false);
  for (let i = 0; i < 3; i++) await watch.check();
  expect(watch.isLow).toBe(true);
  expect(watch.describe()).toMatch(/^5 bytes free/);
});

it("looks at each folder's volume too, takes the smallest, and says whose it is", async () => {
  const [all, missing] = [Number.MAX_SAFE_INTEGER, join(tmpdir(), "no such folder")];
  for (const folders of [[tmpdir()], [missing, tmpdir()], [tmpdir(), missing]]) {
    const watch = watchOf([all], folders, all - 1);
    await watch.check();
    expect(watch.isLow).toBe(true);
    expect(watch.describe()).toMatch(`bytes free on the volume of part ${folders.indexOf(tmpdir())};`);
  }
  const watch = watchOf([5, all], [tmpdir()]);
  await watch.check();
  expect(watch.describe()).toMatch(/^5 bytes free on the volume of this node's MongoDB;/);
});

it("is off with a limit of 0", async () => {
  const watch = watchOf([0], [tmpdir()], 0);
  await watch.start();
  expect(watch.isLow).toBe(false);
  await watch.stop();
});
