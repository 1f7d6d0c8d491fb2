import type { ClusterNode } from "../../cluster/cluster.js";
import { call } from "./load.js";

type Range = readonly [first: number, last: number];

export interface Alert {
  readonly id: string;
  readonly kind: string;
  readonly node: string;
  readonly accused: string;
  readonly detail: string;
  readonly heights?: readonly Range[];
  readonly sequences?: readonly Range[];
  readonly differences?: readonly { readonly height: number; readonly field: string }[];
  readonly furtherDifferences?: number;
}

/** Those of all nodes, as one of them tells them; none where it does not answer. */
export async function alertsOf({ url }: ClusterNode): Promise<readonly Alert[]> {
  const { body } = await call<{ alerts?: Alert[] }>(`${url}/api/v1/alerts?limit=500`).catch(() => ({
    body: {} as { alerts?: Alert[] },
  }));
  return body.alerts ?? [];
}

export const covers = (ranges: readonly Range[] = [], at: number): boolean =>
  ranges.some(([first, last]) => first <= at && at <= last);

export const overlaps = (ranges: readonly Range[] = [], [first, last]: Range): boolean =>
  ranges.some(([from, to]) => from <= last && first <= to);

/** What else than one of these kinds is told of blocks of these nodes. */
export function furtherKinds(
  alerts: readonly Alert[],
  done: { readonly nodes: readonly string[]; readonly kinds: readonly string[]; readonly heights: Range },
): string[] {
  return alerts
    .filter((one) => done.nodes.includes(one.node) && !done.kinds.includes(one.kind))
    .filter(({ heights }) => overlaps(heights, done.heights))
    .map(({ kind, node }) => `${kind} too on ${node}`);
}
