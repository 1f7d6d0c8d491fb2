import type { Work } from "./load/spec.js";
import type { BenchOptions } from "./options.js";
import type { Place, Target } from "./targets/target.js";

/** One system, loaded in one way. */
export interface Arm {
  readonly label: string;
  readonly target: Target;
  readonly place: Place;
  readonly work: Work;
  readonly clients: number;
  /** Open loop. */
  readonly perSecond?: number;
}

/** Arms that are run in turn, round after round; ratios are the first arm's to each other one's. */
export interface Measurement {
  readonly name: string;
  readonly group: string;
  readonly arms: readonly Arm[];
}

export const BATCH_EVENTS = 100;
const SINGLE: Work = { kind: "append", batch: 1 };
const BATCH: Work = { kind: "append", batch: BATCH_EVENTS };
/** Open loop: connections that may be busy at once. */
const OPEN_LOOP_CLIENTS = 256;

/** The groups of measurements, with the titles that reports give them. */
export const GROUPS = {
  append: "Single appends, clients at the leader, closed loop",
  batch: `Batches of ${BATCH_EVENTS}, clients at the leader, closed loop`,
  forward: "Single appends forwarded by followers, against appends at the leader",
  "read-one": "Reads of single events, clients on all nodes, closed loop",
  page: "Reads of pages of 50 with a filter, clients on all nodes, closed loop",
  open: "Single appends at a fixed rate, open loop: latency from the due time",
} as const;
export const STREAM_LAG = "stream-lag";
export const NAMES: readonly string[] = [...Object.keys(GROUPS), STREAM_LAG];

/** `--only append,batch-16`: a whole group, or one measurement. */
export function isChosen(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((one) => name === one || name.startsWith(`${one}-`));
}

export function chosenMeasurements(targets: readonly Target[], options: BenchOptions): Measurement[] {
  return allMeasurements(targets, options).filter(({ name }) => isChosen(name, options.only));
}

function allMeasurements(targets: readonly Target[], { clients, rates }: BenchOptions): Measurement[] {
  const withReads = targets.filter(({ name }) => name !== "etcd");
  const ours = targets.filter(({ name }) => name.startsWith("quorumlog"));
  const closed = (group: keyof typeof GROUPS, among: readonly Target[], work: Work, place: Place): Measurement[] =>
    clients.map((count) => ({
      name: `${group}-${count}`,
      group: GROUPS[group],
      arms: among.map((target) => ({ label: target.name, target, place, work, clients: count })),
    }));
  return [
    ...closed("append", targets, SINGLE, "leader"),
    ...closed("batch", targets, BATCH, "leader"),
    ...clients.map((count) => forwarded(ours, count)),
    ...closed("read-one", withReads, { kind: "read-one" }, "all"),
    ...closed("page", withReads, { kind: "read-page" }, "all"),
    ...rates.map((rate) => atRate(targets, rate)),
  ];
}

function forwarded(ours: readonly Target[], clients: number): Measurement {
  const arms = ours.flatMap((target): Arm[] => [
    { label: `${target.name}, at followers`, target, place: "followers", work: SINGLE, clients },
    { label: `${target.name}, at the leader`, target, place: "leader", work: SINGLE, clients },
  ]);
  return { name: `forward-${clients}`, group: GROUPS.forward, arms };
}

function atRate(targets: readonly Target[], perSecond: number): Measurement {
  const common = { place: "leader", work: SINGLE, clients: OPEN_LOOP_CLIENTS, perSecond } as const;
  const arms = targets.map((target): Arm => ({ label: target.name, target, ...common }));
  return { name: `open-${perSecond}`, group: GROUPS.open, arms };
}
