import { findMongod } from "../mongod/ladder.js";
import { calibrate } from "./calibration.js";
import { fillUpTo } from "./fill.js";
import { EVENT_BYTES } from "./load/events.js";
import { commitOf, describeMachine } from "./machine.js";
import { chosenMeasurements, isChosen, type Measurement, NAMES, STREAM_LAG } from "./measurements.js";
import { type BenchOptions, type Other, parseBenchOptions } from "./options.js";
import { type BenchReport, markdownText, SCHEMA_VERSION, terminalText, writeReport } from "./report.js";
import { type MeasurementResult, measure, warmUp } from "./runner.js";
import { MemorySampler } from "./samples.js";
import { median } from "./statistics.js";
import { measureStreamLag } from "./stream-lag.js";
import { EtcdTarget, etcdVersion } from "./targets/etcd.js";
import { MongodbTarget } from "./targets/mongodb.js";
import { NatsTarget, natsVersion } from "./targets/nats.js";
import { QuorumlogTarget } from "./targets/quorumlog.js";
import type { Target } from "./targets/target.js";

/** Starts all systems, measures them in turn, reports, and stops them. */
export async function runBench(args: string[]): Promise<void> {
  const options = parseBenchOptions(args, NAMES);
  const startedAt = new Date();
  const binary = await findMongod();
  // Before anything is started: the load average is of what else the machine does.
  const machine = describeMachine(binary);
  const calibration = await calibrate();
  const { targets, main, absent } = await startTargets(options, binary);
  const sampler = new MemorySampler();
  try {
    for (const target of targets) {
      say(`Warming up: ${target.title} …`);
      await warmUp(target, Math.min(2, options.seconds));
    }
    const measurements = await measureAll(targets, { options, sampler });
    const streamLag = wantsStreamLag(options) ? await lagOfStreams(main, { options, sampler, targets }) : [];
    const report: BenchReport = {
      schemaVersion: SCHEMA_VERSION,
      startedAt: startedAt.toISOString(),
      minutes: Math.round((Date.now() - startedAt.getTime()) / 6_000) / 10,
      machine,
      calibration,
      // A report names no path.
      options: { ...options, before: options.before && commitOf(options.before) },
      eventBytes: EVENT_BYTES,
      systems: Object.fromEntries(targets.map(({ name, title }) => [name, title])),
      absent,
      measurements,
      streamLag,
      memory: sampler.stop(),
    };
    process.stdout.write(terminalText(report));
    const name = writeReport(report, markdownText(report));
    process.stdout.write(`\nWritten: ${name}.json and ${name}.md\n`);
  } finally {
    sampler.stop();
    say("Stopping everything …");
    await Promise.all(targets.map((target) => target.stop()));
  }
}

interface Started {
  targets: Target[];
  main: QuorumlogTarget;
  absent: string[];
}

const STARTS: Record<Other, { isThere: () => boolean; start: (mongodBinary: string) => Promise<Target> }> = {
  mongodb: { isThere: () => true, start: (mongodBinary) => MongodbTarget.start(mongodBinary) },
  etcd: { isThere: () => etcdVersion() !== undefined, start: () => EtcdTarget.start() },
  nats: { isThere: () => natsVersion() !== undefined, start: () => NatsTarget.start() },
};

async function startTargets(options: BenchOptions, mongodBinary: string): Promise<Started> {
  const { before, variants, against } = options;
  say("Starting Quorumlog …");
  const main = await QuorumlogTarget.start({ mongodBinary });
  const targets: Target[] = [main];
  try {
    if (before !== null) {
      say("Starting the version before …");
      targets.push(await QuorumlogTarget.start({ mongodBinary, before }));
    }
    for (const env of variants) {
      say(`Starting a cluster with ${JSON.stringify(env)} …`);
      targets.push(await QuorumlogTarget.start({ mongodBinary, env }));
    }
    for (const name of against.filter((other) => STARTS[other].isThere())) {
      say(`Starting ${name} …`);
      targets.push(await STARTS[name].start(mongodBinary));
    }
  } catch (error) {
    await Promise.all(targets.map((target) => target.stop()));
    throw error;
  }
  const absent = against.filter((other) => !STARTS[other].isThere());
  return { targets, main, absent: absent.map((name) => `${name}: not on PATH, so not measured.`) };
}

interface Run {
  readonly options: BenchOptions;
  readonly sampler: MemorySampler;
}

async function measureAll(targets: readonly Target[], { options, sampler }: Run): Promise<MeasurementResult[]> {
  const results: MeasurementResult[] = [];
  let isFilled = false;
  for (const measurement of chosenMeasurements(targets, options)) {
    if (measurement.isOfLargeLog && !isFilled) {
      await watchMemory(sampler, targets, "filling");
      await fillAll(targets, options);
      isFilled = true;
    }
    await watchMemory(sampler, targets, measurement.name);
    results.push(await measureAndSay(measurement, { options, sampler }));
  }
  return results;
}

async function fillAll(targets: readonly Target[], { events, fill }: BenchOptions): Promise<void> {
  for (const target of targets.filter((one) => one.takes({ kind: "read-one", part: "cold" }))) {
    say(`Filling up to ${events} events (${fill}): ${target.title} …`);
    await fillUpTo(target, { events, fill });
  }
}

async function measureAndSay(measurement: Measurement, { options, sampler }: Run): Promise<MeasurementResult> {
  const result = await measure(measurement, options, sampler);
  const rates = result.arms.map(({ label, rounds }) => {
    const sustained = median(rounds.map(({ sustainedPerSecond }) => sustainedPerSecond));
    return `${label} ${Math.round(sustained)}/s`;
  });
  say(`${measurement.name}: ${rates.join(", ")}`);
  return result;
}

async function lagOfStreams(
  main: QuorumlogTarget,
  { options, sampler, targets }: Run & { targets: readonly Target[] },
): ReturnType<typeof measureStreamLag> {
  say("stream-lag …");
  await watchMemory(sampler, targets, STREAM_LAG);
  return measureStreamLag(main, options);
}

async function watchMemory(sampler: MemorySampler, targets: readonly Target[], during: string): Promise<void> {
  const ofTargets = (await Promise.all(targets.map((target) => target.processes()))).flat();
  sampler.watch(ofTargets, during);
}

function wantsStreamLag({ only }: BenchOptions): boolean {
  return isChosen(STREAM_LAG, only) || only.some((name) => name.startsWith(STREAM_LAG));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
