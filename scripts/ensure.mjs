// What `npm start` and `npm test` need before anything else can run. Imports only node: modules, because
// node_modules may not be there yet; written in plain syntax, so that an old Node reaches the version check.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** As `npm start` ends where a person must change something first. */
const MUST_BE_CHANGED = 78;

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function refuseOldNode() {
  const parts = process.versions.node.split(".").map(Number);
  if (parts[0] > 20 || (parts[0] === 20 && parts[1] >= 19)) return;
  console.error(`Quorumlog needs Node 20.19 or newer, and this is ${process.versions.node}: see https://nodejs.org/`);
  process.exit(MUST_BE_CHANGED);
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
    console.error(
      `${command} ${args.join(" ")} failed (${reason}). ${result.error ? missingCommand(result.error, command) : advice}`,
    );
    process.exit(MUST_BE_CHANGED);
  }
  console.error(`  done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

function missingCommand(error, command) {
  return error.code === "ENOENT"
    ? `There is no ${command} on PATH: it comes with Node.`
    : "It could not be run at all.";
}

export function ensureInstalled() {
  const missing = whatIsMissing(root);
  if (missing === undefined) return;
  const folder = readOnly("node_modules");
  if (folder !== undefined) refuse(`Libraries must be installed, as ${missing}, and`, folder);
  runOrExit(
    `Installing the libraries that package-lock.json names, as ${missing} (about 220 MB on disk, from npm's cache or registry) …`,
    "npm",
    ["ci", "--include=dev"],
    "Its messages above say why; without a network it can use only what npm's cache has.",
  );
}

/**
 * What of package-lock.json is not in node_modules, the development tools included: they build this. undefined if all is
 * there. The lockfile that npm leaves behind says what it has installed, whenever that was; that a package's folder is
 * still there says its own package.json.
 */
export function whatIsMissing(folder) {
  const installedPath = join(folder, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return "nothing is installed yet";
  let installed;
  try {
    installed = JSON.parse(readFileSync(installedPath, "utf8")).packages || {};
  } catch (_) {
    return "node_modules/.package-lock.json cannot be read";
  }
  const wanted = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")).packages;
  const missing = Object.keys(wanted).filter((name) => {
    const has = installed[name];
    // Optional packages for other systems are in the lockfile only.
    if (name === "" || (wanted[name].optional && !has)) return false;
    if (!has || has.version !== wanted[name].version || has.integrity !== wanted[name].integrity) return true;
    return !existsSync(join(folder, name, "package.json"));
  });
  if (missing.length === 0) return undefined;
  const first = missing[0].replace(/^.*node_modules\//, "");
  return missing.length === 1 ? `${first} is missing` : `${first} and ${missing.length - 1} more are missing`;
}

/** tsc with project references rebuilds what has changed, and takes a second or so when nothing has. */
export function ensureBuilt(project = "scripts") {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const folder = readOnly("dist");
  if (folder !== undefined && isUnbuilt(tsc, project)) refuse("The code must be built, and", folder);
  if (folder !== undefined) return;
  runOrExit("Building …", process.execPath, [tsc, "-b", project], "The compiler's messages above say why.");
}

/** Asked only by who could not build: one error for each file says nothing, and takes long. */
function isUnbuilt(tsc, project) {
  const args = [tsc, "-b", project, "--dry"];
  return (
    !existsSync(join(root, "dist")) || /would build/.test(spawnSync(process.execPath, args, { cwd: root }).stdout || "")
  );
}

/** The folder that keeps this user from writing there; undefined if none does. */
function readOnly(name) {
  const folder = existsSync(join(root, name)) ? join(root, name) : root;
  try {
    accessSync(folder, constants.W_OK);
  } catch (_) {
    return folder;
  }
}

function refuse(what, folder) {
  console.error(
    `${what} this user may not write to ${folder}. Start once as the user who owns it, or give this one the right.`,
  );
  process.exit(MUST_BE_CHANGED);
}

/** The page that nodes serve to browsers. Vite takes some seconds, so it builds only what has changed since. */
export function ensureDashboard() {
  const built = join(root, "dist", "web", "index.html");
  const sources = ["dashboard", "shared", "package-lock.json"].map((name) => join(root, name));
  if (existsSync(built) && newest(sources) <= statSync(built).mtimeMs) return;
  // Nodes serve what is built, or a plain page: no reason to keep anybody from starting.
  if (readOnly("dist") !== undefined) return;
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  const args = [vite, "build", join(root, "dashboard"), "--logLevel", "warn"];
  runOrExit("Building the dashboard …", process.execPath, args, "Vite's messages above say why.");
}

function newest(paths) {
  const times = paths.map((path) => {
    const found = statSync(path);
    const inside = found.isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [];
    return Math.max(found.mtimeMs, newest(inside));
  });
  return Math.max(0, ...times);
}
