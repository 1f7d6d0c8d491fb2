import type { ChainView } from "../../shared/protocol/http.js";

export type CellState = "equal" | "differs" | "altered" | "missing" | "unknown";

export interface ChainCell {
  readonly state: CellState;
  readonly hash: string;
  /** Whether the event before it, on the same node, has the hash that it names; null where that one is not shown. */
  readonly isLinked: boolean | null;
  readonly detail: string;
  /** Of what is altered, the kind of the alert about it, once that is told. */
  readonly kind?: string | undefined;
}
/** The kind of the alert that names an event of a node. */
export type KindAt = (node: string, sequence: number) => string | undefined;
export interface ChainRow {
  readonly node: string;
  readonly cells: readonly ChainCell[];
}
export interface ChainPicture {
  readonly sequences: readonly number[];
  readonly rows: readonly ChainRow[];
}

/**
 * The nodes' hashes beside each other. Which of two different ones is true the number of nodes does not say: both are
 * shown as differing.
 */
export function pictureOf(
  { from, size, nodes }: ChainView,
  countMax: number,
  kindAt: KindAt = () => undefined,
): ChainPicture {
  const sequences = Array.from({ length: Math.max(0, Math.min(countMax, size - from)) }, (_, i) => from + i);
  const byNode = nodes.map((node) => ({ node, links: new Map(node.events.map((link) => [link.sequence, link])) }));
  const hashesAt = (sequence: number): Set<string> =>
    new Set(byNode.flatMap(({ links }) => links.get(sequence)?.hash ?? []));
  const rows = byNode.map(
    ({ node, links }): ChainRow => ({
      node: node.node,
      cells: sequences.map((sequence) => {
        const link = links.get(sequence);
        if (link !== undefined) {
          const before = links.get(sequence - 1);
          const isLinked = before === undefined ? null : before.hash === link.previousHash;
          const isEqual = hashesAt(sequence).size === 1;
          return { state: isEqual ? "equal" : "differs", hash: link.hash, isLinked, detail: "" };
        }
        const altered = node.altered.find((place) => sequence >= place.from && sequence < place.from + place.count);
        if (altered !== undefined)
          return {
            ...{ state: "altered", hash: "", isLinked: false, kind: kindAt(node.node, sequence) },
            detail: `block ${altered.height}: ${altered.detail}`,
          };
        const detail = node.detail ?? "it does not have it yet";
        return { state: node.detail === undefined ? "missing" : "unknown", hash: "", isLinked: null, detail };
      }),
    }),
  );
  return { sequences, rows };
}
