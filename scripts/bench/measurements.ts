import { fillWith } from "./fill.js";
import { LARGE_EVENT_BYTES } from "./load/events.js";
import type { Part, Work } from "./load/spec.js";
import { type BenchOptions, DEEP_EVENTS_MIN } from "./options.js";
import { QuorumlogTarget } from "./targets/quorumlog.js";
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
  /** Done before each run; what it gives back is done after it. */
  readonly prepare?: () => Promise<() => Promise<void>>;
  /** A member is away, and is not waited for. */
  readonly isOneAway?: boolean;
}

/** Arms that are run in turn, round after round; ratios are the first arm's to each other one's. */
export interface Measurement {
  readonly name: string;
  readonly group: string;
  /** Drawn from a log of `--events`. */
  readonly isOfLargeLog?: boolean;
  readonly arms: readonly Arm[];
}

export const BATCH_EVENTS = 100;
const SINGLE = { kind: "append", batch: 1 } as const;
const BATCH = { kind: "append", batch: BATCH_EVENTS } as const;
const KEYED = { ...SINGLE, isKeyed: true } as const;
/** Open loop: connections that may be busy at once. */
const OPEN_LOOP_CLIENTS = 256;
const DOWN_CLIENTS = 64;
/** What a follower that comes back has to catch up with. */
const AWAY_EVENTS = 100_000;
const LARGE = { single: 64, batch: 16 };
const DEEP_PAGES = [
  { page: 100_000, isFiltered: false },
  { page: 1_000, isFiltered: true },
];

/** The groups of measurements, with the titles that reports give them. */
export const GROUPS = {
  append: "Single appends, clients at the leader, closed loop",
  keyed: "Single appends with an Idempotency-Key each, against the same without",
  batch: `Batches of ${BATCH_EVENTS}, clients at the leader, closed loop`,
  forward: "Single appends forwarded by followers, against appends at the leader",
  down: "Single appends while a follower is down, against all three up",
  back: `Single appends while a follower comes back, ${AWAY_EVENTS} events behind, against all three up`,
  open: "Single appends at a fixed rate, open loop: latency from the due time",
  "read-one": "Reads of single events, clients on all nodes, closed loop",
  page: "Reads of pages of 50 with a filter, clients on all nodes, closed loop",
  deep: "Numbered pages of the reference API, one client: the ratio is of the time to that of the page of the row",
  large: `Appends of ${LARGE_EVENT_BYTES} bytes an event, single and in batches of ${BATCH_EVENTS}, clients at the leader`,
} as const;
type Group = keyof typeof GROUPS;
export const STREAM_LAG = "stream-lag";
export const NAMES: readonly string[] = [...Object.keys(GROUPS), STREAM_LAG];

/** `--only append,batch-16`: a whole group, or one measurement. */
export function isChosen(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((one) => name === one || name.startsWith(`${one}-`));
}

export function chosenMeasurements(targets: readonly Target[], options: BenchOptions): Measurement[] {
  return allMeasurements(targets, options).filter(({ name, arms }) => isChosen(name, options.only) && arms.length > 0);
}

function allMeasurements(targets: readonly Target[], { clients, rates, events }: BenchOptions): Measurement[] {
  const ours = targets.filter((target) => target instanceof QuorumlogTarget);
  const closed = (group: Group, work: Work, place: Place) =>
    clients.map((count) => measurement(group, String(count), armsOf(targets, { place, work, clients: count })));
  const reads = (kind: "read-one" | "page", part: Part) =>
    clients.map((count) => ({
      ...measurement(kind, `${part}-${count}`, armsOf(targets, { place: "all", work: { kind, part }, clients: count })),
      isOfLargeLog: true,
    }));
  return [
    ...closed("append", SINGLE, "leader"),
    ...clients.map((count) => keyed(ours, count)),
    ...closed("batch", BATCH, "leader"),
    ...clients.map((count) => forwarded(ours, count)),
    measurement("down", String(DOWN_CLIENTS), ours.flatMap(withOneAway)),
    measurement("back", String(DOWN_CLIENTS), ours.flatMap(withOneBack)),
    ...rates.map((perSecond) => {
      const open = { place: "leader", work: SINGLE, clients: OPEN_LOOP_CLIENTS, perSecond } as const;
      return measurement("open", String(perSecond), armsOf(targets, open));
    }),
    ...(["hot", "cold"] as const).flatMap((part) => [...reads("read-one", part), ...reads("page", part)]),
    ...(events < DEEP_EVENTS_MIN ? [] : DEEP_PAGES.map((deep) => deepPage(ours, deep))),
    ...(["single", "batch"] as const).map((size) => {
      const work: Work = { ...(size === "single" ? SINGLE : BATCH), bytes: LARGE_EVENT_BYTES };
      return measurement("large", size, armsOf(targets, { place: "leader", work, clients: LARGE[size] }));
    }),
  ];
}

const measurement = (group: Group, which: string, arms: readonly Arm[]): Measurement => ({
  name: `${group}-${which}`,
  group: GROUPS[group],
  arms,
});

function armsOf(among: readonly Target[], how: Omit<Arm, "label" | "target">): Arm[] {
  return among.filter((target) => target.takes(how.work)).map((target) => ({ label: target.name, target, ...how }));
}

function keyed(ours: readonly QuorumlogTarget[], clients: number): Measurement {
  const arms = ours.flatMap((target): Arm[] => [
    { label: `${target.name}, keyed`, target, place: "leader", work: KEYED, clients },
    { label: `${target.name}, without`, target, place: "leader", work: SINGLE, clients },
  ]);
  return measurement("keyed", String(clients), arms);
}

function forwarded(ours: readonly QuorumlogTarget[], clients: number): Measurement {
  const arms = ours.flatMap((target): Arm[] => [
    { label: `${target.name}, at followers`, target, place: "followers", work: SINGLE, clients },
    { label: `${target.name}, at the leader`, target, place: "leader", work: SINGLE, clients },
  ]);
  return measurement("forward", String(clients), arms);
}

function withOneAway(target: QuorumlogTarget): Arm[] {
  const common = { target, place: "leader", work: SINGLE, clients: DOWN_CLIENTS, isOneAway: true } as const;
  const prepare = async () => {
    const startAgain = await target.killFollower();
    return async () => {
      await startAgain();
      await target.caughtUp();
    };
  };
  return [
    { ...common, label: `${target.name}, one down`, prepare },
    { ...common, label: `${target.name}, all up` },
  ];
}

function withOneBack(target: QuorumlogTarget): Arm[] {
  const common = { target, place: "leader", work: SINGLE, clients: DOWN_CLIENTS, isOneAway: true } as const;
  const prepare = async () => {
    const startAgain = await target.killFollower();
    await fillWith(target, { events: AWAY_EVENTS, fill: "batch" });
    const started = startAgain();
    return async () => {
      await started;
      await target.caughtUp();
    };
  };
  return [
    { ...common, label: `${target.name}, one coming back`, prepare },
    { ...common, label: `${target.name}, all up` },
  ];
}

/** One client's rate is the inverse of its time: so the first arm's rate to another's is that one's time to the first's. */
function deepPage(ours: readonly QuorumlogTarget[], { page, isFiltered }: (typeof DEEP_PAGES)[number]): Measurement {
  const arms = ours.flatMap((target) =>
    [1, page].map((number): Arm => {
      const work = { kind: "numbered-page", page: number, isFiltered } as const;
      return { label: `${target.name}, page ${number}`, target, place: "leader", work, clients: 1 };
    }),
  );
  return { ...measurement("deep", isFiltered ? "filtered" : "plain", arms), isOfLargeLog: true };
}
