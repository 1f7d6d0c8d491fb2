import { sizeOf } from "../api/log-size.js";
import type { AlertList, ClusterView, NodeView } from "../api/types.js";
import { coverageOf } from "../chain/runs.js";
import { ago, count, many } from "../lib/format.js";
import type { Tone } from "../parts/tone.js";

/** What was answered last, and whether it could not be asked for again since. */
export interface Heard<T> {
  readonly body: T;
  /** Milliseconds since 1970; 0 before the first answer. */
  readonly at: number;
  readonly hasFailed: boolean;
}

export interface Intactness {
  readonly tone: Tone;
  readonly answer: string;
  readonly facts: readonly string[];
  /** When the older of the answers came that this rests on. */
  readonly at: number;
}

/** A question waits up to 8 s for its answer, and is asked again within 2 s: what is older says nothing of now. */
const OLD_AFTER_MS = 15_000;

/** What can be said now, and on what it rests; what nobody has said is open, never good. */
export function intactnessOf(
  cluster: Heard<ClusterView>,
  alerts: Heard<AlertList | undefined>,
  now: number,
): Intactness {
  const { body: status } = cluster;
  const { body: list } = alerts;
  const silent = status.nodes.filter(({ role }) => role === "unknown").map(({ id }) => id);
  const facts = [
    headFact(status),
    alertFact(list, status.nodes.length),
    passFact(status, list, now),
    watchFact(status),
    ...silent.map((id) => `${id} has not answered: of its copy nothing is known now.`),
  ];
  const at = list === undefined ? cluster.at : Math.min(cluster.at, alerts.at);
  const found = whatIsWrong(status, list);
  if (found !== null) return { tone: "bad", answer: `No: ${found}`, facts, at };
  const open = whatIsOpen(cluster, alerts, silent, now);
  if (open !== null) return { tone: "unknown", answer: open, facts, at };
  const total = status.nodes.length;
  return { tone: "ok", answer: `Yes: nothing differs on ${total} of ${total} nodes`, facts, at };
}

/** What was found stands until the opposite is told, however old it is. */
function whatIsWrong(status: ClusterView, list: AlertList | undefined): string | null {
  const critical = list?.alerts.filter(({ severity }) => severity === "critical") ?? [];
  if (critical.length > 0) {
    const accused = [...new Set(critical.map((alert) => alert.accused))].sort().join(", ");
    return `${many(critical.length, "critical alert")} on ${accused}`;
  }
  const split = splitAt(status);
  if (split !== null) return `nodes name different heads at event ${count(split)}`;
  return status.state === "integrity_alert" ? "the cluster has an integrity alert" : null;
}

/** Why nothing can be said; null where all has been told that a yes needs. */
function whatIsOpen(
  cluster: Heard<ClusterView>,
  alerts: Heard<AlertList | undefined>,
  silent: readonly string[],
  now: number,
): string | null {
  const { body: list } = alerts;
  if (list === undefined) return alerts.hasFailed ? "Not known: alerts are not told" : "Not known yet";
  if (isOld(cluster, now)) return `Not known now: the cluster answered last ${ago(now - cluster.at)}`;
  if (isOld(alerts, now)) return `Not known now: alerts were told last ${ago(now - alerts.at)}`;
  if (silent.length > 0 || list.unreachable.length > 0) {
    const total = cluster.body.nodes.length;
    const said = total - new Set([...silent, ...list.unreachable]).size;
    return `No alert on ${said} of ${total} nodes`;
  }
  return list.more > 0 ? `Not known: ${many(list.more, "more alert is", "more alerts are")} not shown` : null;
}

const isOld = ({ at, hasFailed }: Heard<unknown>, now: number): boolean => hasFailed || now - at > OLD_AFTER_MS;

const answeringOf = ({ nodes }: ClusterView): NodeView[] => nodes.filter(({ role }) => role !== "unknown");

/** The last event for which two nodes name different heads, of what each has committed. */
function splitAt(status: ClusterView): number | null {
  const answering = answeringOf(status);
  const split = answering.filter(({ lastSequence, headHash }) =>
    answering.some((other) => other.lastSequence === lastSequence && other.headHash !== headHash),
  );
  return split.length === 0 ? null : Math.max(...split.map(({ lastSequence }) => lastSequence));
}

/** Equal heads mean equal history: each hash holds all before it. */
function headFact(status: ClusterView): string {
  const answering = answeringOf(status);
  const longest = Math.max(-1, ...answering.map((node) => node.lastSequence));
  if (longest < 0) return "The log is empty.";
  const level = answering.filter((node) => node.lastSequence === longest);
  const heads = new Set(level.map(({ headHash }) => headHash));
  return heads.size === 1
    ? `${many(level.length, "node")} of ${status.nodes.length} at event ${count(longest)}, with the same head.`
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
