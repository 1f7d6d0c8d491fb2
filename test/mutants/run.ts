import { readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import ts from "typescript";
import { runCommand } from "../../scripts/lib/command.js";
import { UsageError, wholeNumber } from "../../scripts/lib/usage.js";
import type { Kill } from "../sim/first-kill.js";
import { copyWith, root } from "./copy.js";
import { checkGuards, type GuardOptions } from "./guard-check.js";
import type { Mutant } from "./mutant.js";
import { MUTANTS } from "./mutants.js";
import { fails } from "./named-test.js";

const USAGE = `Usage: npm run simulate:mutants -- [options]

Breaks the product on purpose, one mistake at a time, and must notice each by a violated property, or by the
scenario that the mistake names. Then it inverts the guards of the core, of recovery and of the storage operations, one at a
time, and lists those with which no run of some seeds is another one, and those that no run comes to or that come out one way
in all of them: of each it runs the named test, which must fail. Exit code 1 says that a mistake survived, or a guard's.

  --only 4,11     only these mutants, without the guards
  --guards        only the guards
  --guard-seeds N how many seeds come to them (default 300)
  --guard-runs N  in how many of these a guard that changes nothing is inverted (default 15)
  --guard TEXT    only guards whose file and condition contain this
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
  /** null: not at all. */
  readonly guards: GuardOptions | null;
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

function run(folder: string, { id, profile }: Mutant, seedsMax: number): Promise<Kill> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(folder, "test/sim/first-kill.js"), {
      workerData: { seedsMax, profile: profile ?? "mixed" },
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    worker.on("message", (kill: Kill) => {
      resolve(kill);
      void worker.terminate();
    });
    worker.on("error", (error) => reject(new Error(`mutant ${id}: ${error.message}`, { cause: error })));
  });
}

async function judge(mutant: Mutant, seedsMax: number): Promise<Verdict> {
  const startedAt = performance.now();
  const kill = mutant.isUnseen === true ? UNSEEN : await runSeeds(mutant, seedsMax);
  const failsScenario =
    kill.failure === null && mutant.scenario !== undefined && (await fails(mutant.patches, mutant.scenario));
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
      guard: { type: "string" },
      "guard-seeds": { type: "string", default: "300" },
      "guard-runs": { type: "string", default: "15" },
      seeds: { type: "string", default: "1000" },
      workers: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const only = values.guards || values.guard !== undefined ? [] : values.only?.split(",");
  const unknown = only?.find((id) => !MUTANTS.some((mutant) => mutant.id === id));
  if (unknown !== undefined) throw new UsageError(`--only: there is no mutant ${unknown}.`);
  const workers =
    values.workers === undefined ? availableParallelism() : wholeNumber("--workers", values.workers, 1, 256);
  const guards = {
    seeds: wholeNumber("--guard-seeds", values["guard-seeds"], 1, 1_000_000),
    runsMax: wholeNumber("--guard-runs", values["guard-runs"], 1, 1_000_000),
    containing: values.guard ?? "",
    workers,
  };
  return {
    guards: values.only === undefined ? guards : null,
    chosen: MUTANTS.filter(({ id }) => only === undefined || only.includes(id)),
    seedsMax: wholeNumber("--seeds", values.seeds, 1, 1_000_000),
    workers,
  };
}

async function main(): Promise<number> {
  const options = parseOptions();
  if (options === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const areKilled = options.chosen.length === 0 || (await runMutants(options));
  const areCovered = options.guards === null || (await checkGuards(options.guards));
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
