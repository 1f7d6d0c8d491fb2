import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolder } from "./folder.js";

describe("a folder that is made", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "quorumlog-folder-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("is there with all above it, and may be there before", () => {
    const path = join(root, "a", "b", "c");
    for (let i = 0; i < 2; i++) makeFolder(path, 0o700);
    expect(statSync(join(root, "a", "b")).mode & 0o777).toBe(0o700);
  });

  it("is refused where a file stands", () => {
    writeFileSync(join(root, "a"), "");
    expect(() => makeFolder(join(root, "a"))).toThrow("EEXIST");
    expect(() => makeFolder(join(root, "a", "b"))).toThrow("ENOTDIR");
  });

  // Elsewhere there is no such folder.
  it.runIf(existsSync("/proc/self"))("ends where the file system will have none", () => {
    expect(() => makeFolder("/proc/none/data")).toThrow("ENOENT");
  });
});
