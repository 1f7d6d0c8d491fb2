import { NoAnswer } from "../api/client.js";
import { ago } from "../lib/format.js";
import { useNow } from "../lib/use-now.js";
import { Stale } from "./states.js";

/** A question, and what became of it. */
export interface AskedOnce {
  readonly data: unknown;
  readonly error: Error | null;
  readonly dataUpdatedAt: number;
}

/** It was answered once, and not when it was asked again: what is shown is the first answer. */
export function isOutdated({ data, error }: Pick<AskedOnce, "data" | "error">): boolean {
  return data !== undefined && error !== null;
}

interface OutdatedProps {
  readonly asked: AskedOnce;
  /** What of it is shown: "the number of events over time". */
  readonly what?: string;
}

/** One line where an answer is outdated: why, and how old it is. */
export function Outdated({ asked, what = "this" }: OutdatedProps) {
  const now = useNow();
  const { error, dataUpdatedAt } = asked;
  if (!isOutdated(asked) || error === null) return null;
  const did = error instanceof NoAnswer ? "answer again" : `tell it again (${error.message.replace(/\.$/, "")})`;
  return <Stale text={`The node did not ${did}: ${what} is what it said ${ago(now - dataUpdatedAt)}.`} />;
}
