import { type ChildProcess, execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isLockFile, lockDataFolder } from "../cluster/leftovers.js";
import { StartError } from "../lib/command.js";
import { poll, stopChild } from "../lib/processes.js";
import { clusterSizeIn, eventsIn, setAside } from "./fresh.js";

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return { ...real, mkdir: vi.fn(real.mkdir), rename: vi.fn(real.rename) };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-fresh-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fill(dataDir: string): void {
  for (const id of ["n1", "n2"]) mkdirSync(join(dataDir, id, "db"), { recursive: true });
  writeFileSync(join(dataDir, "cluster-secret"), "secret");
}
const names = (path: string) => readdirSync(path).filter((name) => !isLockFile(name));

describe("data that are set aside", () => {
  it("go as a whole, and leave an empty folder with the lock", async () => {
    const dataDir = join(folder, "data");
    fill(dataDir);
    chmodSync(dataDir, 0o700);
    const lock = lockDataFolder(dataDir);
    const target = (await setAside(dataDir, { mayDelete: false })) as string;
    expect(names(target)).toEqual(["cluster-secret", "n1", "n2"]);
    expect(readdirSync(dataDir).map(isLockFile)).toEqual([true]);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    lock.unlock();
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it("stay on their disk when the folder is a link", async () => {
    const disk = join(folder, "disk");
    fill(join(disk, "log"));
    const dataDir = join(folder, "data");
    symlinkSync(join(disk, "log"), dataDir);
    lockDataFolder(dataDir);
    const target = (await setAside(dataDir, { mayDelete: false })) as string;
    expect(target.startsWith(join(disk, "log."))).toBe(true);
    expect(names(target)).toEqual(["cluster-secret", "n1", "n2"]);
    expect(names(dataDir)).toEqual([]);
    expect(readdirSync(disk)).toHaveLength(2);
  });

  it("are deleted if that was asked for", async () => {
    const dataDir = join(folder, "data");
    fill(dataDir);
    lockDataFolder(dataDir);
    expect(await setAside(dataDir, { mayDelete: true })).toBeUndefined();
    expect([names(dataDir), readdirSync(folder)]).toEqual([[], ["data"]]);
  });

  it("are told with what to do when they cannot be moved, or the folder not be made anew", async () => {
    const dataDir = join(folder, "data");
    fill(dataDir);
    const refused = Object.assign(new Error("no"), { code: "EACCES" });
    vi.mocked(rename).mockRejectedValueOnce(refused);
    await expect(setAside(dataDir, { mayDelete: false })).rejects.toThrow(/nothing was moved: .*or set DATA_DIR/);
    vi.mocked(mkdir).mockRejectedValueOnce(refused);
    const attempt = setAside(dataDir, { mayDelete: true });
    await expect(attempt).rejects.toThrow(StartError);
    await expect(attempt).rejects.toThrow(/data are at .*data\.\d{8}T\d{6}Z now.* has not the right .*start again/);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.runIf(process.platform === "linux")(
    "are refused before anything moved where the folder is a disk of its own",
    async () => {
      await expect(setAside("/proc", { mayDelete: false })).rejects.toThrow(
        /is a disk of its own .* nothing was moved/,
      );
    },
  );

  it.runIf(canMount())("are deleted from a disk of its own, which stays", async () => {
    const dataDir = join(folder, "data");
    mkdirSync(dataDir);
    mount(dataDir);
    try {
      fill(dataDir);
      await expect(setAside(dataDir, { mayDelete: false })).rejects.toThrow(/nothing was moved/);
      expect(names(dataDir)).toEqual(["cluster-secret", "n1", "n2"]);
      expect(readdirSync(folder)).toEqual(["data"]);
      expect(await setAside(dataDir, { mayDelete: true })).toBeUndefined();
      expect(names(dataDir)).toEqual([]);
    } finally {
      execFileSync("umount", [dataDir]);
    }
  });
});

function mount(path: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
}

/** Only root may, and not in every container. */
function canMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), "quorumlog-mount-"));
  try {
    mount(path);
    execFileSync("umount", [path]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { recursive: true });
  }
}

it("a data folder that is a file is told as such", () => {
  writeFileSync(join(folder, "data"), "");
  expect(() => clusterSizeIn(join(folder, "data"))).toThrow(/cannot be read: a file stands where a folder belongs/);
  expect(() => lockDataFolder(join(folder, "data"))).toThrow(/cannot be used: a file stands where a folder belongs/);
});

it("the counting of events ends when its mongods are stopped, and leaves none", async () => {
  const dataDir = join(folder, "data");
  fill(dataDir);
  const binary = join(folder, "mongod");
  writeFileSync(binary, "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
  const mongods = new Set<ChildProcess>();
  const counted = eventsIn(dataDir, binary, mongods);
  expect(await poll(() => mongods.size === 2, { withinMs: 60_000 })).toBe(true);
  await Promise.all([...mongods].map((mongod) => stopChild(mongod, "SIGTERM", 60_000)));
  expect(await counted).toMatch(/cannot be counted: mongod ended/);
  expect(mongods.size).toBe(0);
});
