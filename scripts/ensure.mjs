// What `npm start` and `npm test` need before anything else can run. Imports only node: modules, because
// node_modules may not be there yet; written in plain syntax, so that an old Node reaches the version check.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function refuseOldNode() {
  const parts = process.versions.node.split(".").map(Number);
  if (parts[0] > 20 || (parts[0] === 20 && parts[1] >= 19)) return;
  console.error(`Quorumlog needs Node 20.19 or newer, and this is ${process.versions.node}: see https://nodejs.org/`);
  process.exit(1);
}

/** Runs a command and shows its output; a failure ends this process with a sentence. */
export function runOrExit(title, command, args, advice) {
  console.error(title);
  const startedAt = Date.now();
  // Standard output is kept for data: what builds and installs say goes to standard error.
  const stdio = ["ignore", process.stderr, process.stderr];
  const result = spawnSync(command, args, { cwd: root, stdio: stdio });
  if (result.error || result.status !== 0) {
    const reason = result.error ? result.error.message : `exit code ${result.status || result.signal}`;
    console.error(`${command} ${args.join(" ")} failed (${reason}). ${advice}`);
    process.exit(result.status || 1);
  }
  console.error(`  done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

export function ensureInstalled() {
  if (isInstalled()) return;
  runOrExit(
    "Installing the libraries that package-lock.json names (about 220 MB on disk, from npm's cache or registry) …",
    "npm",
    ["ci", "--include=dev"],
    "Is the registry reachable? Try the command by hand.",
  );
}

/**
 * npm writes node_modules/.package-lock.json last, as a copy of what it has installed. A newer lockfile alone says
 * little (a clone or a checkout touches it), so then the two are compared: name by name, version by version.
 */
function isInstalled() {
  const installedPath = join(root, "node_modules", ".package-lock.json");
  const wantedPath = join(root, "package-lock.json");
  if (!existsSync(installedPath)) return false;
  if (statSync(installedPath).mtimeMs > statSync(wantedPath).mtimeMs) return true;
  const installed = JSON.parse(readFileSync(installedPath, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(wantedPath, "utf8")).packages;
  return Object.keys(wanted).every((name) => {
    const has = installed[name];
    // Optional packages for other systems are in the lockfile only.
    if (name === "" || (wanted[name].optional && !has)) return true;
    return has && has.version === wanted[name].version && has.integrity === wanted[name].integrity;
  });
}

/** tsc with project references rebuilds what has changed, and takes a second or so when nothing has. */
export function ensureBuilt(project = "scripts") {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const advice = "The messages above say where the code does not compile.";
  runOrExit("Building …", process.execPath, [tsc, "-b", project], advice);
}
