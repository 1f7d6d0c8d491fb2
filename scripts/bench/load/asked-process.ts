import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { exitOf } from "../../lib/processes.js";
import { projectRoot } from "../../lib/project.js";
import { reapWithUs } from "../../mongod/reaper.js";

type Answer<T> = T | { readonly failed: string };

/** A process of this folder that answers each question with one message. */
export class AskedProcess<Question extends object, Answered> {
  readonly #child: ChildProcess;

  constructor(file: string) {
    this.#child = fork(join(projectRoot(), "dist/scripts/bench/load", file), [], { serialization: "advanced" });
    reapWithUs(this.#child);
  }

  ask(question: Question): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error("A process of the benchmark has ended."));
      this.#child.once("exit", onExit);
      this.#child.once("message", (answer: Answer<Answered>) => {
        this.#child.off("exit", onExit);
        if (typeof answer === "object" && answer !== null && "failed" in answer) reject(new Error(answer.failed));
        else resolve(answer);
      });
      this.#child.send(question);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await exitOf(this.#child);
  }
}

/** The other side, in the process itself. */
export function answerWith<Question, Answered>(answer: (question: Question) => Promise<Answered>): void {
  process.on("message", (question: Question) => {
    answer(question).then(
      (answered) => process.send?.(answered),
      (error: Error) => process.send?.({ failed: error.message }),
    );
  });
  process.on("disconnect", () => process.exit());
}
