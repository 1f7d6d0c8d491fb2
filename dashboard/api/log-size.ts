import { useCluster } from "./queries.js";
import type { ClusterView } from "./types.js";

/** The events of the log, as far as any node that answers has told. */
export const sizeOf = ({ nodes }: ClusterView): number =>
  Math.max(-1, ...nodes.map(({ lastSequence }) => lastSequence)) + 1;

/** Null until it was told. */
export function useLogSize(): number | null {
  const status = useCluster().data?.body;
  return status === undefined ? null : sizeOf(status);
}
