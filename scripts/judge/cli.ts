import { createReadStream, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ANOMALY_KINDS, Anomalies } from "./anomalies.js";
import { firstOf } from "./first-of.js";
import type { HistoryLine, LogEvent } from "./format.js";
import { Judge, type Totals } from "./judge.js";
import { JudgedLog } from "./log.js";

export interface Verdict {
  totals: Totals;
  anomalies: Anomalies;
  events: number;
  head: string;
  nodes: string[];
}

/** Names of the files in a folder of results. */
export const HISTORY_FILE = "history.ndjson";
export const logFileOf = (node: string): string => `log-${node}.ndjson`;

/** Judges a folder of results, or a history and the logs of the nodes: `log-<node>.ndjson`. */
export async function judgeFiles(paths: readonly string[]): Promise<Verdict> {
  const files = paths.flatMap((path) =>
    statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path],
  );
  // The longest is the one that the others are held against: one may have been cut off from the newest events.
  const size = (file: string): number => statSync(file).size;
  const logs = files.filter((file) => /^log-.+\.ndjson$/.test(basename(file))).sort((a, b) => size(b) - size(a));
  const histories = files.filter((file) => file.endsWith(".ndjson") && !logs.includes(file));
  if (logs.length === 0 || histories.length === 0)
    throw new Error(`A judgement needs a history (${HISTORY_FILE}) and at least one log (log-<node>.ndjson).`);
  const anomalies = new Anomalies();
  const log = new JudgedLog(anomalies);
  const nodes = logs.map((file) => basename(file).slice("log-".length, -".ndjson".length));
  for (const [index, file] of logs.entries()) await log.addNode(nodes[index] as string, linesOf<LogEvent>(file));
  const judge = new Judge(log, anomalies);
  for (const file of histories) for await (const line of linesOf<HistoryLine>(file)) judge.add(line);
  judge.finish();
  return { totals: judge.totals, anomalies, events: log.entries.length, head: log.head, nodes: nodes.sort() };
}

const ANOMALIES_SHOWN_MAX = 40;

/** Why nothing was put to the test, as a sentence; null if something was. */
export function provesNothing({ totals }: Verdict): string | null {
  const missing = [
    ...(totals.acknowledged === 0 ? ["no write was acknowledged"] : []),
    ...(totals.linearizableAnswers === 0 ? ["no linearizable read was answered"] : []),
  ];
  return missing.length === 0 ? null : `This proves nothing: ${missing.join(", and ")}.`;
}

export function describeVerdict(verdict: Verdict): string[] {
  const { totals, anomalies, events, head, nodes } = verdict;
  const counts = [...anomalies.counts].map(([kind, count]) => `  ${count} × ${kind}: ${ANOMALY_KINDS[kind]}`);
  return [
    `${totals.appends} appends: ${totals.acknowledged} events acknowledged, ${totals.refused} refused, ${totals.unknown} unknown.`,
    `${totals.reads} reads, of them ${totals.linearizableReads} linearizable; ${totals.failedReads} got no answer.`,
    `The logs of ${nodes.join(", ")}: ${events} events, head ${head.slice(0, 16)}….`,
    ...(counts.length === 0 ? [provesNothing(verdict) ?? "No anomaly."] : ["ANOMALIES:", ...counts]),
    ...firstOf(
      anomalies.kept.map(({ kind, detail }) => `${kind}: ${detail}`),
      ANOMALIES_SHOWN_MAX,
      [...anomalies.counts.values()].reduce((sum, count) => sum + count, 0),
    ).map((line) => `    ${line}`),
  ];
}

export async function* linesOf<T>(file: string): AsyncGenerator<T> {
  let place = 0;
  for await (const text of textLines(file)) {
    place++;
    if (text === "") continue;
    try {
      yield JSON.parse(text) as T;
    } catch {
      throw new Error(`${file}: line ${place} is not JSON.`);
    }
  }
}

/** Only a line feed ends a line of NDJSON; for Node's readline, from version 24 on, U+2028 does too, which texts in JSON may have. */
async function* textLines(file: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(file, "utf8")) {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}
