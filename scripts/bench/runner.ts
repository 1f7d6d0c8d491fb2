import { Histogram } from "./load/histogram.js";
import { type LoadResult, type LoadSpec, machineMs, type Work } from "./load/spec.js";
import type { Arm, Measurement } from "./measurements.js";
import type { BenchOptions } from "./options.js";
import { type MemorySampler, type RoleUse, UseMeter } from "./samples.js";
import { median } from "./statistics.js";
import type { Standing, Target, Watched } from "./targets/target.js";

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
  /** By role, the load process among them. */
  readonly uses: Readonly<Record<string, RoleUse>>;
}

export interface ArmResult {
  readonly label: string;
  readonly clients: number;
  readonly perSecondDue: number | null;
  readonly catchesUp: string | null;
  readonly rounds: readonly ArmRun[];
}

/** How the first arm compares with another one: the median of the rounds' ratios, and the range. */
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
export async function measure(
  measurement: Measurement,
  { rounds, seconds }: BenchOptions,
  sampler: MemorySampler,
): Promise<MeasurementResult> {
  const runs: ArmRun[][] = measurement.arms.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, arm] of measurement.arms.entries()) {
      runs[index]?.push(await runArm(arm, { seconds, sampler }));
    }
  }
  const arms = measurement.arms.map((arm, index): ArmResult => {
    const { label, clients, perSecond: perSecondDue = null, target, work } = arm;
    const catchesUp = work.kind === "append" && !arm.isOneAway ? (target.catchesUp ?? null) : null;
    return { label, clients, perSecondDue, catchesUp, rounds: runs[index] ?? [] };
  });
  const { name, group } = measurement;
  return { name, group, arms, ratios: ratiosOf(arms) };
}

interface RunOptions {
  readonly seconds: number;
  readonly sampler: MemorySampler;
}

async function runArm(arm: Arm, options: RunOptions): Promise<ArmRun> {
  const after = await arm.prepare?.();
  try {
    return await runPrepared(arm, options);
  } finally {
    await after?.();
  }
}

async function runPrepared(arm: Arm, { seconds, sampler }: RunOptions): Promise<ArmRun> {
  const { target, work, clients, perSecond } = arm;
  const before = await target.standing();
  const spec: LoadSpec = {
    target: await target.at(arm.place),
    work,
    clients,
    seconds,
    ...(perSecond !== undefined && { perSecond }),
  };
  const watched = await target.processes();
  sampler.renew(watched);
  const meter = new UseMeter([...watched, ...clientOf(target)]);
  const startedAtMs = machineMs();
  const result = await target.load.run(spec);
  const isAppend = work.kind === "append";
  const catchesUp = isAppend && target.catchesUp !== undefined && !arm.isOneAway;
  if (catchesUp) await target.caughtUp();
  const endedAtMs = machineMs();
  const done = isAppend ? result.events : result.operations;
  const uses = meter.end((endedAtMs - startedAtMs) / 1_000, done);
  const catchUpSeconds = catchesUp ? (endedAtMs - result.endedAtMs) / 1_000 : 0;
  const latency = Histogram.from(result.latency);
  const { operations, events, errors, dropped } = result;
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
    remarks: remarksOf(result, { isAppend, before, after: await target.standing() }),
    uses,
  };
}

const clientOf = ({ load: { pid } }: Target): Watched[] =>
  pid === undefined ? [] : [{ label: "client", role: "client", pid }];

function remarksOf(
  { events, operations, errors, dropped, unfinished }: LoadResult,
  { isAppend, before, after }: { isAppend: boolean; before: Standing; after: Standing },
): string[] {
  const remarks: string[] = [];
  if (before.leader !== after.leader) remarks.push(`the leader changed from ${before.leader} to ${after.leader}`);
  if (isAppend && before.size !== undefined && after.size !== undefined && after.size - before.size < events)
    remarks.push(`${events} events were acknowledged, and the log grew by ${after.size - before.size}`);
  for (const [reason, count] of Object.entries(errors)) remarks.push(`${count} failed: ${reason}`);
  if (dropped > 0) remarks.push(`${dropped} fell due and were dropped: the rate is beyond what it takes`);
  if (unfinished > 0) remarks.push(`${unfinished} of ${operations} pages ended before they were full`);
  return remarks;
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

/** Has all code paths run hot before anything is measured. */
export async function warmUp(target: Target, seconds: number): Promise<void> {
  const common = { target: await target.at("leader"), seconds };
  const works: Work[] = [1, 100].map((batch) => ({ kind: "append", batch }));
  for (const work of works.filter((one) => target.takes(one))) await target.load.run({ ...common, work, clients: 16 });
  await target.caughtUp();
}
