import type { AlertList, ClusterView } from "../api/types.js";
import { count, many } from "../lib/format.js";
import type { Tone } from "../parts/mark.js";

export interface Intactness {
  readonly tone: Tone;
  readonly answer: string;
  readonly facts: readonly string[];
}

/** What can be said now, and on what it rests; what nobody has said is open, never good. */
export function intactnessOf(status: ClusterView, list: AlertList | undefined): Intactness {
  const total = status.nodes.length;
  const silent = status.nodes.filter(({ role }) => role === "unknown").map(({ id }) => id);
  const critical = list?.alerts.filter(({ severity }) => severity === "critical") ?? [];
  const facts = [
    headFact(status),
    alertFact(list, total),
    ...silent.map((id) => `${id} has not answered: of its copy nothing is known now.`),
  ];
  if (critical.length > 0) {
    const accused = [...new Set(critical.map((alert) => alert.accused))].sort().join(", ");
    return { tone: "bad", answer: `No: ${many(critical.length, "critical alert")} on ${accused}`, facts };
  }
  if (list === undefined || silent.length > 0 || list.unreachable.length > 0) {
    const said = total - new Set([...silent, ...(list?.unreachable ?? [])]).size;
    const answer = list === undefined ? "Not known yet" : `No alert on ${said} of ${total} nodes`;
    return { tone: "unknown", answer, facts };
  }
  return { tone: "ok", answer: `No open alert on ${total} of ${total} nodes`, facts };
}

/** Equal heads mean equal history: each hash holds all before it. */
function headFact({ nodes }: ClusterView): string {
  const answering = nodes.filter(({ role }) => role !== "unknown");
  const longest = Math.max(-1, ...answering.map((node) => node.lastSequence));
  if (longest < 0) return "The log is empty.";
  const level = answering.filter((node) => node.lastSequence === longest);
  const heads = new Set(level.map(({ headHash }) => headHash));
  return heads.size === 1
    ? `${many(level.length, "node")} of ${nodes.length} at event ${count(longest)}, with the same head.`
    : `Nodes at event ${count(longest)} name different heads.`;
}

function alertFact(list: AlertList | undefined, total: number): string {
  if (list === undefined) return "Alerts have not been told yet.";
  return `${total - list.unreachable.length} of ${total} nodes told their open alerts.`;
}
