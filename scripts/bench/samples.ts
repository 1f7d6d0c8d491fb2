import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { median } from "./statistics.js";
import type { Watched } from "./targets/target.js";

const SAMPLE_EVERY_MS = 1_000;
/** Linux counts CPU time in hundredths of a second, whatever the kernel's own timer does. */
const TICKS_PER_SECOND = 100;

/** CPU time a process has used; undefined where it has gone, or where the system does not say. */
export function cpuSecondsOf(pid: number): number | undefined {
  try {
    // The name in brackets may hold spaces: the fields are counted from behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

/** Resident memory in MB (10^6 bytes). */
export function residentMb(pid: number): number | undefined {
  try {
    const kilobytes =
      process.platform === "linux"
        ? /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
        : execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
    return kilobytes === undefined ? undefined : (Number(kilobytes) * 1_024) / 1e6;
  } catch {
    return undefined;
  }
}

/** How many cores each role kept busy, its processes taken together. */
export function busyCores(
  watched: readonly Watched[],
  before: readonly (number | undefined)[],
  seconds: number,
): Record<string, number> {
  const cores: Record<string, number> = {};
  watched.forEach(({ role, pid }, index) => {
    const from = before[index];
    const to = cpuSecondsOf(pid);
    if (from !== undefined && to !== undefined) cores[role] = (cores[role] ?? 0) + (to - from) / seconds;
  });
  return cores;
}

export interface MemoryUse {
  readonly label: string;
  readonly maxMb: number;
  readonly medianMb: number;
  /** The measurement in which the most was seen. */
  readonly maxDuring: string;
  readonly samples: number;
}

/** The resident memory of each process, each second. */
export class MemorySampler {
  readonly #samples = new Map<string, number[]>();
  readonly #max = new Map<string, { mb: number; during: string }>();
  #watched: readonly Watched[] = [];
  #during = "start";
  readonly #timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);

  /** Roles and process ids may have changed since the last measurement. */
  watch(watched: readonly Watched[], during: string): void {
    this.#watched = watched;
    this.#during = during;
  }

  stop(): MemoryUse[] {
    clearInterval(this.#timer);
    return [...this.#samples].map(([label, samples]) => {
      const { mb = 0, during = "" } = this.#max.get(label) ?? {};
      return { label, maxMb: mb, medianMb: median(samples), maxDuring: during, samples: samples.length };
    });
  }

  #sample(): void {
    for (const { label, pid } of this.#watched) {
      const mb = residentMb(pid);
      if (mb === undefined) continue;
      const samples = this.#samples.get(label) ?? [];
      samples.push(mb);
      this.#samples.set(label, samples);
      if (mb > (this.#max.get(label)?.mb ?? 0)) this.#max.set(label, { mb, during: this.#during });
    }
  }
}
