import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { minutesOf, UsageError, wholeNumber } from "../../scripts/lib/usage.js";
import { PROFILE_NAMES, type ProfileName } from "./profiles.js";
import type { SeedsOptions } from "./seeds.js";

export const USAGE = `Usage: npm run simulate -- [options]

Runs the deterministic simulator of the replicated log. Exit code 3 says that a promise was broken.

  --seed N        the first seed (default 1); without --seeds and --minutes that one run
  --seeds COUNT   how many (default 500)
  --profile NAME  ${PROFILE_NAMES.join(", ")} (default mixed)
  --minutes M     as many seeds as fit, instead of a count
  --workers N     processes (default: one a core)
  --except LIST   seeds that are left out: numbers, comma-separated
  --fail-fast     stop at the first seed that fails

With one seed:

  --trace         print everything that happens
  --without LIST  leave these blows of the nemesis out: numbers, comma-separated
  --until MS      stop there
`;

export interface OneRun {
  readonly kind: "one";
  readonly seed: number;
  readonly profile: ProfileName;
  readonly isTraced: boolean;
  readonly without: readonly number[];
  readonly untilMs: number | undefined;
}
export interface ManyRuns extends SeedsOptions {
  readonly kind: "many";
}

const SEEDS = 500;
const COUNT_MAX = 1_000_000_000;

/** Throws UsageError, or what parseArgs throws for an option that it does not know. */
export function parseSimOptions(args: string[]): OneRun | ManyRuns | { readonly kind: "help" } {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      profile: { type: "string", default: "mixed" },
      minutes: { type: "string" },
      workers: { type: "string" },
      except: { type: "string" },
      trace: { type: "boolean", default: false },
      without: { type: "string" },
      until: { type: "string" },
      "fail-fast": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  const number = (name: "seed" | "seeds" | "workers" | "until", from: number, max = COUNT_MAX): number | undefined =>
    values[name] === undefined ? undefined : wholeNumber(`--${name}`, values[name], from, max);
  const profile = PROFILE_NAMES.find((name) => name === values.profile);
  if (profile === undefined) throw new UsageError(`--profile takes one of ${PROFILE_NAMES.join(", ")}.`);
  const seed = number("seed", 0) ?? 1;
  const count = number("seeds", 1);
  if (values.minutes !== undefined && count !== undefined)
    throw new UsageError("--minutes and --seeds exclude each other: the one says for how long, the other how many.");
  const untilMs = number("until", 1);
  const workers = number("workers", 1, 256) ?? availableParallelism();
  const isOne = values.minutes === undefined && (count === 1 || (count === undefined && values.seed !== undefined));
  const without = numbers("--without", values.without);
  if (isOne) return { kind: "one", seed, profile, isTraced: values.trace, without, untilMs };
  if (values.trace || values.without !== undefined || untilMs !== undefined)
    throw new UsageError("--trace, --without and --until are for one run: give its --seed alone.");
  return {
    kind: "many",
    first: seed,
    count: values.minutes === undefined ? (count ?? SEEDS) : Number.POSITIVE_INFINITY,
    forMs: values.minutes === undefined ? Number.POSITIVE_INFINITY : minutesOf(values.minutes) * 60_000,
    except: new Set(numbers("--except", values.except)),
    profile,
    workers,
    isFailFast: values["fail-fast"],
  };
}

const numbers = (option: string, text: string | undefined): number[] =>
  text === undefined ? [] : text.split(",").map((one) => wholeNumber(option, one, 0, COUNT_MAX));
