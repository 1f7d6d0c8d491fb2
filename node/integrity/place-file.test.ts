import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PlaceFile, type Places } from "./place-file.js";

const NOWHERE: Places = { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null };
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "places-"));
});
afterEach(() => rm(folder, { recursive: true }));

it("knows after a restart where it was, in this database only", async () => {
  const file = await PlaceFile.open(folder, "a");
  expect(file.places).toEqual(NOWHERE);
  file.set({ watch: "here" });
  file.set({ scrub: { height: 7, startedAt: "then" } });
  await file.write();
  expect((await PlaceFile.open(folder, "a")).places).toEqual({
    ...NOWHERE,
    watch: "here",
    scrub: { height: 7, startedAt: "then" },
  });
  expect((await PlaceFile.open(folder, "b")).places).toEqual(NOWHERE);
  expect(await readdir(folder)).toEqual(["integrity.json"]);
});

it("knows nothing by a file that is damaged", async () => {
  for (const text of ["", "{", '{"version":2}', "[]"]) {
    await writeFile(join(folder, "integrity.json"), text);
    expect((await PlaceFile.open(folder, "a")).places).toEqual(NOWHERE);
  }
});
