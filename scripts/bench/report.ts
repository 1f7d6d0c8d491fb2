import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../lib/project.js";
import { type Calibration, calibrationText } from "./calibration.js";
import type { EVENT_BYTES } from "./load/events.js";
import type { Machine } from "./machine.js";
import type { BenchOptions } from "./options.js";
import type { ArmResult, MeasurementResult } from "./runner.js";
import type { MemoryUse, RoleUse } from "./samples.js";
import { median } from "./statistics.js";
import type { StreamLag } from "./stream-lag.js";
import { aligned, markdownTable, type Rows } from "./tables.js";

/** 2: uses by process in place of busy cores, memory by measurement, the calibration. */
export const SCHEMA_VERSION = 2;

export interface BenchReport {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly startedAt: string;
  readonly minutes: number;
  readonly machine: Machine;
  readonly calibration: readonly Calibration[];
  readonly options: BenchOptions;
  readonly eventBytes: typeof EVENT_BYTES;
  /** By name, in words. */
  readonly systems: Readonly<Record<string, string>>;
  /** What was asked for and could not be measured. */
  readonly absent: readonly string[];
  readonly measurements: readonly MeasurementResult[];
  readonly streamLag: readonly StreamLag[];
  readonly memory: readonly MemoryUse[];
}

const FILL_TEXT = { batch: "in batches of 1,000", hundreds: "in batches of 100", singly: "one by one" } as const;

/** A title, or rows of cells with a heading. */
interface Section {
  readonly title: string;
  readonly rows: Rows;
}

const APPEND_HEAD = ["", "system", "per second", "sustained", "catch-up s", "p50 ms", "p99 ms", "p99.9 ms", "ratio"];
const CORES_HEAD = ["", "system", "each process of a role: busy cores (µs, wake-ups an event)"];
const LAG_HEAD = ["load", "node", "events", "missing", "before the answer", "p50 ms", "p99 ms", "max ms"];
const MEMORY_HEAD = ["process", "max MB", "median MB"];
const DURING_HEAD = ["", "most of each node process, MB"];

export function terminalText(report: BenchReport): string {
  const text = sectionsOf(report).map(({ title, rows }) => `${title}\n\n${aligned(rows)}\n`);
  return ["", ...text, calibrationText(report.calibration), ...remarksOf(report).map((line) => `! ${line}`), ""].join(
    "\n",
  );
}

export function markdownText(report: BenchReport): string {
  const sections = sectionsOf(report).map(({ title, rows }) => `## ${title}\n\n${markdownTable(rows)}`);
  const remarks = remarksOf(report).map((line) => `- ${line}`);
  return `${[
    `# Benchmark of ${report.startedAt}`,
    machineText(report),
    methodText(report),
    ...sections,
    `## Remarks\n\n${remarks.length > 0 ? remarks.join("\n") : "None: no error, no change of leader, nothing missing."}`,
  ].join("\n\n")}\n`;
}

/** Two files named by the time; returns their path without the ending, from the repository's folder. */
export function writeReport(report: BenchReport, text: string): string {
  mkdirSync(join(projectRoot(), "bench-results"), { recursive: true });
  const name = join("bench-results", report.startedAt.replaceAll(/[:.]/g, "-"));
  writeFileSync(join(projectRoot(), `${name}.json`), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(join(projectRoot(), `${name}.md`), text);
  return name;
}

function sectionsOf({ measurements, streamLag, memory }: BenchReport): Section[] {
  const groups = [...new Set(measurements.map(({ group }) => group))];
  const sections: Section[] = groups.map((group) => {
    const rows = measurements.filter((one) => one.group === group).flatMap(rowsOf);
    return { title: group, rows: [APPEND_HEAD, ...rows] };
  });
  if (measurements.length > 0)
    sections.push({ title: "Where the CPU went", rows: [CORES_HEAD, ...coresRows(measurements)] });
  if (streamLag.length > 0) sections.push({ title: "Stream lag", rows: [LAG_HEAD, ...streamLag.map(lagRow)] });
  if (memory.length > 0)
    sections.push(
      { title: "Resident memory", rows: [MEMORY_HEAD, ...memory.map(memoryRow)] },
      { title: "Resident memory by measurement", rows: [DURING_HEAD, ...duringRows(memory)] },
    );
  return sections;
}

function rowsOf({ name, arms, ratios }: MeasurementResult): string[][] {
  return arms.map((arm, index) => {
    const of = (key: "perSecond" | "sustainedPerSecond" | "catchUpSeconds" | "p50Ms" | "p99Ms") =>
      median(arm.rounds.map((round) => round[key]));
    const p999 = arm.rounds.map(({ p999Ms }) => p999Ms).filter((value) => value !== null);
    // An arm's ratio is the first one's to it.
    const ratio = ratios.find(({ to }) => to === arm.label);
    return [
      index === 0 ? name : "",
      arm.label,
      whole(of("perSecond")),
      arm.catchesUp === null ? "–" : whole(of("sustainedPerSecond")),
      arm.catchesUp === null ? "–" : of("catchUpSeconds").toFixed(2),
      of("p50Ms").toFixed(2),
      of("p99Ms").toFixed(2),
      p999.length === arm.rounds.length ? median(p999).toFixed(2) : "–",
      index === 0 || ratio === undefined ? "" : `× ${ratio.sustained.toFixed(2)} (${range(ratio.sustainedRange)})`,
    ];
  });
}

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const range = ([low, high]: readonly [number, number]): string => `${low.toFixed(2)}–${high.toFixed(2)}`;

function coresRows(measurements: readonly MeasurementResult[]): string[][] {
  return measurements.flatMap(({ name, arms }) =>
    arms.map((arm, index) => [index === 0 ? name : "", arm.label, coresText(arm)]),
  );
}

function coresText({ rounds }: ArmResult): string {
  const roles = [...new Set(rounds.flatMap(({ uses }) => Object.keys(uses)))];
  return roles.map((role) => useText(role, rounds)).join(", ");
}

function useText(role: string, rounds: ArmResult["rounds"]): string {
  const uses = rounds.flatMap(({ uses }) => uses[role] ?? []);
  const of = (key: keyof RoleUse) => median(uses.map((use) => use[key]));
  const processes = Math.round(of("processes"));
  const perEvent = `${of("microsPerEvent").toFixed(0)}, ${of("wakeupsPerEvent").toFixed(2)}`;
  return `${processes > 1 ? `${processes} × ` : ""}${role} ${of("cores").toFixed(2)} (${perEvent})`;
}

const memoryRow = ({ label, maxMb, medianMb }: MemoryUse): string[] => [label, maxMb.toFixed(0), medianMb.toFixed(0)];

function duringRows(memory: readonly MemoryUse[]): string[][] {
  const nodes = memory.filter(({ isNode }) => isNode);
  const names = [...new Set(nodes.flatMap(({ during }) => Object.keys(during)))];
  return names.map((name) => {
    const seen = nodes.flatMap(({ label, during }) => {
      const mb = during[name];
      return mb === undefined ? [] : [`${label} ${mb.toFixed(0)}`];
    });
    return [name, seen.join(", ")];
  });
}

const lagRow = (lag: StreamLag): string[] => [
  lag.load,
  `${lag.node} (${lag.role})`,
  whole(lag.events),
  whole(lag.missing),
  `${(lag.shareBeforeAnswer * 100).toFixed(0)} %`,
  lag.p50Ms.toFixed(2),
  lag.p99Ms.toFixed(2),
  lag.maxMs.toFixed(2),
];

function remarksOf({ measurements, streamLag, absent, machine }: BenchReport): string[] {
  const ofRuns = measurements.flatMap(({ name, arms }) =>
    arms.flatMap(({ label, rounds }) =>
      rounds.flatMap(({ remarks }, round) => remarks.map((text) => `${name}, ${label}, round ${round + 1}: ${text}.`)),
    ),
  );
  const missing = streamLag.filter((lag) => lag.missing > 0);
  const busy = machine.loadAverage > 0.3 * machine.cores;
  return [
    ...absent,
    ...(busy ? [`The machine was not idle at the start: load average ${machine.loadAverage}.`] : []),
    ...ofRuns,
    ...missing.map((lag) => `${lag.name}: ${lag.missing} acknowledged events were not seen on ${lag.node}'s stream.`),
  ];
}

function machineText({ machine, minutes, calibration }: BenchReport): string {
  const { cores, cpu, memoryGb, platform, fileSystem, disk, fdatasyncMs } = machine;
  return [
    `- Machine: ${cores} cores (${cpu}), ${memoryGb} GB of memory, ${platform}`,
    `- Disk: ${disk}, ${fileSystem}; a durable write of 4 KiB takes ${fdatasyncMs} ms (median)`,
    `- Node ${machine.node}, mongod ${machine.mongod}, etcd ${machine.etcd}, NATS ${machine.nats}; Quorumlog at ${machine.commit}`,
    `- ${calibrationText(calibration)}`,
    `- Load average of the minute before: ${machine.loadAverage}; the run took ${minutes} minutes`,
  ].join("\n");
}

function methodText({ options, systems, eventBytes }: BenchReport): string {
  const { rounds, seconds } = options;
  return [
    ...Object.entries(systems).map(([name, title]) => `- \`${name}\`: ${title}`),
    "",
    `Events of about ${eventBytes} bytes. Reads are drawn from ${options.events} events, written ${FILL_TEXT[options.fill]}. Everything, the`,
    `clients too, shares this machine. Each figure is the median of ${rounds} round${rounds === 1 ? "" : "s"} of ${seconds} s; in each round the systems take turns while the others idle. A ratio is the first`,
    "system's sustained rate over that row's in the same round: median, and range.",
    "**per second** is events acknowledged (reads: answers) a second. **sustained** counts in the time until everything",
    "acknowledged can be read on every member (Quorumlog: every node's reads show it; MongoDB: every member has",
    "applied it). What is acknowledged is durable on a majority, for all of them. Percentiles are of successful operations.",
  ].join("\n");
}
