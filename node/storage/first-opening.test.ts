import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openAtStart } from "./first-opening.js";
import { StoreError } from "./port.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const mongodbUri = "mongodb://user:hunter2@db1:27017/x";
const refused = (): StoreError =>
  new StoreError("not_stored", "Connecting failed.", {
    cause: Object.assign(new Error("no"), { code: "ECONNREFUSED" }),
  });

function opening(open: () => Promise<number>) {
  const told: string[] = [];
  const warned: string[] = [];
  const logger = { warn: (_: unknown, text: string) => void warned.push(text) };
  const done = openAtStart({ open, mongodbUri, logger: logger as never, onWaiting: (text) => void told.push(text) });
  const outcome = done.catch((error: Error) => error);
  return { told, warned, outcome };
}

it("tells within five seconds what it waits for, once, and goes on when it is there", async () => {
  let isThere = false;
  const { told, warned, outcome } = opening(async () => {
    if (isThere) return 7;
    throw refused();
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(told).toEqual([expect.stringMatching(/^Nothing listens at db1:27017 .* Start the MongoDB there/)]);
  await vi.advanceTimersByTimeAsync(15_000);
  expect([told.length, warned.length]).toEqual([1, 1]);
  isThere = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await outcome).toBe(7);
});

it("tells of an opening that hangs", async () => {
  const { told, warned } = opening(() => new Promise(() => undefined));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual([expect.stringContaining("is being opened")]);
  expect(warned).toEqual(told);
});

it("says nothing of one that is quick", async () => {
  const { told, outcome } = opening(async () => 1);
  expect([await outcome, told]).toEqual([1, []]);
});

it("ends with the true cause after half a minute", async () => {
  const { outcome } = opening(async () => Promise.reject(refused()));
  await vi.advanceTimersByTimeAsync(35_000);
  expect(await outcome).toMatchObject({ failure: "not_stored", message: expect.stringMatching(/^Nothing listens/) });
});

it("throws at once what no retry mends", async () => {
  let calls = 0;
  const { outcome } = opening(async () => {
    calls += 1;
    throw new StoreError("unfit", "It wants a password.");
  });
  expect(await outcome).toMatchObject({ failure: "unfit" });
  expect(calls).toBe(1);
});

it("throws at once where a file of its own cannot be written", async () => {
  const cause = Object.assign(new Error("no"), { code: "EROFS", path: "/data/n1/identity.json" });
  const { outcome } = opening(async () => {
    throw new StoreError("unknown", "The identity file in /data/n1 cannot be written: no.", { cause });
  });
  expect(await outcome).toMatchObject({
    failure: "unfit",
    message: expect.stringMatching(/^The identity file .* See to/),
  });
});
