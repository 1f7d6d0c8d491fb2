import { describe, expect, it } from "vitest";
import { pageOf, pathOf, timeAt } from "./quorumlog-operations.js";
import { randomOf } from "./random.js";
import type { FilterName } from "./spec.js";

const spread = { startMs: Date.UTC(2026, 0, 1), spanMs: 86_400_000, events: 1_000 };
const asked = (api: "own" | "reference", filter: FilterName) =>
  new URL(pathOf({ kind: "filter", api, filter, spread }, randomOf(1)), "http://n1");

describe("what is asked of a node", () => {
  it.each([
    ["own", "type", "/api/v1/events", ["eventType", "limit"]],
    ["own", "never", "/api/v1/events", ["eventType", "sourceAppId", "limit"]],
    ["reference", "source", "/api/event-logs", ["sourceAppId", "limit"]],
    ["reference", "both", "/api/event-logs", ["eventType", "sourceAppId", "limit"]],
    ["reference", "minute", "/api/event-logs", ["startDate", "endDate", "limit"]],
  ] as const)("for a filter of the %s API by %s", (api, filter, path, parameters) => {
    const { pathname, searchParams } = asked(api, filter);
    expect([pathname, [...searchParams.keys()]]).toEqual([path, parameters]);
  });

  it("for a minute within the days of the log", () => {
    const { searchParams } = asked("reference", "minute");
    const [start, end] = ["startDate", "endDate"].map((name) => Date.parse(searchParams.get(name) ?? ""));
    expect((end ?? 0) - (start ?? 0)).toBe(60_000);
    expect(start).toBeGreaterThanOrEqual(spread.startMs);
    expect(end).toBeLessThanOrEqual(spread.startMs + spread.spanMs);
  });

  it("for a page by its number, with a filter and without", () => {
    const path = (isFiltered: boolean) => pathOf({ kind: "numbered-page", page: 1_000, isFiltered }, randomOf(1));
    expect(path(false)).toBe("/api/event-logs?page=1000&limit=10");
    expect(path(true)).toMatch(/^\/api\/event-logs\?page=1000&limit=10&sourceAppId=app-\d\d$/);
  });
});

it("a time is drawn between those that are known, however unevenly the log was written", () => {
  const times = [0, 10, 1_000];
  expect([0, 0.5, 1, 1.5, 2].map((place) => timeAt(place, times))).toEqual([0, 5, 10, 505, 1_000]);
});

it("a page that ended early is told from one that found all there is", () => {
  const events = [{}, {}];
  expect(pageOf(JSON.stringify({ events }))).toEqual({ events: 2, isUnfinished: false });
  expect(pageOf(JSON.stringify({ events, next: "x" }))).toEqual({ events: 2, isUnfinished: true });
  expect(pageOf(JSON.stringify({ events: new Array(50).fill({}), next: "x" })).isUnfinished).toBe(false);
  expect(pageOf(JSON.stringify({ data: events, page: 1 })).events).toBe(2);
});
