import type { ChildProcess } from "node:child_process";
import { exitOf, stopChild } from "../processes.js";
import { messageOf } from "../project.js";

const DEATHS_MAX = 5;
const DEATHS_WINDOW_MS = 60_000;
const FIRST_DELAY_MS = 1_000;

/** One second after the first death, twice as long after each further one; after five in a minute, no more. */
export class RestartPolicy {
  #deaths: number[] = [];

  delayAfterDeathMs(nowMs: number): number | undefined {
    this.#deaths = [...this.#deaths.filter((at) => nowMs - at < DEATHS_WINDOW_MS), nowMs];
    return this.#deaths.length >= DEATHS_MAX ? undefined : FIRST_DELAY_MS * 2 ** (this.#deaths.length - 1);
  }
}

export interface Program {
  /** As the screen names it: `n1`, `mongod of n1`. */
  label: string;
  logPath: string;
  /** What a person can do when it stays down. */
  advice: string;
  /** What must be done or awaited before it is spawned. */
  prepare(): Promise<void>;
  spawn(): ChildProcess;
  /** Resolves when it serves; rejects when it cannot. */
  ready(child: ChildProcess): Promise<void>;
  /** Why it died, in a sentence; `isFinal` when starting it again would end in the same way. */
  autopsy(child: ChildProcess): { reason: string; isFinal: boolean };
}

export type ProgramEvent =
  | { kind: "up"; program: string; pid: number; isRestart: boolean }
  | { kind: "died"; program: string; reason: string; restartInMs: number }
  | { kind: "down"; program: string; reason: string; exitCode: number | null; logPath: string; advice: string };

/** Keeps one program running until it is told to stop, is killed on purpose, or has died too often. */
export class Supervised {
  #child: ChildProcess | undefined;
  #isWanted = false;
  #launches = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #policy = new RestartPolicy();
  #isUp = false;
  #waiters: (() => void)[] = [];

  constructor(
    readonly program: Program,
    private readonly emit: (event: ProgramEvent) => void,
  ) {}

  get pid(): number | undefined {
    return this.#isUp ? this.#child?.pid : undefined;
  }

  start(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#launchOrGiveUp();
  }

  async whenUp(): Promise<void> {
    if (!this.#isUp) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** SIGKILL, and it stays down until `start` is called. */
  async kill(): Promise<void> {
    const child = this.#release();
    child?.kill("SIGKILL");
    if (child) await exitOf(child);
  }

  async stop(patienceMs: number): Promise<void> {
    const child = this.#release();
    if (child) await stopChild(child, "SIGTERM", patienceMs);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  #release(): ChildProcess | undefined {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    return this.#child;
  }

  #launchOrGiveUp(): void {
    this.#launch().catch((error) => {
      // What cannot even be prepared or spawned (no permission, no space) cannot be a second later either.
      this.#isWanted = false;
      this.#emitDown(messageOf(error), null);
    });
  }

  async #launch(): Promise<void> {
    const launch = ++this.#launches;
    await this.program.prepare();
    // It may have been stopped, or stopped and started anew, while it was preparing.
    if (!this.#isWanted || launch !== this.#launches) return;
    const child = this.program.spawn();
    this.#child = child;
    child.once("exit", () => this.#buried(child));
    child.once("error", (error) => this.#buried(child, error));
    try {
      await this.program.ready(child);
    } catch {
      child.kill("SIGKILL");
      return;
    }
    if (this.#child !== child) return;
    this.#isUp = true;
    this.emit({ kind: "up", program: this.program.label, pid: child.pid as number, isRestart: launch > 1 });
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #buried(child: ChildProcess, spawnError?: Error): void {
    if (this.#child !== child) return;
    this.#isUp = false;
    this.#child = undefined;
    if (!this.#isWanted) return;
    const { reason, isFinal } = spawnError
      ? { reason: spawnError.message, isFinal: true }
      : this.program.autopsy(child);
    const restartInMs = isFinal ? undefined : this.#policy.delayAfterDeathMs(performance.now());
    if (restartInMs === undefined) {
      this.#isWanted = false;
      this.#emitDown(reason, child.exitCode);
      return;
    }
    this.emit({ kind: "died", program: this.program.label, reason, restartInMs });
    this.#timer = setTimeout(() => this.#launchOrGiveUp(), restartInMs);
  }

  #emitDown(reason: string, exitCode: number | null): void {
    const { label, logPath, advice } = this.program;
    this.emit({ kind: "down", program: label, reason, exitCode, logPath, advice });
  }
}
