import { INTEGRITY_FAILURE, runCommand } from "../../scripts/lib/command.js";
import { inMacrotask } from "./drain.js";
import { type ManyRuns, type OneRun, parseSimOptions, USAGE } from "./options.js";
import type { ProfileName } from "./profiles.js";
import { runSeeds, type Summary } from "./seeds.js";
import { type RunResult, simulate } from "./simulation.js";
import { tellStory } from "./story.js";
import { TraceDigest } from "./trace.js";
import { noteError } from "./violation.js";

async function main(): Promise<number> {
  const options = parseSimOptions(process.argv.slice(2));
  if (options.kind === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  const isHeld = options.kind === "one" ? await runOne(options) : await runMany(options);
  return isHeld ? 0 : INTEGRITY_FAILURE;
}

async function runOne({ seed, profile, isTraced, without, untilMs }: OneRun): Promise<boolean> {
  const digest = new TraceDigest();
  const result = await inMacrotask(() =>
    simulate({
      seed,
      profile,
      without: new Set(without),
      print: (line) => {
        digest.add(line);
        if (isTraced) console.log(line);
      },
      ...(untilMs === undefined ? {} : { stopAtMs: untilMs }),
    }),
  );
  const { nodes, blocks, acknowledged, elections, faults, failure } = result;
  console.log(
    `seed ${seed}: ${failure === null ? "held" : "FAILED"}, ${nodes} nodes, ${blocks} blocks, ${acknowledged} acknowledged, ` +
      `${elections} elections, faults ${JSON.stringify(faults)}, trace ${digest.toString().slice(0, 16)}`,
  );
  if (failure !== null) await report(result, profile, !isTraced && without.length === 0);
  return failure === null;
}

async function report(result: RunResult, profile: ProfileName, withStory: boolean): Promise<void> {
  const { failure, seed } = result;
  console.log(`seed ${seed} at ${failure?.atMs} ms: ${failure?.message}`);
  if (withStory) for (const line of await inMacrotask(() => tellStory(result, profile))) console.log(`  ${line}`);
}

async function runMany(options: ManyRuns): Promise<boolean> {
  const summary = await runSeeds(options);
  for (const result of summary.failed.slice(0, STORIES_MAX)) await report(result, options.profile, true);
  for (const result of summary.failed.slice(STORIES_MAX)) await report(result, options.profile, false);
  print(summary, options);
  return summary.failed.length === 0;
}

const STORIES_MAX = 2;

function print(summary: Summary, { first, workers }: ManyRuns): void {
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
runCommand(main, USAGE);
