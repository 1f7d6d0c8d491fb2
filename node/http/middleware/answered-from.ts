import type { ServerResponse } from "node:http";
import type { NodeId } from "../../../shared/ids.js";
import type { Answered } from "../../service/log-port.js";

export const ANSWERED_FROM = "X-Answered-From";

const named = new WeakMap<ServerResponse, Set<NodeId>>();

/**
 * Names the other nodes on whose copies or search an answer rests. Of a list that is sent part by part the first two are
 * made before its head is: what a later one rests on comes behind it, as a trailer.
 */
export function showSources(res: ServerResponse, { from }: Answered): void {
  if (from.length === 0) return;
  const all = named.get(res) ?? new Set();
  named.set(res, all);
  for (const node of from) all.add(node);
  const value = [...all].sort().join(", ");
  if (res.headersSent) res.addTrailers({ [ANSWERED_FROM]: value });
  else res.setHeader(ANSWERED_FROM, value);
}
