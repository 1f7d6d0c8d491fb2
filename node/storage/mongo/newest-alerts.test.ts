import { MongoServerError } from "mongodb";
import { expect, it } from "vitest";
import { newestAlerts } from "./newest-alerts.js";

const idOf = (i: number): string => i.toString(16).padStart(24, "0");
const OUT_OF_TIME = new MongoServerError({ message: "operation exceeded time limit", code: 50 });

/** A server that is out of time, as soon as a command has it read the whole of more documents than this. */
function setUp(ids: readonly string[], { readAtOnce = 8, fault = OUT_OF_TIME as Error } = {}) {
  const asked: number[] = [];
  const cursor = (some: () => readonly object[]) => ({
    sort: () => cursor(some),
    toArray: async () => some(),
    async *[Symbol.asyncIterator]() {
      yield* some();
    },
  });
  const of = (wanted: readonly string[]): object[] => {
    asked.push(wanted.length);
    if (wanted.length > readAtOnce) throw fault;
    return wanted.map((_id) => ({ _id, lastSeenAt: `${Number.parseInt(_id, 16) % 7}`, size: 100 }));
  };
  const wantedIn = (filter: { _id?: { $in?: readonly string[] } }): readonly string[] => filter._id?.$in ?? ids;
  const alerts = {
    aggregate: ([{ $match }]: [{ $match: object }]) => cursor(() => of(wantedIn($match))),
    find: (filter: object, { hint }: { hint?: object }) =>
      cursor(() => (hint === undefined ? wantedIn(filter) : ids).map((_id) => ({ _id }))),
  };
  const found = async (countMax: number): Promise<string[]> => {
    const all: string[] = [];
    for await (const one of newestAlerts(alerts as never, {}, countMax)) all.push((one as { _id: string })._id);
    return all;
  };
  return { found, asked };
}

it("finds the newest alerts among more than the server reads in the time of one command, a few at a time", async () => {
  const ids = Array.from({ length: 50 }, (_, i) => idOf(i));
  const sound = await setUp(ids, { readAtOnce: 50 }).found(50);
  const { found, asked } = setUp([...ids, "a\ufffd", "a".repeat(70)]);
  expect((await found(50)).sort()).toEqual(sound.sort());
  expect(asked).toEqual([52, 8, 8, 8, 8, 8, 8, 2]);
  // 6, 13, 20 and so on were seen last.
  expect(await found(7)).toEqual([6, 13, 20, 27, 34, 41, 48].map(idOf));
});

it("says so where the server does not answer for another reason, or has not even the time for a few", async () => {
  const ids = Array.from({ length: 50 }, (_, i) => idOf(i));
  const lost = setUp(ids, { fault: new Error("no connection") });
  await expect(lost.found(50)).rejects.toThrow("no connection");
  expect(lost.asked).toEqual([50]);
  await expect(setUp(ids, { readAtOnce: 1 }).found(50)).rejects.toBe(OUT_OF_TIME);
});
