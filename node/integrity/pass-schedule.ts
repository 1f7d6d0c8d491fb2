import { type ScheduledTask, schedule } from "node-cron";
import type { Logger } from "pino";

export type Schedule = Pick<PassSchedule, "nextRunAt" | "beginAnew" | "stop">;
/** Calls `begin` whenever a pass is to begin. */
export type MakeSchedule = (begin: () => void) => Schedule;

/** When passes begin: a cron expression, by the wall clock. */
export class PassSchedule {
  private task: ScheduledTask;

  constructor(
    private readonly expression: string,
    private readonly begin: () => void,
    private readonly logger: Logger,
  ) {
    this.task = this.make();
  }

  get nextRunAt(): number | null {
    return this.task.getNextRun()?.getTime() ?? null;
  }

  /** Its timer was set by a wall clock that was another one. A time that was missed is made up for. */
  beginAnew(isMissed: boolean): void {
    const before = this.task;
    this.task = this.make();
    void Promise.resolve(before.destroy()).catch((err) =>
      this.logger.warn({ err }, "an old schedule could not be ended"),
    );
    if (isMissed) this.begin();
  }

  async stop(): Promise<void> {
    await this.task.destroy();
  }

  /**
   * A time that came while this process was stopped, or busy, is made up for: the next one may be a day away. Of several the
   * last.
   */
  private make(): ScheduledTask {
    const { expression, begin, logger } = this;
    const missedExecutionTolerance = Number.MAX_SAFE_INTEGER;
    return schedule(expression, begin, { logger, suppressMissedWarning: true, missedExecutionTolerance });
  }
}
