import { Histogram } from "./load/histogram.js";
import { type LoadSpec, machineMs } from "./load/spec.js";
import type { Arm, Measurement } from "./measurements.js";
import type { BenchOptions } from "./options.js";
import { busyCores, cpuSecondsOf } from "./samples.js";
import { median } from "./statistics.js";
import type { Target } from "./targets/target.js";

/** Reads are drawn from at least so many events. */
const EVENTS_FOR_READS = 20_000;
/** With fewer values, the 99.9th percentile is the largest value and says nothing. */
const P999_OPERATIONS_MIN = 1_000;

/** One arm in one round. */
export interface ArmRun {
  readonly operations: number;
  readonly events: number;
  readonly seconds: number;
  /** From the last acknowledgement until all of it could be read on every member. */
  readonly catchUpSeconds: number;
  /** Events (reads: operations) a second until the last answer, and with the catch-up counted in. */
  readonly perSecond: number;
  readonly sustainedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number | null;
  readonly errors: Readonly<Record<string, number>>;
  readonly dropped: number;
  /** What makes this run doubtful. */
  readonly remarks: readonly string[];
  /** Busy cores by role, the load process among them. */
  readonly cores: Readonly<Record<string, number>>;
}

export interface ArmResult {
  readonly label: string;
  readonly clients: number;
  readonly perSecondDue: number | null;
  readonly catchesUp: string | null;
  readonly rounds: readonly ArmRun[];
}

/** Of the first arm to another one: the median of the rounds' ratios, and the range. */
export interface Ratio {
  readonly to: string;
  readonly acknowledged: number;
  readonly sustained: number;
  readonly sustainedRange: readonly [number, number];
}

export interface MeasurementResult {
  readonly name: string;
  readonly group: string;
  readonly arms: readonly ArmResult[];
  readonly ratios: readonly Ratio[];
}

/** All arms in turn, then the next round: what changes on the machine meanwhile meets all of them. */
export async function measure(measurement: Measurement, { rounds, seconds }: BenchOptions): Promise<MeasurementResult> {
  const runs: ArmRun[][] = measurement.arms.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, arm] of measurement.arms.entries()) runs[index]?.push(await runArm(arm, seconds));
  }
  const arms = measurement.arms.map((arm, index): ArmResult => {
    const { label, clients, perSecond: perSecondDue = null, target, work } = arm;
    const catchesUp = work.kind === "append" ? (target.catchesUp ?? null) : null;
    return { label, clients, perSecondDue, catchesUp, rounds: runs[index] ?? [] };
  });
  const { name, group } = measurement;
  return { name, group, arms, ratios: ratiosOf(arms) };
}

async function runArm(arm: Arm, seconds: number): Promise<ArmRun> {
  const { target, work, clients, perSecond } = arm;
  const before = await target.standing();
  const watched = await target.processes();
  const spec: LoadSpec = {
    target: await target.at(arm.place),
    work,
    clients,
    seconds,
    ...(perSecond !== undefined && { perSecond }),
  };
  const cpuBefore = watched.map(({ pid }) => cpuSecondsOf(pid));
  const startedAtMs = machineMs();
  const result = await target.load.run(spec);
  const isAppend = work.kind === "append";
  if (isAppend) await target.caughtUp();
  const endedAtMs = machineMs();
  const cores = busyCores(watched, cpuBefore, (endedAtMs - startedAtMs) / 1_000);
  const after = await target.standing();
  const catchUpSeconds = isAppend && target.catchesUp !== undefined ? (endedAtMs - result.endedAtMs) / 1_000 : 0;
  const done = isAppend ? result.events : result.operations;
  const latency = Histogram.from(result.latency);
  const { operations, events, errors, dropped } = result;
  const remarks: string[] = [];
  if (before.leader !== after.leader) remarks.push(`the leader changed from ${before.leader} to ${after.leader}`);
  if (isAppend && before.size !== undefined && after.size !== undefined && after.size - before.size < events)
    remarks.push(`${events} events were acknowledged, and the log grew by ${after.size - before.size}`);
  for (const [reason, count] of Object.entries(errors)) remarks.push(`${count} failed: ${reason}`);
  if (dropped > 0) remarks.push(`${dropped} fell due and were dropped: the rate is beyond what it takes`);
  return {
    operations,
    events,
    seconds: result.seconds,
    catchUpSeconds,
    perSecond: done / result.seconds,
    sustainedPerSecond: done / (result.seconds + catchUpSeconds),
    p50Ms: latency.percentile(0.5),
    p99Ms: latency.percentile(0.99),
    p999Ms: latency.count >= P999_OPERATIONS_MIN ? latency.percentile(0.999) : null,
    errors,
    dropped,
    remarks,
    cores: { ...cores, client: result.cpuSeconds / result.seconds },
  };
}

export function ratiosOf(arms: readonly ArmResult[]): Ratio[] {
  const [first, ...others] = arms;
  // At a given rate all do the same work: there the latencies are compared.
  if (first === undefined || first.perSecondDue !== null) return [];
  return others.map((other) => {
    const ratio = (key: "perSecond" | "sustainedPerSecond") =>
      first.rounds.map((round, index) => round[key] / (other.rounds[index]?.[key] ?? Number.NaN));
    const sustained = ratio("sustainedPerSecond");
    return {
      to: other.label,
      acknowledged: median(ratio("perSecond")),
      sustained: median(sustained),
      sustainedRange: [Math.min(...sustained), Math.max(...sustained)],
    };
  });
}

/** Fills the log for the reads, and has all code paths run hot before anything is measured. */
export async function warmUp(target: Target, seconds: number): Promise<void> {
  const to = await target.at("leader");
  const common = { target: to, seconds };
  await target.load.run({ ...common, work: { kind: "append", batch: 1 }, clients: 16 });
  const { size = EVENTS_FOR_READS } = await target.standing();
  const batches = Math.max(20, Math.ceil((EVENTS_FOR_READS - size) / 100));
  const fill = { work: { kind: "append", batch: 100 }, clients: 4, operationsMax: batches } as const;
  await target.load.run({ ...common, ...fill, seconds: 120 });
  await target.caughtUp();
}
