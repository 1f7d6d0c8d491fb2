import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { linesOf } from "./cli.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-lines-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function read(text: string): Promise<unknown[]> {
  const file = join(folder, "log-n1.ndjson");
  writeFileSync(file, text);
  const all: unknown[] = [];
  for await (const line of linesOf(file)) all.push(line);
  return all;
}

it("reads one object a line, whatever separates lines in other texts", async () => {
  const objects = [{ text: "\u2028\u2029\u0085\u000b" }, { text: "\r" }, { text: "é".repeat(100_000) }, {}];
  const text = objects.map((one) => JSON.stringify(one)).join("\n");
  expect(await read(text)).toEqual(objects);
  expect(await read(`${text}\n`)).toEqual(objects);
  expect(await read("")).toEqual([]);
});

it("names the line that is no JSON", async () => {
  await expect(read("{}\n\n{")).rejects.toThrow("line 3 is not JSON.");
});
