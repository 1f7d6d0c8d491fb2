// `npm test`: every part, then the sum of all, alone on the last line. `--quick` leaves out what takes long.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureDashboard, ensureInstalled, refuseOldNode, root } from "./ensure.mjs";

const SEEDS = "10000";
const QUICK_SEEDS = "50";

refuseOldNode();
const isQuick = process.argv.includes("--quick");
ensureInstalled();
const scratch = mkdtempSync(join(tmpdir(), "quorumlog-npm-test-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const env = Object.assign({}, process.env);
/** What was not run, and what would enable it: said last. */
const advice = [];
const sum = { passed: 0, failed: 0, skipped: 0 };

const built = check("typecheck and build", "tsc -b", ["typescript/bin/tsc", "-b"]);
ensureDashboard();
check("lint", "biome", ["@biomejs/biome/bin/biome", "check", "."]);
const folders = ["shared", "cluster", "node", "dashboard", "scripts", "test"];
const depcruise = "dependency-cruiser/bin/dependency-cruise.mjs";
check("layers", "dependency-cruiser", [depcruise, "--config", ".dependency-cruiser.cjs"].concat(folders));
suite("unit", "no process, no mongod");
env.SIM_SEEDS = isQuick ? QUICK_SEEDS : SEEDS;
suite("sim", `the seeded simulator, ${env.SIM_SEEDS} seeds`);
if (!isQuick) await integration();

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
    return;
  }
  suite("integration", "real mongods, real processes, real sockets");
  const chromium = await import(pathToFileURL(join(root, "dist/scripts/chromium.js")).href);
  const found = chromium.ensureChromium();
  suite("browser", found ? `the dashboard in ${found}` : "skipped, because there is no Chromium");
  if (!found) advice.push(`The dashboard's journeys were skipped; this enables them: ${chromium.CHROMIUM_ADVICE}`);
}

/** A part that is one check: it passes or fails as a whole. */
function check(name, what, args) {
  const run = part(name, what, [join(root, "node_modules", args[0])].concat(args.slice(1)));
  sum[run.ok ? "passed" : "failed"] += 1;
  run.end(run.ok ? "passed" : "FAILED");
  return run.ok;
}

/** A part that is a vitest project; the reporter beside this file counts its tests. */
function suite(name, what) {
  const file = join(scratch, name);
  const reporters = ["--reporter=default", `--reporter=${join(root, "scripts/vitest-reporter.mjs")}`];
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  env.TEST_COUNTS_FILE = file;
  const run = part(name, what, [vitest, "run", "--project", name, "--passWithNoTests"].concat(reporters));
  const counts = readCounts(file);
  // Whatever made vitest fail without a failed test (its own crash, an open error) is one failure.
  if (!run.ok && counts.failed === 0) counts.failed = 1;
  for (const kind of Object.keys(sum)) sum[kind] += counts[kind];
  run.end(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (_) {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

function part(name, what, args) {
  console.log(`\n== ${name}: ${what}`);
  const startedAt = Date.now();
  const result = spawnSync(process.execPath, args, { cwd: root, env: env, stdio: ["ignore", "inherit", "inherit"] });
  if (result.signal === "SIGINT") process.exit(130);
  const end = (verdict) => console.log(`== ${name}: ${verdict} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
  return { ok: result.status === 0, end: end };
}
