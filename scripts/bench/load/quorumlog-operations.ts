import { benchEvent, benchEvents, drawnNames, type Names } from "./events.js";
import { Connections, type Opened } from "./http.js";
import type { Answer, Operation } from "./loops.js";
import { below, randomOf } from "./random.js";
import { HOT_EVENTS, type LoadSpec, type LoadTarget, machineMs, type Part, type Work } from "./spec.js";

const PAGE_EVENTS = 50;
/** Reference API A's own default. */
const NUMBERED_PAGE_EVENTS = 10;
const MINUTE_MS = 60_000;
/** So many times are asked of a part of the log; between two of them events are taken to be evenly spread. */
const TIMES = 100;
const READ_SEED = 1;
type Append = Work & { kind: "append" };

export async function openQuorumlog(
  target: LoadTarget & { kind: "quorumlog" },
  { work, clients, recordsAcknowledgements }: LoadSpec,
): Promise<Opened> {
  const http = new Connections(target.urls, clients);
  try {
    const operation = await operationOf(http, work, recordsAcknowledgements === true);
    return { operation, close: () => http.close() };
  } catch (error) {
    await http.close();
    throw error;
  }
}

async function operationOf(http: Connections, work: Work, records: boolean): Promise<Operation> {
  switch (work.kind) {
    case "append":
      return work.batch > 1 ? batches(http, work) : singles(http, work, records);
    case "read-one":
      return readsOfOne(http, work.part);
    case "page":
      return pages(http, work.part);
    case "numbered-page":
    case "filter": {
      const random = randomOf(READ_SEED);
      return async (n) => {
        const answer = pageOf(await http.get(n, pathOf(work, random)));
        // A page that does not exist is answered quickly, which is worth nothing.
        if (work.kind === "numbered-page" && answer.events === 0)
          throw new Error("an empty page: the log is too small");
        return answer;
      };
    }
  }
}

/** Runs have different numbers for their events, so a key is used once by each cluster. */
const keyOf = ({ isKeyed }: Append, n: number): Record<string, string> =>
  isKeyed === true ? { "idempotency-key": `bench-${n}` } : {};

function batches(http: Connections, work: Append): Operation {
  return async (n) => {
    const events = benchEvents(n * work.batch, work.batch, work);
    await http.post(n, "/api/v1/events:batch", { events }, keyOf(work, n));
    return { events: work.batch };
  };
}

function singles(http: Connections, work: Append, records: boolean): Operation {
  return async (n) => {
    const body = await http.post(n, "/api/v1/events", benchEvent(n, work), keyOf(work, n));
    if (!records) return { events: 1 };
    const atMs = machineMs();
    return { events: 1, acknowledgement: { sequence: (JSON.parse(body) as { sequence: number }).sequence, atMs } };
  };
}

async function readsOfOne(http: Connections, part: Part): Promise<Operation> {
  const { from, size } = await sequencesOf(http, part);
  const random = randomOf(READ_SEED);
  return async (n) => {
    // Parsed, because MongoDB's driver gives objects, too.
    JSON.parse(await http.get(n, `/api/v1/events/${from + below(size - from, random)}`));
    return { events: 1 };
  };
}

async function pages(http: Connections, part: Part): Promise<Operation> {
  const { from, size } = await sequencesOf(http, part);
  // A place with a whole page before it, of whichever application.
  const first = from + Math.min(HOT_EVENTS / 4, Math.floor((size - from) / 2));
  const times: number[] = [];
  for (let index = 0; index <= TIMES; index++) {
    const sequence = first + Math.floor(((size - 1 - first) * index) / TIMES);
    const event = JSON.parse(await http.get(index, `/api/v1/events/${sequence}`)) as { recordedAt: string };
    times.push(Date.parse(event.recordedAt));
  }
  const random = randomOf(READ_SEED);
  return async (n) => {
    const until = new Date(timeAt(random() * TIMES, times)).toISOString();
    const { sourceAppId } = drawnNames(random, { meet: true });
    const query = new URLSearchParams({ sourceAppId, until, order: "desc", limit: String(PAGE_EVENTS) });
    return pageOf(await http.get(n, `/api/v1/events?${query}`));
  };
}

/** At 2.5 it is half-way between the third time and the fourth. */
export function timeAt(place: number, times: readonly number[]): number {
  const index = Math.min(Math.floor(place), times.length - 2);
  const [before, after] = times.slice(index, index + 2) as [number, number];
  return Math.round(before + (place - index) * (after - before));
}

async function sequencesOf(http: Connections, part: Part): Promise<{ from: number; size: number }> {
  const newest = JSON.parse(await http.get(0, "/api/v1/events?order=desc&limit=1")) as {
    events: { sequence: number }[];
  };
  const size = (newest.events[0]?.sequence ?? 0) + 1;
  return { from: part === "hot" ? Math.max(0, size - HOT_EVENTS) : 0, size };
}

/** What is asked for a page by its number, or for what a filter finds. */
export function pathOf(work: Work & { kind: "numbered-page" | "filter" }, random: () => number): string {
  if (work.kind === "numbered-page") {
    const { sourceAppId } = drawnNames(random, { meet: true });
    const filter: Partial<Names> = work.isFiltered ? { sourceAppId } : {};
    const query = { page: String(work.page), limit: String(NUMBERED_PAGE_EVENTS), ...filter };
    return `/api/event-logs?${new URLSearchParams(query)}`;
  }
  const path = work.api === "own" ? "/api/v1/events" : "/api/event-logs";
  return `${path}?${new URLSearchParams({ ...filterOf(work, random), limit: String(PAGE_EVENTS) })}`;
}

function filterOf({ filter, spread }: Work & { kind: "filter" }, random: () => number): Record<string, string> {
  const { eventType, sourceAppId } = drawnNames(random, { meet: filter !== "never" });
  switch (filter) {
    case "type":
      return { eventType };
    case "source":
      return { sourceAppId };
    case "both":
    case "never":
      return { eventType, sourceAppId };
    case "minute": {
      const startMs = spread.startMs + below(spread.spanMs - MINUTE_MS, random);
      const [startDate, endDate] = [startMs, startMs + MINUTE_MS].map((atMs) => new Date(atMs).toISOString());
      return { startDate: startDate as string, endDate: endDate as string };
    }
  }
}

/** A node may answer what it found within its budget, with a cursor for the rest. */
export function pageOf(body: string): Answer {
  const { events, data, next } = JSON.parse(body) as { events?: unknown[]; data?: unknown[]; next?: string };
  const found = (events ?? data ?? []).length;
  return { events: found, isUnfinished: next !== undefined && found < PAGE_EVENTS };
}
