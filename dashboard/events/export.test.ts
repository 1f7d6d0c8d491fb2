import { expect, it } from "vitest";
import type { EventView } from "../../shared/log/event.js";
import type { Answer } from "../api/client.js";
import type { EventPage } from "../api/types.js";
import { exportEvents, type Format, headOf, lineOf } from "./export.js";

const event = (sequence: number, more: Partial<EventView> = {}): EventView =>
  ({
    ...{ v: 1, sequence, id: "0".repeat(24), eventType: "a.b", timestamp: "t", sourceAppId: "s", recordedAt: "r" },
    ...{ dataPayload: { n: sequence }, payloadSalt: "5a", payloadHash: "aa", previousHash: "bb", hash: "cc" },
    ...{ height: 2, term: 1, ...more },
  }) as unknown as EventView;

/** A log that is read in pages of two, and grows by one event with each page. */
function logOf(size: number): { read: () => Promise<Answer<EventPage>>; paths: string[] } {
  const paths: string[] = [];
  let at = 0;
  let grown = size;
  const read = async (path?: string): Promise<Answer<EventPage>> => {
    paths.push(path ?? "");
    const events = [at, at + 1].filter((one) => one < grown).map((one) => event(one));
    at += 2;
    grown += 1;
    const answer = { logSize: size + paths.length - 1, isStale: false, servedBy: "n1", answeredFrom: [], etag: null };
    return { ...answer, body: { events, ...(at < grown ? { next: `c${at}` } : {}) } };
  };
  return { read, paths };
}
const run = (size: number, countMax = 1_000, format: Format = "ndjson") => {
  const { read, paths } = logOf(size);
  const options = { format, query: "eventType=a.*", signal: new AbortController().signal, onProgress: () => undefined };
  return exportEvents({ ...options, countMax, read }).then((exported) => ({ ...exported, paths }));
};

it("has every event that was there at the beginning once, in order, by the cursor and the conditions", async () => {
  const { parts, count, isCut, paths } = await run(5);
  const lines = parts.join("").trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as EventView).sequence)).toEqual([0, 1, 2, 3, 4]);
  expect({ count, isCut }).toEqual({ count: 5, isCut: false });
  expect(paths.every((path) => path.includes("eventType=a.*"))).toBe(true);
  expect(paths[1]).toContain("after=c2");
});

it("says that there were more than it may have", async () => {
  expect(await run(50, 3)).toMatchObject({ count: 3, isCut: true });
});

it("a line is the whole event, so that it can be verified", () => {
  expect(JSON.parse(lineOf("ndjson", event(3)))).toEqual(event(3));
});

it("a row of CSV quotes what has to be quoted, and no text of it is a formula", () => {
  expect(headOf("csv").split(",")[0]).toBe("sequence");
  const row = lineOf("csv", event(1, { eventType: "=cmd()", sourceAppId: 'a,"b"', dataPayload: { x: 1 } as never }));
  expect(row).toContain(`,'=cmd(),"a,""b""","{""x"":1}",`);
  expect(row.endsWith("cc\r\n")).toBe(true);
  for (const first of ["+", "-", "@", "\t"])
    expect(lineOf("csv", event(1, { eventType: `${first}1` }))).toContain(`,'${first}1,`);
});
