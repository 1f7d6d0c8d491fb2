import { checkEventView, type EventView } from "../../shared/event.js";
import type { Acknowledged } from "./load.js";

const PAGE_EVENTS = 500;

export interface LogReport {
  events: number;
  head: string;
  /** Sentences; empty when everything holds. */
  faults: string[];
}

/** Reads the whole log of every node through its API, and holds it against what was acknowledged. */
export async function checkLogs(urls: string[], acknowledged: Map<string, Acknowledged>): Promise<LogReport> {
  const logs = await Promise.all(urls.map(readLog));
  const faults = logs.flatMap((log, index) => chainFaults(log).map((fault) => `${urls[index]}: ${fault}`));
  const [first = []] = logs;
  const head = first.at(-1)?.hash ?? "";
  logs.forEach((log, index) => {
    const own = log.at(-1)?.hash ?? "";
    if (own !== head) faults.push(`${urls[index]}: its head is ${own} at ${log.length} events, not ${head}`);
  });
  // The chain of hashes makes equal heads equal logs: one of them is enough for the rest.
  faults.push(...acknowledgementFaults(first, acknowledged));
  return { events: first.length, head, faults };
}

async function readLog(url: string): Promise<EventView[]> {
  const events: EventView[] = [];
  let after = "";
  do {
    const answer = await fetch(`${url}/api/v1/events?order=asc&limit=${PAGE_EVENTS}${after}`);
    if (!answer.ok) throw new Error(`${url} does not list its events: ${answer.status} ${await answer.text()}`);
    const page = (await answer.json()) as { events: EventView[]; next?: string };
    events.push(...page.events);
    after = page.next === undefined ? "" : `&after=${page.next}`;
  } while (after !== "");
  return events;
}

export function chainFaults(events: EventView[]): string[] {
  return events.flatMap((event, index) => {
    const broken = checkEventView(event);
    return [
      ...(event.sequence === index ? [] : [`event ${event.sequence} stands at place ${index}`]),
      ...(broken === null ? [] : [`event ${event.sequence} has a wrong ${broken}`]),
      ...(event.previousHash === (events[index - 1]?.hash ?? "") ? [] : [`event ${event.sequence} does not link`]),
    ];
  });
}

export function acknowledgementFaults(events: EventView[], acknowledged: Map<string, Acknowledged>): string[] {
  const faults: string[] = [];
  const timesByKey = new Map<string, number>();
  for (const { idempotencyKey } of events) {
    if (idempotencyKey === undefined) continue;
    timesByKey.set(idempotencyKey, (timesByKey.get(idempotencyKey) ?? 0) + 1);
  }
  for (const [key, times] of timesByKey) if (times > 1) faults.push(`the write ${key} is in the log ${times} times`);
  for (const [key, { sequence, id, hash }] of acknowledged) {
    const event = events[sequence];
    if (!timesByKey.has(key)) faults.push(`the write ${key}, acknowledged at ${sequence}, is lost`);
    else if (event?.idempotencyKey !== key) faults.push(`the write ${key}, acknowledged at ${sequence}, has moved`);
    else if (event.hash !== hash || event.id !== id) faults.push(`the write ${key} at ${sequence} was changed`);
  }
  return faults;
}
