import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { median } from "./statistics.js";
import type { Watched } from "./targets/target.js";

const SAMPLE_EVERY_MS = 500;
/** Linux counts CPU time in hundredths of a second, whatever the kernel's own timer does. */
const TICKS_PER_SECOND = 100;

/** What a process has used since its start. */
interface Use {
  readonly cpuSeconds: number;
  /** How often one of its threads gave its core back to wait for something, and so was woken again. */
  readonly wakeups: number;
}

/** Undefined where it has gone, or where the system does not say. */
export function useOf(pid: number): Use | undefined {
  try {
    // The name in brackets may hold spaces: the fields are counted from behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    const wakeups = readdirSync(`/proc/${pid}/task`).map((thread) => wakeupsOf(pid, thread));
    return { cpuSeconds, wakeups: wakeups.reduce((sum, count) => sum + count, 0) };
  } catch {
    return undefined;
  }
}

function wakeupsOf(pid: number, thread: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0; // A thread that has just ended.
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

/** The average over the processes of a role. */
export interface RoleUse {
  readonly processes: number;
  readonly cores: number;
  readonly microsPerEvent: number;
  readonly wakeupsPerEvent: number;
}

/** Between its making and its end. */
export class UseMeter {
  readonly #before: readonly (Use | undefined)[];

  constructor(
    private readonly watched: readonly Watched[],
    private readonly read: (pid: number) => Use | undefined = useOf,
  ) {
    this.#before = watched.map(({ pid }) => read(pid));
  }

  end(seconds: number, events: number): Record<string, RoleUse> {
    const uses = this.watched.flatMap(({ role, pid }, index) => {
      const [before, after] = [this.#before[index], this.read(pid)];
      if (before === undefined || after === undefined) return [];
      return [{ role, cpuSeconds: after.cpuSeconds - before.cpuSeconds, wakeups: after.wakeups - before.wakeups }];
    });
    const roles = [...new Set(uses.map(({ role }) => role))];
    return Object.fromEntries(
      roles.map((role) => {
        const ofRole = uses.filter((use) => use.role === role);
        const mean = (key: "cpuSeconds" | "wakeups") => ofRole.reduce((sum, use) => sum + use[key], 0) / ofRole.length;
        const use: RoleUse = {
          processes: ofRole.length,
          cores: mean("cpuSeconds") / seconds,
          microsPerEvent: (mean("cpuSeconds") * 1e6) / Math.max(1, events),
          wakeupsPerEvent: mean("wakeups") / Math.max(1, events),
        };
        return [role, use];
      }),
    );
  }
}

export interface MemoryUse {
  readonly label: string;
  readonly isNode: boolean;
  readonly maxMb: number;
  readonly medianMb: number;
  /** The most in each measurement. */
  readonly during: Readonly<Record<string, number>>;
  readonly samples: number;
}

/** The resident memory of each process, twice a second. */
export class MemorySampler {
  readonly #processes = new Map<string, { isNode: boolean; samples: number[]; during: Record<string, number> }>();
  #watched: readonly Watched[] = [];
  #during = "start";
  readonly #timer = setInterval(() => this.sample(), SAMPLE_EVERY_MS);

  constructor(private readonly read: (pid: number) => number | undefined = residentMb) {}

  /** Roles and process ids may have changed since the last measurement. */
  watch(watched: readonly Watched[], during: string): void {
    this.#watched = watched;
    this.#during = during;
  }

  /** Some of them may have been started again meanwhile. */
  renew(watched: readonly Watched[]): void {
    const labels = new Set(watched.map(({ label }) => label));
    this.#watched = [...this.#watched.filter(({ label }) => !labels.has(label)), ...watched];
  }

  stop(): MemoryUse[] {
    clearInterval(this.#timer);
    return [...this.#processes].map(([label, { isNode, samples, during }]) => ({
      label,
      isNode,
      maxMb: samples.reduce((most, mb) => Math.max(most, mb), 0),
      medianMb: median(samples),
      during,
      samples: samples.length,
    }));
  }

  sample(): void {
    for (const { label, role, pid } of this.#watched) {
      const mb = this.read(pid);
      if (mb === undefined) continue;
      const isNode = role === "leader" || role === "follower";
      const known = this.#processes.get(label) ?? { isNode, samples: [], during: {} };
      known.samples.push(mb);
      known.during[this.#during] = Math.max(known.during[this.#during] ?? 0, mb);
      this.#processes.set(label, known);
    }
  }
}
