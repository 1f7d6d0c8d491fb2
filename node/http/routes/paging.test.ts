import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Found, LogReads, PageRequest } from "../../service/log-port.js";
import { openPage } from "./paging.js";
import { REFERENCE_A } from "./shapes.js";

const COUNT_MS = 60;
const QUERY = {
  filter: { eventType: "a", timestampFrom: { millis: 0, rest: "" } },
  order: "asc",
  page: 2,
  limit: 10,
} as const;

async function open(found: readonly Partial<Found>[]) {
  const asked: PageRequest[] = [];
  const reads: Pick<LogReads, "count" | "page"> = {
    count: async () => {
      await sleep(COUNT_MS);
      return { total: 100, isCapped: false, from: [] };
    },
    page: async (request) => {
      asked.push(request);
      return { events: [], next: null, isCutOff: false, from: [], ...found[asked.length - 1] };
    },
  };
  const options = { size: 100, by: "", shape: REFERENCE_A, onFound: () => undefined };
  const { parts } = await openPage(reads as LogReads, QUERY, options);
  const read = async () => {
    for await (const part of parts) expect(part).toHaveLength(0);
  };
  return { asked, read };
}

it("the first part of a page has the time that its count has left; what comes later is not due at once", async () => {
  const { asked, read } = await open([{ next: 50 }, {}]);
  await read();
  expect(asked).toHaveLength(2);
  expect(asked[0]?.searchMsMax).toBeGreaterThan(0);
  expect(asked[0]?.searchMsMax).toBeLessThanOrEqual(1_500 - COUNT_MS + 5);
  expect(asked[1]?.searchMsMax).toBeUndefined();
});

it("a filter that was not looked through in time is named by its conditions", async () => {
  const { read } = await open([{ isCutOff: true }]);
  await expect(read()).rejects.toMatchObject({
    code: "overloaded",
    message: expect.stringMatching(/The filter is too wide \(eventType, startDate\): /),
  });
});
