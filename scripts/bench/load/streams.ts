import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { reapWithUs } from "../../mongod/reaper.js";
import { exitOf } from "../../processes.js";
import { projectRoot } from "../../project.js";
import type { Collected, FromStreams, StreamOrder, ToStreams } from "./stream-process.js";

/** The readers of streams, in a process of their own. */
export class StreamProcess {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves when all streams are open. */
  static async open(order: StreamOrder): Promise<StreamProcess> {
    const script = join(projectRoot(), "dist/scripts/bench/load/stream-process.js");
    const child = fork(script, [], { serialization: "advanced" });
    reapWithUs(child);
    const streams = new StreamProcess(child);
    await streams.#ask({ kind: "open", order });
    return streams;
  }

  async collect(): Promise<Collected> {
    const answer = await this.#ask({ kind: "collect" });
    if (answer.kind !== "collected") throw new Error("The stream process gave another answer.");
    return answer;
  }

  async stop(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    await exitOf(this.child);
  }

  #ask(message: ToStreams): Promise<FromStreams> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error("The stream process has ended."));
      this.child.once("exit", onExit);
      this.child.once("message", (answer: FromStreams) => {
        this.child.off("exit", onExit);
        if (answer.kind === "failed") reject(new Error(`A stream could not be opened: ${answer.message}`));
        else resolve(answer);
      });
      this.child.send(message);
    });
  }
}
