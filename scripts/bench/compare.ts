import { findMongod } from "../mongod/ladder.js";
import { EVENT_BYTES } from "./load/events.js";
import { describeMachine } from "./machine.js";
import { chosenMeasurements, isChosen, type Measurement, NAMES, STREAM_LAG } from "./measurements.js";
import { type BenchOptions, parseBenchOptions } from "./options.js";
import { type BenchReport, markdownText, SCHEMA_VERSION, terminalText, writeReport } from "./report.js";
import { type MeasurementResult, measure, warmUp } from "./runner.js";
import { MemorySampler } from "./samples.js";
import { median } from "./statistics.js";
import { measureStreamLag } from "./stream-lag.js";
import { EtcdTarget, etcdVersion } from "./targets/etcd.js";
import { MongodbTarget } from "./targets/mongodb.js";
import { QuorumlogTarget } from "./targets/quorumlog.js";
import type { Target } from "./targets/target.js";

/** Starts all systems, measures them in turn, reports, and stops them. */
export async function runBench(args: string[]): Promise<void> {
  const options = parseBenchOptions(args, NAMES);
  const startedAt = new Date();
  const binary = await findMongod();
  // Before anything is started: the load average is of what else the machine does.
  const machine = describeMachine(binary);
  const { targets, main, absent } = await startTargets(options, binary);
  const sampler = options.samplesMemory ? new MemorySampler() : undefined;
  try {
    for (const target of targets) {
      say(`Warming up: ${target.title} …`);
      await warmUp(target, Math.min(2, options.seconds));
    }
    const measurements: MeasurementResult[] = [];
    for (const measurement of chosenMeasurements(targets, options)) {
      await watchMemory(sampler, targets, measurement.name);
      measurements.push(await measureAndSay(measurement, options));
    }
    const wantsLag = wantsStreamLag(options);
    if (wantsLag) {
      say("stream-lag …");
      await watchMemory(sampler, targets, STREAM_LAG);
    }
    const streamLag = wantsLag ? await measureStreamLag(main, options) : [];
    const memory = sampler?.stop() ?? [];
    const report: BenchReport = {
      schemaVersion: SCHEMA_VERSION,
      startedAt: startedAt.toISOString(),
      minutes: Math.round((Date.now() - startedAt.getTime()) / 6_000) / 10,
      machine,
      options,
      eventBytes: EVENT_BYTES,
      systems: Object.fromEntries(targets.map(({ name, title }) => [name, title])),
      absent,
      measurements,
      streamLag,
      memory,
    };
    process.stdout.write(terminalText(report));
    const name = writeReport(report, markdownText(report));
    process.stdout.write(`\nWritten: ${name}.json and ${name}.md\n`);
  } finally {
    sampler?.stop();
    say("Stopping everything …");
    await Promise.all(targets.map((target) => target.stop()));
  }
}

interface Started {
  targets: Target[];
  main: QuorumlogTarget;
  absent: string[];
}

async function startTargets(options: BenchOptions, mongodBinary: string): Promise<Started> {
  const absent: string[] = [];
  say("Starting Quorumlog …");
  const main = await QuorumlogTarget.start({ mongodBinary });
  const targets: Target[] = [main];
  try {
    for (const env of options.variants) {
      say(`Starting a cluster with ${JSON.stringify(env)} …`);
      targets.push(await QuorumlogTarget.start({ mongodBinary, env }));
    }
    if (options.against.includes("mongodb")) {
      say("Starting a MongoDB replica set …");
      targets.push(await MongodbTarget.start(mongodBinary));
    }
    if (options.against.includes("etcd") && etcdVersion() === undefined) {
      absent.push("etcd: not on PATH, so not measured.");
    } else if (options.against.includes("etcd")) {
      say("Starting etcd …");
      targets.push(await EtcdTarget.start());
    }
    return { targets, main, absent };
  } catch (error) {
    await Promise.all(targets.map((target) => target.stop()));
    throw error;
  }
}

async function measureAndSay(measurement: Measurement, options: BenchOptions): Promise<MeasurementResult> {
  const result = await measure(measurement, options);
  const rates = result.arms.map(({ label, rounds }) => {
    const sustained = median(rounds.map(({ sustainedPerSecond }) => sustainedPerSecond));
    return `${label} ${Math.round(sustained)}/s`;
  });
  say(`${measurement.name}: ${rates.join(", ")}`);
  return result;
}

async function watchMemory(sampler: MemorySampler | undefined, targets: readonly Target[], during: string) {
  if (sampler === undefined) return;
  const ofTargets = (await Promise.all(targets.map((target) => target.processes()))).flat();
  sampler.watch(ofTargets, during);
}

function wantsStreamLag({ only }: BenchOptions): boolean {
  return isChosen(STREAM_LAG, only) || only.some((name) => name.startsWith(STREAM_LAG));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
