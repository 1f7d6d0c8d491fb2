import { expect, it } from "vitest";
import { PeerError } from "../peers/peer-client.js";
import { AskedInTurn } from "./asked-in-turn.js";

const LIMITS = { atOnceMax: 2, answerMsMax: 1_000, askMsMax: 1_500 };
const WAITING_MAX = 64;

function setUp() {
  const clock = { at: 0, now: () => clock.at };
  return { clock, asked: new AskedInTurn(["n2", "n3", "n4"], clock, LIMITS) };
}

/** An answer that the test gives. */
function later<T>() {
  let give = (_: T): void => {};
  const answer = new Promise<T>((resolve) => {
    give = resolve;
  });
  return { answer, give };
}

it("asks one after the other, and first whoever was of use last", async () => {
  const { asked } = setUp();
  const order: string[] = [];
  const onlyN3 = async (peer: string): Promise<string | null> => {
    order.push(peer);
    if (peer === "n2") throw new PeerError(peer, "timeout", "no answer in time", true);
    return peer === "n3" ? "found" : null;
  };
  expect(await asked.ask(onlyN3)).toEqual({ peer: "n3", found: "found" });
  expect(await asked.ask(onlyN3)).toEqual({ peer: "n3", found: "found" });
  expect(order).toEqual(["n2", "n3", "n3"]);
  expect(await asked.ask(async () => null)).toBeNull();
  await expect(asked.ask(() => Promise.reject(new Error("a bug")))).rejects.toThrow("a bug");
});

it("has few under way, lets few wait, and none for ever", async () => {
  const { asked, clock } = setUp();
  const answers = Array.from({ length: 2 + WAITING_MAX }, () => later<string>());
  const begun: number[] = [];
  const asking = answers.map(({ answer }, i) =>
    asked.ask((_, timeoutMs) => {
      begun.push(i);
      expect(timeoutMs).toBeLessThanOrEqual(LIMITS.answerMsMax);
      return answer;
    }),
  );
  await Promise.resolve();
  // Two are under way and all others wait; there is no place for another one.
  expect(await asked.ask(async () => "at once")).toBeNull();
  expect(begun).toEqual([0, 1]);
  answers[0]?.give("first");
  expect(await asking[0]).toEqual({ peer: "n2", found: "first" });
  clock.at = 1_499;
  answers[2]?.give("third");
  expect(await asking[2]).toMatchObject({ found: "third" });
  // From now on it is too late for those that wait.
  clock.at = 1_500;
  for (const { give } of answers) give("late");
  const ends = await Promise.all(asking);
  expect(ends.slice(4).every((end) => end === null)).toBe(true);
  expect(begun.length).toBeLessThanOrEqual(4);
});

it("gives up after so long, whoever is left to ask", async () => {
  const { asked, clock } = setUp();
  const tried: string[] = [];
  const none = await asked.ask(async (peer, timeoutMs) => {
    tried.push(`${peer} ${timeoutMs}`);
    clock.at += timeoutMs;
    return null;
  });
  expect(none).toBeNull();
  expect(tried).toEqual(["n2 1000", "n3 500"]);
});
