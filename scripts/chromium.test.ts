import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, onTestFinished, vi } from "vitest";
import { ensureChromium, findChromium } from "./chromium.js";

const folder = mkdtempSync(join(tmpdir(), "quorumlog-chromium-"));
const browser = join(folder, "chromium");
writeFileSync(browser, "");
chmodSync(browser, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

it("finds Chromium by its path, else on PATH, and a wrong path is not replaced by another", () => {
  expect(findChromium({ PATH: "/nowhere", CHROMIUM_PATH: browser })).toBe(browser);
  expect(findChromium({ PATH: `/nowhere:${folder}` })).toBe(browser);
  expect(findChromium({ PATH: folder, CHROMIUM_PATH: "/nowhere/chromium" })).toBeNull();
  expect(findChromium({ PATH: "/nowhere" })).toBeNull();
});

/** A machine of CI with an `apt-get` that does what the script says; what was told, and what was found. */
function installed(name: string, script: string): { found: string | null; told: string[] } {
  const bin = join(folder, name);
  mkdirSync(bin);
  writeFileSync(join(bin, "apt-get"), `#!/bin/sh\ncd ${bin}\necho "$@" >> asked\n${script}\n`, { mode: 0o755 });
  const root = vi.spyOn(process, "getuid").mockReturnValue(0);
  onTestFinished(() => root.mockRestore());
  const told: string[] = [];
  const found = ensureChromium({ CI: "true", PATH: bin }, (line: string) => void told.push(line));
  expect(readFileSync(join(bin, "asked"), "utf8")).toBe("update\ninstall -y --no-install-recommends chromium\n");
  return { found, told };
}
const put = (text: string): string => `echo '${text}' > chromium; /bin/chmod +x chromium`;

it("installs the distribution's Chromium in CI", () => {
  expect(installed("debian", put("#!/bin/sh"))).toEqual({ found: join(folder, "debian", "chromium"), told: [] });
});

it("tells of an installation that fails, with its exit code, and what to do", () => {
  const { found, told } = installed("broken", '[ "$1" = update ] || exit 100');
  expect(found).toBeNull();
  expect(told).toEqual([
    "apt-get install -y --no-install-recommends chromium failed: exit code 100",
    expect.stringContaining("on Ubuntu"),
  ]);
});

it.skipIf(existsSync("/snap/bin/chromium"))("takes a script that only leads to a snap for no browser", () => {
  const { found, told } = installed("ubuntu", put("#!/bin/sh\nexec /snap/bin/chromium"));
  expect(found).toBeNull();
  expect(told).toEqual([expect.stringContaining("CHROMIUM_PATH")]);
});

it("asks nobody to install outside CI, nor without root's rights", () => {
  const bin = join(folder, "own");
  mkdirSync(bin);
  writeFileSync(join(bin, "apt-get"), `#!/bin/sh\n${put("#!/bin/sh")}\n`, { mode: 0o755 });
  const user = vi.spyOn(process, "getuid");
  onTestFinished(() => user.mockRestore());
  user.mockReturnValue(0);
  expect(ensureChromium({ PATH: bin })).toBeNull();
  user.mockReturnValue(1_000);
  expect(ensureChromium({ PATH: bin, CI: "true" })).toBeNull();
});
