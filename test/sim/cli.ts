import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { inMacrotask } from "./drain.js";
import { PROFILE_NAMES, type ProfileName } from "./profiles.js";
import { runSeeds, type Summary } from "./seeds.js";
import { type RunResult, simulate } from "./simulation.js";
import { tellStory } from "./story.js";
import { TraceDigest } from "./trace.js";
import { noteError } from "./violation.js";

const HELP = `Runs the deterministic simulator of the replicated log.

  --seed N        the first seed (default 1); with --seeds 1 that one run
  --seeds COUNT   how many (default 500; with --seed alone 1)
  --profile NAME  ${PROFILE_NAMES.join(", ")} (default mixed)
  --minutes M     as many seeds as fit, instead of a count
  --workers N     processes (default: one a core)
  --trace         print everything that happens in one run
  --without LIST  leave these blows of the nemesis out: numbers, comma-separated
  --until MS      stop one run there
  --fail-fast     stop at the first seed that fails
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      profile: { type: "string", default: "mixed" },
      minutes: { type: "string" },
      workers: { type: "string" },
      trace: { type: "boolean", default: false },
      without: { type: "string" },
      until: { type: "string" },
      "fail-fast": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const profile = PROFILE_NAMES.find((name) => name === values.profile);
  if (profile === undefined) throw new Error(`there is no profile ${values.profile}: ${PROFILE_NAMES.join(", ")}`);
  const first = Number(values.seed ?? 1);
  const isOne = values.seed !== undefined && (values.seeds ?? "1") === "1" && values.minutes === undefined;
  const isHeld = isOne
    ? await runOne({ ...values, seed: first, profile })
    : await runMany({
        first,
        count: values.minutes === undefined ? Number(values.seeds ?? 500) : Number.POSITIVE_INFINITY,
        profile,
        workers: Number(values.workers ?? availableParallelism()),
        forMs: values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000,
        isFailFast: values["fail-fast"],
      });
  process.exitCode = isHeld ? 0 : 1;
}

interface OneOptions {
  readonly seed: number;
  readonly profile: ProfileName;
  readonly trace: boolean;
  readonly without?: string | undefined;
  readonly until?: string | undefined;
}

async function runOne({ seed, profile, trace, without, until }: OneOptions): Promise<boolean> {
  const digest = new TraceDigest();
  const result = await inMacrotask(() =>
    simulate({
      seed,
      profile,
      without: new Set((without ?? "").split(",").filter(Boolean).map(Number)),
      print: (line) => {
        digest.add(line);
        if (trace) console.log(line);
      },
      ...(until === undefined ? {} : { stopAtMs: Number(until) }),
    }),
  );
  const { nodes, blocks, acknowledged, elections, faults, failure } = result;
  console.log(
    `seed ${seed}: ${failure === null ? "held" : "FAILED"}, ${nodes} nodes, ${blocks} blocks, ${acknowledged} acknowledged, ` +
      `${elections} elections, faults ${JSON.stringify(faults)}, trace ${digest.toString().slice(0, 16)}`,
  );
  if (failure !== null) await report(result, profile, !trace && without === undefined);
  return failure === null;
}

async function report(result: RunResult, profile: ProfileName, withStory: boolean): Promise<void> {
  const { failure, seed } = result;
  console.log(`seed ${seed} at ${failure?.atMs} ms: ${failure?.message}`);
  if (withStory) for (const line of await inMacrotask(() => tellStory(result, profile))) console.log(`  ${line}`);
}

type ManyOptions = Parameters<typeof runSeeds>[0];

async function runMany(options: ManyOptions): Promise<boolean> {
  const summary = await runSeeds(options);
  for (const result of summary.failed.slice(0, STORIES_MAX)) await report(result, options.profile, true);
  for (const result of summary.failed.slice(STORIES_MAX)) await report(result, options.profile, false);
  print(summary, options);
  return summary.failed.length === 0;
}

const STORIES_MAX = 2;

function print(summary: Summary, { first, workers }: ManyOptions): void {
  const { seeds, wallMs, simulatedMs, steps, failed } = summary;
  console.log(
    `${seeds} seeds from ${first} in ${(wallMs / 1000).toFixed(1)} s in ${workers} processes: ${failed.length} failed. ` +
      `${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${Math.round(steps / (wallMs / 1000))} steps a second; ` +
      `${summary.blocks} blocks, ${summary.acknowledged} acknowledged writes, ${summary.reads} confirmed reads, ` +
      `${summary.elections} elections, ${summary.strikes} faults, ${summary.forgeriesFound} forgeries and ` +
      `${summary.alterationsFound} alterations found; led again after at most ${summary.recoveryMsMax} ms`,
  );
}

// What is thrown in a promise of the system under test is the run's failure, and not this program's.
process.on("unhandledRejection", noteError);
await main();
