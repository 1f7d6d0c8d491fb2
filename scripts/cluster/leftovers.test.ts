import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commandOf, poll } from "../lib/processes.js";
import { MONGOD_MARK } from "../mongod/server.js";
import { isLockFile, lockDataFolder, nodeMark, stopLeftovers } from "./leftovers.js";

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-data-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
  rmSync(folder, { recursive: true });
});

async function spawnSleeper(...args: string[]): Promise<number> {
  child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "--", ...args], { stdio: "ignore" });
  await poll(() => commandOf(child?.pid as number)?.includes("setInterval"), { withinMs: 5_000 });
  return child.pid as number;
}

describe("the lock on a data folder", () => {
  it("refuses a second start while the first one lives, and leaves the first one's lock alone", async () => {
    const pid = await spawnSleeper();
    writeFileSync(join(folder, `start.${pid}.1.lock`), commandOf(pid) as string);
    expect(() => lockDataFolder(folder)).toThrow(`in use by another start (process ${pid})`);
    expect(readdirSync(folder)).toEqual([`start.${pid}.1.lock`]);
  });

  it("takes over from a start that was killed, also when its pid now belongs to another program", async () => {
    const pid = await spawnSleeper();
    writeFileSync(join(folder, `start.${pid}.1.lock`), "node scripts/start.mjs");
    writeFileSync(join(folder, "start.999999999.1.lock"), "node scripts/start.mjs");
    const lock = lockDataFolder(folder);
    expect(readdirSync(folder).filter(isLockFile)).toHaveLength(1);
    lock.unlock();
    expect(readdirSync(folder)).toEqual([]);
  });
});

it("a lock that cannot be read is told with what to do, and leaves none of its own", async () => {
  const pid = await spawnSleeper();
  mkdirSync(join(folder, `start.${pid}.1.lock`));
  expect(() => lockDataFolder(folder)).toThrow(/cannot be read: .* as that user, or set DATA_DIR/);
  expect(readdirSync(folder)).toEqual([`start.${pid}.1.lock`]);
});

describe("what an earlier start left running", () => {
  it("is stopped if it really is that node", async () => {
    mkdirSync(join(folder, "n1"));
    const pid = await spawnSleeper(nodeMark(join(folder, "n1")));
    writeFileSync(join(folder, "n1", "node.pid"), String(pid));
    expect(await stopLeftovers(folder)).toEqual(["n1"]);
    expect(commandOf(pid)).toBeUndefined();
  });

  it("is left alone if the pid belongs to another process by now", async () => {
    mkdirSync(join(folder, "n1"));
    const pid = await spawnSleeper("--dbpath", join(folder, "other", "db"), "--port");
    writeFileSync(join(folder, "n1", "mongod.pid"), String(pid));
    expect(await stopLeftovers(folder)).toEqual([]);
    expect(commandOf(pid)).toBeDefined();
  });

  it("is known by mongod's own note where ours found no place, and one that was started by hand stays", async () => {
    const db = join(folder, "n1", "db");
    mkdirSync(db, { recursive: true });
    mkdirSync(join(folder, "n1", "mongod.pid"));
    const byHand = await spawnSleeper("--dbpath", db, "--port", "1", "--nounixsocket");
    writeFileSync(join(db, "mongod.lock"), `${byHand}\n`);
    expect(await stopLeftovers(folder)).toEqual([]);
    child?.kill("SIGKILL");
    const ours = await spawnSleeper("--dbpath", db, "--port", "1", ...MONGOD_MARK.trim().split(" "), "--replSet");
    writeFileSync(join(db, "mongod.lock"), `${ours}\n`);
    const said: string[] = [];
    expect(await stopLeftovers(folder, (line) => said.push(line))).toEqual(["mongod of n1"]);
    expect(said).toEqual(["Stopping what an earlier start has left running: mongod of n1 …"]);
    expect(commandOf(ours)).toBeUndefined();
  });
});
