import type { ProfileName } from "./profiles.js";
import { type Failure, type RunResult, simulate } from "./simulation.js";

const REPLAYS_MAX = 60;
const STORY_LINES = 60;

/**
 * The shortest run that this finds which still breaks the same promise: blows of the nemesis are left out, in halves,
 * quarters and one by one, as long as it fails. Returns its last lines, and the command that replays it.
 */
export function tellStory({ seed, strikes, failure }: RunResult, profile: ProfileName): string[] {
  if (failure === null) return [];
  let without = new Set<number>();
  let last: Failure = failure;
  let replays = 0;
  const fails = (left: Set<number>): boolean => {
    if (replays >= REPLAYS_MAX) return false;
    replays += 1;
    const result = simulate({ seed, profile, without: left });
    if (result.failure?.property !== failure.property) return false;
    last = result.failure;
    return true;
  };
  for (let size = Math.ceil(strikes / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = strikes - size; from > -size; from -= size) {
      const block = Array.from({ length: size }, (_, i) => from + i).filter((n) => n >= 0 && !without.has(n));
      const left = new Set([...without, ...block]);
      if (block.length > 0 && fails(left)) without = left;
    }
  }
  const lines: string[] = [];
  simulate({ seed, profile, without, print: (line) => lines.push(line) });
  const told = lines.filter((line) => !/ (got|stored op|durable:) /.test(line) || /FAULT|ALERT|ROLE/.test(line));
  const list = [...without].sort((a, b) => a - b).join(",");
  return [
    `${strikes - without.size} of ${strikes} faults suffice; the story's end, who said what to whom:`,
    ...told.slice(-STORY_LINES),
    `at ${last.atMs} ms: ${last.message}`,
    `npm run simulate -- --seed ${seed}${profile === "mixed" ? "" : ` --profile ${profile}`}${list === "" ? "" : ` --without ${list}`} --trace`,
  ];
}
