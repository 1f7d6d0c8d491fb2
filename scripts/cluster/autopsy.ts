import type { ChildProcess } from "node:child_process";

type End = Pick<ChildProcess, "signalCode" | "exitCode">;

/** Why a program ended, in a sentence; `isFinal` when starting it again would end in the same way. */
export interface Autopsy {
  reason: string;
  isFinal: boolean;
  /** What a person can do, where the cause says more than the program's own advice. */
  advice?: string;
}

const EXIT_CODES: Record<number, string> = {
  14: "it met an error that it could not recover from",
  48: "it could not listen on its port",
  100: "it could not start with its data folder",
};
const MONGOD_STARTS = 4_615_611;

const OTHER_VERSION =
  /unsupported WiredTiger file version|UPGRADE PROBLEM|under any compatibility version|too recent to start up|Wrong mongod version|featureCompatibilityVersion document/i;

/** Causes that a second start meets again. The first that fits is the cause; none of the advice gives data away. */
const FINAL_CAUSES: readonly {
  /** `errors` are those of its newest run; `text` has its warnings as well. */
  fits: (end: End, errors: string, text: string) => boolean;
  reason: string;
  advice: string;
}[] = [
  {
    fits: (_, errors) => errors.includes("DBPathInUse"),
    reason: "another mongod is using its data folder",
    advice: "Stop that mongod, then start again.",
  },
  {
    fits: ({ exitCode }, _, text) => exitCode === 62 || OTHER_VERSION.test(text),
    reason: "its data were written by another version of MongoDB, which this one cannot open",
    advice: "Start with a mongod of that version (MONGOD_BINARY=/path/to/mongod). The data are as they were.",
  },
  {
    fits: (_, errors) => /read-only directory|permission denied|Operation not permitted/i.test(errors),
    reason: "it has not the right to use its data folder",
    advice: "Start as the user who owns the folder, or give this one the right to read and write all of it.",
  },
  {
    fits: ({ exitCode }) => exitCode === 2,
    reason: "it does not know one of its arguments",
    advice: "Use another mongod, 5.0 or newer: MONGOD_BINARY=/path/to/mongod.",
  },
  {
    fits: ({ signalCode }) => signalCode === "SIGILL",
    reason: "it is built for another processor",
    advice: "Use a mongod that is built for this one: MONGOD_BINARY=/path/to/mongod.",
  },
  {
    fits: (_, errors) => /WT_TRY_SALVAGE|read checksum error|turtle/.test(errors),
    reason: "its data files are damaged",
    advice:
      "Keep the folder as it is: a copy can be repaired, or a backup brought back. If a majority of the other nodes is " +
      "sound, docs/operating/running.md says how this one takes the log from them.",
  },
];

export interface Circumstances {
  /** Bytes free where its data and logs are; a full disk leaves no room for its last words either. */
  freeBytes: number;
  /** It was ready once since this start. */
  hasServed: boolean;
}

const FULL_DISK_BYTES = 64 * 1024;

/** The first error of the newest run names the cause; the rest tell how mongod went down. */
export function whyMongodEnded(end: End, logLines: string[], { freeBytes, hasServed }: Circumstances): Autopsy {
  const lines = logLines.map(parse);
  const newestRun = lines.slice(lines.findLastIndex((line) => line?.id === MONGOD_STARTS) + 1);
  const errors = newestRun.filter((line) => line?.s === "E" || line?.s === "F");
  const told = errors[0] === undefined ? "" : `: ${textOfError(errors[0])}`;
  const text = JSON.stringify(newestRun.filter((line) => line?.s === "W" || errors.includes(line)));
  const final = FINAL_CAUSES.find(({ fits }) => fits(end, JSON.stringify(errors), text));
  if (/"error":28\b|No space left on device/.test(text) || freeBytes < FULL_DISK_BYTES) {
    // Under a cluster that ran, the space may come back as it went; a start that finds none needs a person.
    const advice = "Free some space there, or move all data to a larger disk, and start again.";
    return { reason: `its disk is full${told}`, isFinal: !hasServed, advice };
  }
  if (final !== undefined) return { reason: `${final.reason}${told}`, isFinal: true, advice: final.advice };
  return { reason: `${howItEnded(end)}${told}`, isFinal: false };
}

function textOfError({ msg, attr }: { msg?: string; attr?: { error?: unknown; message?: { msg?: string } } }): string {
  const detail = attr?.message?.msg ?? (attr?.error === undefined ? "" : textOf(attr.error));
  return `${msg}${detail && ` (${detail})`}`;
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
