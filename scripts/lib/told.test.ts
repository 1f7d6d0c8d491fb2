import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TELL_AFTER_MS, toldIfSlow, Wait } from "./told.js";

let said: string[];
const say = (line: string) => void said.push(line);
beforeEach(() => {
  said = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("work that takes long is told, and such as does not is not", async () => {
  await toldIfSlow(Promise.resolve(), say, "soon");
  const slow = toldIfSlow(new Promise((done) => setTimeout(done, TELL_AFTER_MS + 1)), say, "late");
  await vi.advanceTimersByTimeAsync(2 * TELL_AFTER_MS);
  await slow;
  expect(said).toEqual(["late"]);
});

it("a wait is told once, and another one when it has followed for as long", () => {
  const wait = new Wait(say);
  for (let second = 0; second < 10; second++) {
    wait.isFor(second < 5 ? "a mongod" : "a leader");
    vi.advanceTimersByTime(1_000);
  }
  expect(said).toEqual(["Waiting for a mongod …", "Waiting for a leader …"]);
});

it("a wait whose text changes all the time is told", () => {
  const wait = new Wait(say);
  for (let look = 0; look < 80; look++) {
    wait.isFor(`a leader: n1 names n2 in term ${look}`);
    vi.advanceTimersByTime(50);
  }
  expect(said).toHaveLength(1);
});
