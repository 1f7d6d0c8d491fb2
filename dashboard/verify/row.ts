import { checkEventView, type EventView } from "../../shared/log/event.js";

export type RowVerdict = "ok" | "payloadHash" | "hash" | "unreadable";
const known = new WeakMap<EventView, RowVerdict>();

/** Whether an event's two hashes hold, recomputed here; computed once for what was answered once. */
export function verdictOf(event: EventView): RowVerdict {
  const before = known.get(event);
  if (before !== undefined) return before;
  const verdict = compute(event);
  known.set(event, verdict);
  return verdict;
}

function compute(event: EventView): RowVerdict {
  try {
    return checkEventView(event) ?? "ok";
  } catch {
    return "unreadable";
  }
}
