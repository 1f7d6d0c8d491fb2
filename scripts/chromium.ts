import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** A browser for tests and measurements: it asks nobody for anything by itself. */
export const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The command that brings it, for who reads that tests were skipped. */
export const CHROMIUM_ADVICE = "apt-get install -y chromium (or set CHROMIUM_PATH to any Chromium or Chrome)";

/** Chromium by `CHROMIUM_PATH` or on `PATH`; null without one. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | null {
  const given = env.CHROMIUM_PATH;
  if (given !== undefined && given !== "") return isExecutable(given) ? given : null;
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable) ?? null;
}

/** In CI, as root of a Debian or Ubuntu, the distribution's package is installed. */
export function ensureChromium(env: NodeJS.ProcessEnv = process.env): string | null {
  const found = findChromium(env);
  const mayInstall = env.CI !== undefined && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  if (found !== null || !mayInstall) return found;
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]])
    spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"] });
  return findChromium(env);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
