import type { IncidentKind } from "../storage/incident.js";
import type { StoreChange } from "../storage/integrity-port.js";

/** All that a node has in its database. */
const OWN = new Set(["blocks", "state", "anchors", "alerts", "quarantine"]);

export const GONE: ReadonlySet<string> = new Set(["drop", "rename", "dropDatabase", "invalidate"]);

/** A collection of this node, or its database, that is not there any more, or not the same. */
export interface Gone {
  /** `missing`: it held the blocks. */
  readonly kind: Extract<IncidentKind, "missing" | "state_altered">;
  readonly detail: string;
}

/**
 * What a drop or a rename has taken from this node. Where a collection takes the place of another one, MongoDB tells of the one
 * that is renamed, and nothing of the one that is gone.
 */
export function goneBy({ operation, collection, to }: StoreChange): Gone[] {
  if (operation === "invalidate") return [];
  if (operation === "dropDatabase") return [{ kind: "missing", detail: "this node's database was dropped" }];
  const gone = (name: string, how: string): Gone[] => {
    if (!OWN.has(name)) return [];
    const kind = name === "blocks" ? "missing" : "state_altered";
    return [{ kind, detail: `the collection ${name} of this node's database was ${how}` }];
  };
  if (operation === "drop") return gone(collection, "dropped");
  return [
    ...gone(collection, "renamed"),
    ...(to === undefined ? [] : gone(to, `replaced by the collection ${collection}`)),
  ];
}
