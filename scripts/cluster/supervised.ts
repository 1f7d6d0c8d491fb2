import type { ChildProcess } from "node:child_process";
import { fileProblem, isPassing } from "../lib/file-problem.js";
import { exitOf, hasExited, stopChild } from "../lib/processes.js";
import { messageOf } from "../lib/project.js";
import type { Autopsy } from "./autopsy.js";

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
  /** Why it died. */
  autopsy(child: ChildProcess): Autopsy;
}

export type ProgramEvent =
  | { kind: "up"; program: string; pid: number; isRestart: boolean }
  | { kind: "died"; program: string; reason: string; restartInMs: number }
  | {
      kind: "down";
      program: string;
      reason: string;
      exitCode: number | null;
      isFinal: boolean;
      logPath: string;
      advice: string;
    };

/** Keeps one program running until it is told to stop, is killed on purpose, or has died too often. */
export class Supervised {
  #child: ChildProcess | undefined;
  #isWanted = false;
  #launches = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #policy = new RestartPolicy();
  #isUp = false;
  #waiters: (() => void)[] = [];
  /** Asked to stop: a second signal would end it at once. */
  #stopping: ChildProcess | undefined;

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
    if (child) await stopChild(child, child === this.#stopping ? null : "SIGTERM", patienceMs);
  }

  signal(name: NodeJS.Signals): void {
    if (name === "SIGTERM") this.#stopping = this.#child;
    this.#child?.kill(name);
  }

  #release(): ChildProcess | undefined {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    return this.#child;
  }

  #launchOrGiveUp(): void {
    this.#launch().catch((error) => this.#failed(failureOf(error)));
  }

  async #launch(): Promise<void> {
    const launch = ++this.#launches;
    await this.program.prepare();
    // It may have been stopped, or stopped and started anew, while it was preparing.
    if (!this.#isWanted || launch !== this.#launches) return;
    const child = this.program.spawn();
    this.#child = child;
    let notReady: string | undefined;
    child.once("exit", () => this.#buried(child, notReady));
    child.once("error", (error) => this.#buried(child, failureOf(error)));
    try {
      await this.program.ready(child);
    } catch (error) {
      if (!hasExited(child)) notReady = messageOf(error);
      child.kill("SIGKILL");
      return;
    }
    if (this.#child !== child) return;
    this.#isUp = true;
    this.emit({ kind: "up", program: this.program.label, pid: child.pid as number, isRestart: launch > 1 });
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** `cause` where it is known before its corpse is looked at: it never ran, or was killed because it was never ready. */
  #buried(child: ChildProcess, cause?: Autopsy | string): void {
    if (this.#child !== child) return;
    this.#isUp = false;
    this.#child = undefined;
    if (!this.#isWanted) return;
    const { exitCode } = child;
    if (typeof cause === "string") this.#failed({ reason: cause, isFinal: false }, exitCode);
    else this.#failed(cause ?? this.program.autopsy(child), exitCode);
  }

  #failed({ reason, isFinal, advice = this.program.advice }: Autopsy, exitCode: number | null = null): void {
    if (!this.#isWanted) return;
    const { label, logPath } = this.program;
    const restartInMs = isFinal ? undefined : this.#policy.delayAfterDeathMs(performance.now());
    if (restartInMs === undefined) {
      this.#isWanted = false;
      this.emit({ kind: "down", program: label, reason, exitCode, isFinal, logPath, advice });
      return;
    }
    this.emit({ kind: "died", program: label, reason, restartInMs });
    this.#timer = setTimeout(() => this.#launchOrGiveUp(), restartInMs);
  }
}

/** A program that cannot be prepared or spawned (no right, no such file) cannot be a second later either, save on a full disk. */
const failureOf = (error: unknown): Autopsy => ({ reason: fileProblem(error), isFinal: !isPassing(error) });
