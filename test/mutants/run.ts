import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import ts from "typescript";
import { runCommand } from "../../scripts/lib/command.js";
import { UsageError, wholeNumber } from "../../scripts/lib/usage.js";
import type { Kill } from "../sim/first-kill.js";
import { copyWith, root } from "./copy.js";
import { checkGuards } from "./guard-check.js";
import type { Mutant, Scenario } from "./mutant.js";
import { MUTANTS } from "./mutants.js";

const USAGE = `Usage: npm run simulate:mutants -- [options]

Breaks the product on purpose, one mistake at a time, and must notice each by a violated property, or by the
scenario that the mistake names. Then it lists the guards of the core, of recovery and of the storage operations that no
run of some seeds comes to, or that come out one way in all of them; each must name a test. Exit code 1 says that a mistake
survived, or a guard names none.

  --only 4,11     only these mutants, without the guards
  --guards        only the guards
  --guard-seeds N how many seeds those are looked for in (default 300)
  --seeds COUNT   how many seeds a mutant may survive at most (default 1000)
  --workers N     how many mutants at a time (default: one a core)
`;

interface Verdict extends Kill {
  readonly mutant: Mutant;
  /** No seed came to the place, and the mutant's scenario failed. */
  readonly failsScenario: boolean;
  readonly seconds: number;
}

interface Options {
  readonly chosen: readonly Mutant[];
  readonly seedsMax: number;
  readonly workers: number;
  /** 0: not at all. */
  readonly guardSeeds: number;
}

/** The product with one mistake in it. Throws if the source no longer reads as the patch expects. */
function build(mutant: Mutant): string {
  const changed = new Map<string, string>();
  for (const file of new Set(mutant.patches.map((patch) => patch.file))) {
    let source = readFileSync(join(root, file), "utf8");
    for (const { find, replace } of mutant.patches.filter((patch) => patch.file === file)) {
      const places = source.split(find).length - 1;
      if (places !== 1) throw new Error(`mutant ${mutant.id}: its place is found ${places} times in ${file}`);
      source = source.replace(find, () => replace);
    }
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
    });
    changed.set(file, outputText);
  }
  return copyWith(mutant.id, changed);
}

function run(folder: string, { id }: Mutant, seedsMax: number): Promise<Kill> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(folder, "test/sim/first-kill.js"), {
      workerData: { seedsMax },
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    worker.on("message", (kill: Kill) => {
      resolve(kill);
      void worker.terminate();
    });
    worker.on("error", (error) => reject(new Error(`mutant ${id}: ${error.message}`, { cause: error })));
  });
}

/** Runs one scenario on a source with the mistake in it, which vitest.config.ts puts there. */
async function fails({ patches }: Mutant, { file, test }: Scenario): Promise<boolean> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const project = /^test\/(sim|scenarios)\//.test(file) ? "sim" : "unit";
  const args = [vitest, "run", "--project", project, "--reporter", "json", file, "-t", test];
  const env = { ...process.env, MUTANT_PATCHES: JSON.stringify(patches) };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  const report = JSON.parse(await text(child.stdout)) as { numFailedTests: number; numPassedTests: number };
  if (report.numFailedTests + report.numPassedTests === 0) throw new Error(`${file}: no test is called "${test}"`);
  return report.numFailedTests > 0;
}

async function judge(mutant: Mutant, seedsMax: number): Promise<Verdict> {
  const startedAt = performance.now();
  const kill = mutant.isUnseen === true ? UNSEEN : await runSeeds(mutant, seedsMax);
  const failsScenario =
    kill.failure === null && mutant.scenario !== undefined && (await fails(mutant, mutant.scenario));
  return { ...kill, mutant, failsScenario, seconds: (performance.now() - startedAt) / 1_000 };
}

const UNSEEN: Kill = { seeds: 0, failure: null, exceptions: 0 };

async function runSeeds(mutant: Mutant, seedsMax: number): Promise<Kill> {
  const folder = build(mutant);
  const kill = await run(folder, mutant, seedsMax);
  rmSync(folder, { recursive: true, force: true });
  return kill;
}

function describe({ mutant, seeds, failure, failsScenario, exceptions, seconds }: Verdict): string {
  const survived = failsScenario
    ? `not within ${seeds} seeds; fails ${mutant.scenario?.file}`
    : `SURVIVED ${seeds} seeds`;
  const how = failure === null ? survived : `killed by seed ${seeds}, ${failure.property}`;
  const crashed = exceptions === 0 ? "" : ` (${exceptions} runs before it ended in an exception)`;
  const why = failure === null ? "" : `\n      ${failure.message.slice(0, 150)}`;
  return `${mutant.id.padStart(4)}  ${mutant.what}: ${how}${crashed}, ${seconds.toFixed(1)} s${why}`;
}

/** null when all that was wanted is the help. */
function parseOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      guards: { type: "boolean", default: false },
      "guard-seeds": { type: "string", default: "300" },
      seeds: { type: "string", default: "1000" },
      workers: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const only = values.guards ? [] : values.only?.split(",");
  const unknown = only?.find((id) => !MUTANTS.some((mutant) => mutant.id === id));
  if (unknown !== undefined) throw new UsageError(`--only: there is no mutant ${unknown}.`);
  return {
    guardSeeds: values.only === undefined ? wholeNumber("--guard-seeds", values["guard-seeds"], 1, 1_000_000) : 0,
    chosen: MUTANTS.filter(({ id }) => only === undefined || only.includes(id)),
    seedsMax: wholeNumber("--seeds", values.seeds, 1, 1_000_000),
    workers: values.workers === undefined ? availableParallelism() : wholeNumber("--workers", values.workers, 1, 256),
  };
}

async function main(): Promise<number> {
  const options = parseOptions();
  if (options === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const areKilled = options.chosen.length === 0 || (await runMutants(options));
  const areCovered = options.guardSeeds === 0 || (await checkGuards(options.guardSeeds, options.workers));
  return areKilled && areCovered ? 0 : 1;
}

async function runMutants(options: Options): Promise<boolean> {
  const waiting = [...options.chosen];
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await judge(mutant, options.seedsMax);
      verdicts.push(verdict);
      console.log(describe(verdict));
    }
  };
  await Promise.all(Array.from({ length: options.workers }, work));
  const survivors = verdicts.filter(({ failure, failsScenario }) => failure === null && !failsScenario);
  const seeds = verdicts
    .filter(({ mutant }) => mutant.isUnseen !== true)
    .map((verdict) => verdict.seeds)
    .sort((a, b) => a - b);
  console.log(
    `${verdicts.length} mutants, ${verdicts.length - survivors.length} killed; ` +
      `median ${seeds[Math.floor(seeds.length / 2)]} seeds to the kill, most ${seeds.at(-1)}` +
      (survivors.length === 0 ? "" : `; survivors: ${survivors.map(({ mutant }) => mutant.id).join(", ")}`),
  );
  return survivors.length === 0;
}

runCommand(main, USAGE);
