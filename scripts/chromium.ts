import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
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
export const CHROMIUM_ADVICE =
  "apt-get install -y chromium (on Ubuntu that package only leads to snap: there snap install chromium, or the package of " +
  "Chrome at https://www.google.com/chrome; or set CHROMIUM_PATH to any Chromium or Chrome)";

/** Chromium by `CHROMIUM_PATH` or on `PATH`; null without one. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | null {
  const given = env.CHROMIUM_PATH;
  if (given !== undefined && given !== "") return isExecutable(given) ? given : null;
  return onPath(NAMES, env).find((path) => !isStub(path)) ?? null;
}

/** In CI, as root of a Debian or Ubuntu, the distribution's package is installed; what comes in the way of that is told. */
export function ensureChromium(env: NodeJS.ProcessEnv = process.env, tell = console.error): string | null {
  const found = findChromium(env);
  const mayInstall = env.CI !== undefined && process.getuid?.() === 0 && onPath(["apt-get"], env).length > 0;
  if (found !== null || !mayInstall) return found;
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]) {
    const { status, error } = spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) tell(`apt-get ${args.join(" ")} failed: ${error?.message ?? `exit code ${status}`}`);
  }
  const installed = findChromium(env);
  if (installed === null) tell(`There is still no Chromium. What brings it: ${CHROMIUM_ADVICE}`);
  return installed;
}

function onPath(names: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).filter(isExecutable);
}

const SNAP = "/snap/bin/chromium";
/** A browser is larger. */
const STUB_BYTES_MAX = 4_096;

/** Ubuntu's package is a script that starts the snap, or says that it is not there. */
function isStub(path: string): boolean {
  if (isExecutable(SNAP) || statSync(path).size > STUB_BYTES_MAX) return false;
  return readFileSync(path, "utf8").includes(SNAP);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
