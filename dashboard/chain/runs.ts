import type { AlertView, ClusterView, NodeView } from "../api/types.js";
import type { CellState, ChainPicture } from "./columns.js";

/** `verified`: by the node's last pass. `held`: it has it, and no pass has come there yet. */
export type RunState = CellState | "verified" | "held";

/** Consecutive events of one node that stand alike. */
export interface Run {
  readonly from: number;
  readonly to: number;
  readonly state: RunState;
  /** Of what is altered, the kind of the alert about it. */
  readonly kind?: string | undefined;
}
export interface RunRow {
  readonly node: string;
  readonly runs: readonly Run[];
}

/** The cells of a picture, those that stand alike together. */
export function runsOfPicture({ sequences, rows }: ChainPicture): RunRow[] {
  return rows.map(({ node, cells }) => ({
    node,
    runs: joined(
      cells.map(({ state, kind }, i) => ({ from: sequences[i] as number, to: sequences[i] as number, state, kind })),
    ),
  }));
}

/** The whole log, by what each node says of itself and by the alerts that are open. */
export function runsOfLog({ nodes }: ClusterView, alerts: readonly AlertView[], size: number): RunRow[] {
  return nodes.map((node) => {
    return {
      node: node.id,
      runs: marked(
        plainRuns(node, size),
        alerts.filter(({ accused }) => accused === node.id),
      ),
    };
  });
}

function plainRuns({ role, verifiedThrough, lastSequence }: NodeView, size: number): Run[] {
  if (role === "unknown") return size === 0 ? [] : [{ from: 0, to: size - 1, state: "unknown" }];
  const passed = Math.min(verifiedThrough, lastSequence);
  return (
    [
      { from: 0, to: passed, state: "verified" },
      { from: passed + 1, to: lastSequence, state: "held" },
      { from: lastSequence + 1, to: size - 1, state: "missing" },
    ] as const
  ).filter(({ from, to }) => from <= to);
}

type Range = readonly [number, number];

/** Alerts of less weight say nothing against events. */
const criticalOf = (alerts: readonly AlertView[]): AlertView[] =>
  alerts.filter(({ severity }) => severity === "critical");

/** First and last event of each place that an alert names. */
export const rangesOf = ({ sequences, sequence }: AlertView): Range[] =>
  sequences !== undefined && sequences.length > 0
    ? [...sequences]
    : sequence === undefined
      ? []
      : [[sequence, sequence]];

/** What is altered is altered, whatever else is said of it. */
function marked(runs: readonly Run[], alerts: readonly AlertView[]): Run[] {
  const accused = criticalOf(alerts).flatMap((alert) => rangesOf(alert).map((range) => ({ range, kind: alert.kind })));
  let cut = [...runs];
  for (const { range, kind } of accused)
    cut = cut.flatMap((run): Run[] => {
      const [low, high] = range;
      if (high < run.from || low > run.to || run.state === "altered") return [run];
      return [
        { ...run, to: low - 1 },
        { from: Math.max(low, run.from), to: Math.min(high, run.to), state: "altered" as const, kind },
        { ...run, from: high + 1 },
      ].filter(({ from, to }) => from <= to);
    });
  return joined(cut);
}

function joined(runs: readonly Run[]): Run[] {
  const together: Run[] = [];
  for (const run of runs) {
    const last = together.at(-1);
    if (last !== undefined && last.state === run.state && last.kind === run.kind && last.to + 1 === run.from)
      together[together.length - 1] = { ...last, to: run.to };
    else together.push(run);
  }
  return together;
}

export interface Coverage {
  /** Events that the last passes of all nodes that answer have verified. */
  readonly verified: number;
  /** Events that an open alert names on some node. */
  readonly altered: number;
  readonly open: number;
  /** The first event that a pass has not reached, and where. */
  readonly first: { readonly sequence: number; readonly node: string } | null;
}

/** How much of the log stands verified everywhere. */
export function coverageOf({ nodes }: ClusterView, alerts: readonly AlertView[], size: number): Coverage {
  const answering = nodes.filter(({ role }) => role !== "unknown");
  const behind = answering.toSorted((a, b) => a.verifiedThrough - b.verifiedThrough)[0];
  const passed = behind === undefined ? 0 : Math.min(size, behind.verifiedThrough + 1);
  const ranges = criticalOf(alerts).flatMap(rangesOf);
  const altered = lengthOf(ranges);
  const alteredInPassed = lengthOf(ranges.map(([low, high]) => [low, Math.min(high, passed - 1)]));
  return {
    ...{ verified: passed - alteredInPassed, altered },
    open: Math.max(0, size - passed - (altered - alteredInPassed)),
    first: behind === undefined || passed >= size ? null : { sequence: passed, node: behind.id },
  };
}

/** Numbers in ranges that may overlap. */
function lengthOf(ranges: readonly Range[]): number {
  let next = 0;
  let length = 0;
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    length += Math.max(0, high - Math.max(next, low) + 1);
    next = Math.max(next, high + 1);
  }
  return length;
}
