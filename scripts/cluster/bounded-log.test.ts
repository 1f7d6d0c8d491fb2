import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { BoundedLog } from "./bounded-log.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("keeps the newest lines in bounded files, however much is written", () => {
  const log = new BoundedLog(join(folder, "n1", "node.log"), 1_000);
  for (let line = 0; line < 100; line++) {
    writeSync(log.fd, `${String(line).padStart(99)}\n`);
    log.rotateIfFull();
  }
  const files = readdirSync(join(folder, "n1")).sort();
  expect(files).toEqual(["node.log", "node.log.1", "node.log.2", "node.log.3"]);
  for (const file of files) expect(statSync(join(folder, "n1", file)).size).toBeLessThanOrEqual(1_000);
  expect(readFileSync(`${log.path}.1`, "utf8").trimEnd().endsWith(" 99")).toBe(true);
  log.close();
});

it("goes on with the file of the last run and shows its last lines", () => {
  const path = join(folder, "node.log");
  const first = new BoundedLog(path);
  writeSync(first.fd, "one\ntwo\n");
  first.close();
  const second = new BoundedLog(path);
  writeSync(second.fd, "three\n");
  expect(second.tail()).toEqual(["one", "two", "three"]);
  second.close();
});

it("says so when old lines cannot be kept, goes on, and stays bounded", () => {
  const log = new BoundedLog(join(folder, "node.log"), 1_000);
  // What can neither be moved (the next one is a folder with something in it) nor written.
  mkdirSync(join(folder, "node.log.1"));
  mkdirSync(join(folder, "node.log.2", "full"), { recursive: true });
  mkdirSync(join(folder, "node.log.3", "full"), { recursive: true });
  writeSync(log.fd, "x".repeat(1_500));
  expect(() => log.rotateIfFull()).toThrow();
  expect(statSync(log.path).size).toBe(1_500);
  writeSync(log.fd, "x".repeat(3_000));
  expect(() => log.rotateIfFull()).toThrow();
  expect(statSync(log.path).size).toBe(0);
  log.close();
});
