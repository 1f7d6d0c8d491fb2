import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Download } from "./cache.js";
import { findMongod } from "./ladder.js";

let folder: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-ladder-"));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const say = (line: string) => void said.push(line);
const cache = () => join(folder, "cache", "quorumlog", "mongod");

function fakeMongod(path: string, version = "7.0.1"): string {
  writeFileSync(path, `#!/bin/sh\necho "db version v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

function env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  mkdirSync(join(folder, "bin"), { recursive: true });
  return { PATH: `${join(folder, "bin")}:/bin:/usr/bin/none`, XDG_CACHE_HOME: join(folder, "cache"), ...more };
}

function download(name: string, fetchInto: Download["fetchInto"], unavailable?: string): Download {
  return { title: `the ${name} (1 MB, licence)`, cacheName: name, unavailable: () => unavailable, fetchInto };
}
const offline = download("first", () => Promise.reject(new Error("no connection within 5 seconds")));
const working = download("second", async (into) => fakeMongod(join(into, "unpacked-mongod")));

describe("the ladder to a mongod", () => {
  it("takes MONGOD_BINARY before PATH, and PATH before any download", async () => {
    const own = fakeMongod(join(folder, "own-mongod"));
    expect(await findMongod({ env: env({ MONGOD_BINARY: own }), downloads: [], say })).toBe(own);
    fakeMongod(join(folder, "bin", "mongod"));
    expect(await findMongod({ env: env(), downloads: [], say })).toBe("mongod");
    expect(said).toEqual([]);
  });

  it("says why MONGOD_BINARY cannot be used, and goes on", async () => {
    const environment = env({ MONGOD_BINARY: fakeMongod(join(folder, "old"), "4.4.29") });
    expect(await findMongod({ env: environment, downloads: [working], say })).toBe(join(cache(), "second", "mongod"));
    expect(said[0]).toContain("it is v4.4, and 5.0 or newer is needed");
  });

  it("goes on to the next download when one fails, says why, and keeps what it got", async () => {
    const options = { env: env(), downloads: [offline, working], say };
    const binary = await findMongod(options);
    expect(binary).toBe(join(cache(), "second", "mongod"));
    expect(said).toContain("  the first (1 MB, licence): no connection within 5 seconds.");
    expect(readdirSync(cache())).toEqual(["second"]);
    said.length = 0;
    expect(await findMongod(options)).toBe(binary);
    expect(said).toEqual([]);
  });

  it("says what is wrong with one that it has fetched earlier, and does not fetch that again", async () => {
    mkdirSync(join(cache(), "first"), { recursive: true });
    const broken = fakeMongod(join(cache(), "first", "mongod"), "4.0.0");
    const options = { env: env(), downloads: [offline, working], say };
    expect(await findMongod(options)).toBe(join(cache(), "second", "mongod"));
    expect(said).toEqual([
      `  ${broken}, fetched earlier: it is v4.0, and 5.0 or newer is needed. Delete it to have it fetched anew.`,
      "No mongod that can be used was found on this machine: fetching one (kept in the cache for the next time).",
      "  Trying the second (1 MB, licence) …",
      "  Done.",
    ]);
  });

  it("gives two processes that download at once the same whole binary", async () => {
    const options = { env: env(), downloads: [working], say };
    const [one, two] = await Promise.all([findMongod(options), findMongod(options)]);
    expect(one).toBe(two);
    expect(readdirSync(cache())).toEqual(["second"]);
  });

  it("keeps nothing of a download that does not pass its check", async () => {
    const forged = download("forged", () => Promise.reject(new Error("its SHA-256 is not the one pinned here")));
    await expect(findMongod({ env: env(), downloads: [forged], say })).rejects.toThrow(/SHA-256[\s\S]*Install MongoDB/);
    expect(readdirSync(cache())).toEqual([]);
  });

  it("downloads nothing with --no-download, and says in one message what to install", async () => {
    const attempt = findMongod({ env: env(), allowDownload: false, downloads: [working], say });
    await expect(attempt).rejects.toThrow(/What was tried:[\s\S]*--no-download[\s\S]*MONGOD_BINARY/);
    expect(existsSync(cache())).toBe(false);
  });
});
