import { sizeOf } from "../api/log-size.js";
import type { AlertList, ClusterView } from "../api/types.js";
import { coverageOf } from "../chain/runs.js";
import { ago, count, many } from "../lib/format.js";
import type { Tone } from "../parts/tone.js";

export interface Intactness {
  readonly tone: Tone;
  readonly answer: string;
  readonly facts: readonly string[];
}

/** What can be said now, and on what it rests; what nobody has said is open, never good. */
export function intactnessOf(status: ClusterView, list: AlertList | undefined, now: number): Intactness {
  const total = status.nodes.length;
  const silent = status.nodes.filter(({ role }) => role === "unknown").map(({ id }) => id);
  const critical = list?.alerts.filter(({ severity }) => severity === "critical") ?? [];
  const facts = [
    headFact(status),
    alertFact(list, total),
    passFact(status, list, now),
    watchFact(status),
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
  return { tone: "ok", answer: `Yes: nothing differs on ${total} of ${total} nodes`, facts };
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

/** What a pass has read again, and what was verified when it came and not since. */
function passFact(status: ClusterView, list: AlertList | undefined, now: number): string {
  const size = sizeOf(status);
  if (size === 0) return "There is nothing to verify yet.";
  const { open } = coverageOf(status, list?.alerts ?? [], size);
  const ended = status.nodes.flatMap(({ lastPassAt }) => (lastPassAt === null ? [] : [Date.parse(lastPassAt)]));
  const when =
    ended.length === 0 ? "" : ` The oldest of their last passes ended ${ago(Math.max(0, now - Math.min(...ended)))}.`;
  return open === 0
    ? `Passes over the log have read all of it again on every node that answers.${when}`
    : `${count(size - open)} of ${many(size, "event")} were read again by passes on every node that answers; the others were verified when they were stored.${when}`;
}

function watchFact({ nodes }: ClusterView): string {
  const watching = nodes.filter(({ watch }) => watch === "live").length;
  return `${watching} of ${nodes.length} nodes see a change of their database at once.`;
}
