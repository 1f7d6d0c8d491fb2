import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { MUTANTS } from "./mutants.js";

const source = (file: string): string => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), "utf8");

it("names each mutant once", () => {
  const ids = MUTANTS.map(({ id }) => id);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
});

it.each(MUTANTS.flatMap(({ id, scenario }) => (scenario === undefined ? [] : [{ id, ...scenario }])))(
  "finds the scenario of mutant $id in $file",
  ({ file, test }) => {
    expect(readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), "utf8")).toContain(test);
  },
);

it.each(MUTANTS)("finds each place that mutant $id changes exactly once: $what", ({ patches }) => {
  const changed = new Map<string, string>();
  for (const { file, find, replace } of patches) {
    const before = changed.get(file) ?? source(file);
    expect(before.split(find).length - 1, `${file}: ${find}`).toBe(1);
    expect(replace).not.toBe(find);
    changed.set(
      file,
      before.replace(find, () => replace),
    );
  }
});
