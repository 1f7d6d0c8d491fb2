import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { exitOf } from "../../lib/processes.js";
import { projectRoot } from "../../lib/project.js";
import { reapWithUs } from "../../mongod/reaper.js";
import type { FromLoad, LoadResult, LoadSpec, ToLoad } from "./spec.js";

export type Progress = FromLoad & { kind: "progress" };

/** A process that loads one system, one run after the other: so its code is warm when it is measured. */
export class LoadProcess {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(join(projectRoot(), "dist/scripts/bench/load/process.js"), [], { serialization: "advanced" });
    reapWithUs(this.#child);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  run(spec: LoadSpec, onProgress: (progress: Progress) => void = () => {}): Promise<LoadResult> {
    return new Promise((resolve, reject) => {
      const onExit = () => settle(() => reject(new Error("The load process has ended.")));
      const onMessage = (message: FromLoad) => {
        if (message.kind === "progress") onProgress(message);
        else if (message.kind === "result") settle(() => resolve(message.result));
        else settle(() => reject(new Error(`The load failed: ${message.message}`)));
      };
      const settle = (how: () => void) => {
        this.#child.off("message", onMessage).off("exit", onExit);
        how();
      };
      this.#child.on("message", onMessage).once("exit", onExit);
      this.#tell({ kind: "run", spec });
    });
  }

  /** Ends the run before its time: what is under way is still answered and counted. */
  finish(): void {
    this.#tell({ kind: "finish" });
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await exitOf(this.#child);
  }

  #tell(message: ToLoad): void {
    if (this.#child.connected) this.#child.send(message);
  }
}
