import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { findChromium } from "./chromium.js";

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
