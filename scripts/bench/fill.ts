import type { Spread } from "./load/events.js";
import type { Progress } from "./load/load-process.js";
import { HOT_EVENTS } from "./load/spec.js";
import type { Target } from "./targets/target.js";

/** How a log was written: by batches of a thousand or a hundred, or one event a request. */
export const FILLS = {
  batch: { batch: 1_000, clients: 4 },
  hundreds: { batch: 100, clients: 16 },
  singly: { batch: 1, clients: 64 },
} as const;
export type Fill = keyof typeof FILLS;
const SECONDS_MAX = 36_000;
const SAY_EVERY_S = 30;

export interface FillOptions {
  readonly events: number;
  readonly fill: Fill;
  readonly spread?: Spread;
  readonly bytes?: number;
}

/** Appends so many events; throws if one of them was not acknowledged. */
export async function fillWith(target: Target, { events, fill, ...shape }: FillOptions): Promise<number> {
  const { batch, clients } = FILLS[fill];
  let looks = 0;
  const say = ({ events: done }: Progress) => {
    if (++looks % SAY_EVERY_S === 0) process.stderr.write(`  ${done} events\n`);
  };
  const result = await target.load.run(
    {
      target: await target.at("leader"),
      work: { kind: "append", batch, ...shape },
      clients,
      seconds: SECONDS_MAX,
      operationsMax: Math.ceil(events / batch),
    },
    say,
  );
  const failed = Object.entries(result.errors).map(([reason, count]) => `${count} times ${reason}`);
  if (failed.length > 0) throw new Error(`${target.title} could not be filled: ${failed.join(", ")}.`);
  await target.caughtUp();
  return result.events / result.seconds;
}

/** Fills up to that size; what the newest reads are drawn from is in any case written that way. */
export async function fillUpTo(target: Target, { events, fill }: FillOptions): Promise<void> {
  const { size = 0 } = await target.standing();
  await fillWith(target, { events: Math.max(events - size, 2 * HOT_EVENTS), fill });
}
