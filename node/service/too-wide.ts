import type { EventFilter } from "../../shared/log/filter.js";
import { ProblemError } from "../problems.js";

/** What the reference APIs answer, which have no cursor to go on from; named as their queries name it. */
export function tooWide(filter: EventFilter, why: string): ProblemError {
  const names = namesOf(filter);
  const detail =
    names.length === 0
      ? "The page could not be read in time: the database is slow. Try again, or ask another node."
      : `The filter is too wide (${names.join(", ")}): ${why}. Narrow its range of time, or name a type and a source; ` +
        "GET /api/v1/events gives what it has found, with a cursor to go on from.";
  return new ProblemError("overloaded", detail);
}

function namesOf(filter: EventFilter): string[] {
  const { eventType, sourceAppId, timestampFrom, timestampTo, timestampBefore } = filter;
  const conditions: [name: string, condition: unknown][] = [
    ["eventType", eventType],
    ["sourceAppId", sourceAppId],
    ["startDate", timestampFrom],
    ["endDate", timestampTo ?? timestampBefore],
  ];
  return conditions.filter(([, condition]) => condition !== undefined).map(([name]) => name);
}
