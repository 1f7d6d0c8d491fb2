// `npm test`: every part, what each took, then the sum of all, alone on the last line. `--quick` leaves out what takes long.
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureInstalled, refuseOldNode, root } from "./ensure.mjs";

const SEEDS = "10000";
const QUICK_SEEDS = "50";

/** Seconds that each part may take where nothing else runs on two cores. */
const BUDGET = {
  "typecheck and build": 50,
  dashboard: 10,
  lint: 5,
  layers: 15,
  unit: 90,
  store: 240,
  integration: 420,
  browser: 240,
  sim: 720,
};
/** The dashboard's journeys come on top of 13 minutes. */
const ALL_BUDGET = 780 + BUDGET.browser;
const startedAt = Date.now();

refuseOldNode();
const isQuick = process.argv.includes("--quick");
ensureInstalled();
const scratch = mkdtempSync(join(tmpdir(), "quorumlog-npm-test-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
// Whatever runs is ended with this process, as CI ends it too.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => process.exit(128 + constants.signals[name]));

const env = Object.assign({}, process.env);
/** What was not run, and what would enable it: said last. */
const advice = [];
const sum = { passed: 0, failed: 0, skipped: 0 };
const took = [];
const failures = [];

const modules = join(root, "node_modules");
const compiled = await check("typecheck and build", "tsc -b", [join(modules, "typescript/bin/tsc"), "-b"]);
const built = (await check("dashboard", "vite", [join(root, "scripts/dashboard.mjs")])) && compiled;
env.SIM_SEEDS = isQuick ? QUICK_SEEDS : SEEDS;
const simulation = beside("sim", `the seeded simulator, ${env.SIM_SEEDS} seeds`, vitest("sim"));
// The others wait for half of their time, for elections and deadlines, and must not wait for this one.
setPriority(simulation.pid, constants.priority.PRIORITY_LOW);
await check("lint", "biome", [join(modules, "@biomejs/biome/bin/biome"), "check", "."]);
const folders = ["shared", "cluster", "node", "dashboard", "scripts", "test"];
const depcruise = join(modules, "dependency-cruiser/bin/dependency-cruise.mjs");
await check("layers", "dependency-cruiser", [depcruise, "--config", ".dependency-cruiser.cjs"].concat(folders));
await suite("unit", "no process, no mongod", vitest("unit"));
if (!isQuick) await integration();
await simulation.end();

printTimes();
if (failures.length > 0) console.log(`== failed:\n${failures.join("\n")}\n`);
const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : "";
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
for (const line of advice) console.log(line);
console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);

async function integration() {
  if (!built) {
    console.log("\n== integration: not run, because what it would run has not been built\n");
    return;
  }
  try {
    // Before the tests, so that a download counts against no test's time.
    const ladder = await import(pathToFileURL(join(root, "dist/scripts/mongod/ladder.js")).href);
    env.MONGOD_BINARY = await ladder.findMongod();
  } catch (error) {
    console.log(error.message);
    sum.failed += 1;
    failures.push(" - integration: not run, because there is no mongod; why stands above");
    return;
  }
  // Nearly all that the tests of the store do is to wait for answers that never come: they go on beside the clusters.
  const store = beside("store", "the storage on a real mongod", vitest("integration", "store", ["node/"]));
  const places = ["scripts/", "shared/", "test/"];
  await suite(
    "integration",
    "real mongods, real processes, real sockets",
    vitest("integration", "integration", places),
  );
  await store.end();
  const chromium = await import(pathToFileURL(join(root, "dist/scripts/chromium.js")).href);
  const found = chromium.ensureChromium();
  const what = found ? `the dashboard in ${found}` : "skipped, because there is no Chromium";
  await suite("browser", what, vitest("browser"));
  if (!found) advice.push(`The dashboard's journeys were skipped; this enables them: ${chromium.CHROMIUM_ADVICE}`);
}

/** A part that is one check: it passes or fails as a whole. */
async function check(name, what, args) {
  const run = await part(name, what, args);
  sum[run.ok ? "passed" : "failed"] += 1;
  if (!run.ok) failures.push(` - ${name}: what ${what} says stands above`);
  run.end(run.ok ? "passed" : "FAILED");
  return run.ok;
}

/** A part that is a vitest project; the reporter beside this file counts its tests. */
async function suite(name, what, args) {
  const run = await part(name, what, args);
  run.end(addCounts(name, run.ok));
}

/** A vitest project that runs beside others. What it says is shown at its end. */
function beside(name, what, args) {
  const output = join(scratch, `${name}.txt`);
  const file = openSync(output, "w");
  const run = begin(name, args, ["ignore", file, file]);
  return {
    pid: run.pid,
    end: async () => {
      console.log(`\n== ${name}: ${what}, beside the others`);
      const ok = await run.ended;
      process.stdout.write(readFileSync(output));
      run.say(addCounts(name, ok));
    },
  };
}

/** All of a project, or its files in these places, counted as a part of this name. */
function vitest(project, name = project, places = []) {
  const reporters = ["--reporter=default", `--reporter=${join(root, "scripts/vitest-reporter.mjs")}`];
  env.TEST_COUNTS_FILE = join(scratch, name);
  const program = [join(modules, "vitest/vitest.mjs"), "run", "--project", project, "--passWithNoTests"];
  return program.concat(places, reporters);
}

function addCounts(name, ok) {
  const counts = readCounts(join(scratch, name));
  // Whatever made vitest fail without a failed test (its own crash, an open error) is one failure.
  if (!ok && counts.failed === 0) {
    counts.failed = 1;
    counts.failures = ["vitest ended with an error, and no test of it failed"];
  }
  failures.push(...counts.failures.map((failure) => ` - ${name}: ${failure}`));
  for (const kind of Object.keys(sum)) sum[kind] += counts[kind];
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (_) {
    return { passed: 0, failed: 0, skipped: 0, failures: [] };
  }
}

async function part(name, what, args) {
  console.log(`\n== ${name}: ${what}`);
  const run = begin(name, args, ["ignore", "inherit", "inherit"]);
  return { ok: await run.ended, end: run.say };
}

function begin(name, args, stdio) {
  const from = Date.now();
  const entry = { name: name, seconds: 0 };
  const child = spawn(process.execPath, args, { cwd: root, env: env, stdio: stdio });
  const kill = () => child.kill();
  process.on("exit", kill);
  const ended = new Promise((resolve) => {
    child.on("exit", (code, signal) => {
      process.off("exit", kill);
      entry.seconds = (Date.now() - from) / 1000;
      took.push(entry);
      if (signal === "SIGINT") process.exit(130);
      resolve(code === 0);
    });
  });
  const say = (verdict) => console.log(`== ${name}: ${verdict} (${entry.seconds.toFixed(1)} s)`);
  return { pid: child.pid, ended: ended, say: say };
}

/** A part that takes longer than it may fails nothing: other machines are slower. It is to be seen. */
function printTimes() {
  const row = (name, seconds, budget) =>
    `   ${name.padEnd(20)} ${seconds.toFixed(1).padStart(6)} s of ${String(budget).padStart(3)}${seconds > budget ? "  OVER" : ""}`;
  console.log("\n== time, of what each part may take; sim runs beside what follows the build:");
  for (const { name, seconds } of took) console.log(row(name, seconds, BUDGET[name]));
  console.log(`${row("all", (Date.now() - startedAt) / 1000, ALL_BUDGET)}\n`);
}
