import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
// @ts-expect-error: it must run before anything is built, so it has no types.
import { whatIsMissing as missing } from "./ensure.mjs";

const whatIsMissing = missing as (folder: string) => string | undefined;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-ensure-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ENTRIES = {
  "node_modules/express": { version: "5.0.0", integrity: "e" },
  "node_modules/typescript": { version: "6.0.0", integrity: "t", dev: true },
  "node_modules/tool/node_modules/inner": { version: "1.0.0", integrity: "i", dev: true },
  "node_modules/only-on-windows": { version: "1.0.0", integrity: "w", optional: true },
};
type Entries = Record<string, { version: string; integrity: string }>;

/** Installs what `installed` names, after the lockfile was written, as `npm ci` does. */
function install(installed: Entries): void {
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: { "": {}, ...ENTRIES } }));
  for (const name of Object.keys(installed)) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "package.json"), "{}");
  }
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  const hidden = join(folder, "node_modules", ".package-lock.json");
  writeFileSync(hidden, JSON.stringify({ packages: installed }));
  const later = new Date(Date.now() + 60_000);
  utimesSync(hidden, later, later);
}
function without(name: string): Entries {
  const { "node_modules/only-on-windows": _, ...all } = ENTRIES as Entries;
  return Object.fromEntries(Object.entries(all).filter(([one]) => one !== name));
}

describe("what is installed", () => {
  it("is all that this system needs", () => {
    install(without(""));
    expect(whatIsMissing(folder)).toBeUndefined();
  });

  it("is not judged by its time: NODE_ENV=production leaves out the tools that build this", () => {
    install(without("node_modules/typescript"));
    expect(whatIsMissing(folder)).toBe("typescript is missing");
  });

  it("must be there, in the version that is wanted", () => {
    install(without(""));
    rmSync(join(folder, "node_modules/tool"), { recursive: true });
    expect(whatIsMissing(folder)).toBe("inner is missing");
    install({ ...without(""), "node_modules/express": { version: "4.0.0", integrity: "e" } });
    rmSync(join(folder, "node_modules/typescript"), { recursive: true });
    expect(whatIsMissing(folder)).toBe("express and 1 more are missing");
  });

  it("is nothing without npm's own note, or with one that is cut off", () => {
    expect(whatIsMissing(folder)).toBe("nothing is installed yet");
    install(without(""));
    writeFileSync(join(folder, "node_modules", ".package-lock.json"), '{"pack');
    expect(whatIsMissing(folder)).toContain("cannot be read");
  });
});
