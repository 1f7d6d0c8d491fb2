import type { ChildProcess } from "node:child_process";

type End = Pick<ChildProcess, "signalCode" | "exitCode">;

const EXIT_CODES: Record<number, string> = {
  14: "it met an error that it could not recover from",
  48: "its port was taken by another program",
  100: "it could not start with its data folder",
};
const MONGOD_STARTS = 4_615_611;

/** Of the newest run's errors the first one names the cause; the rest tell how mongod went down. */
export function whyMongodEnded(end: End, logLines: string[]): string {
  const lines = logLines.map(parse);
  const newestStart = lines.findLastIndex((line) => line?.id === MONGOD_STARTS);
  const error = lines.slice(newestStart + 1).find((line) => line?.s === "E" || line?.s === "F");
  if (error === undefined) return howItEnded(end);
  const { msg, attr } = error as { msg: string; attr?: { error?: unknown; message?: { msg?: string } } };
  const detail = attr?.message?.msg ?? (attr?.error === undefined ? "" : textOf(attr.error));
  return `${howItEnded(end)}: ${msg}${detail && ` (${detail})`}`;
}

/** A node's newest error; a plain line counts too: a loader error or a stack that never reached the logger. */
export function whyNodeEnded(end: End, logLines: string[]): string {
  for (const line of logLines.slice(-200).reverse()) {
    const entry = parse(line);
    if (entry === undefined && /^\S*Error\b/.test(line)) return `${howItEnded(end)}: ${line.trim()}`;
    if (entry?.level === "error" || entry?.level === "fatal") return `${howItEnded(end)}: ${entry.msg}`;
  }
  return howItEnded(end);
}

function howItEnded({ signalCode, exitCode }: End): string {
  if (signalCode !== null) return `it was ended by ${signalCode}`;
  return EXIT_CODES[exitCode ?? 0] ?? `it ended with exit code ${exitCode}`;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
