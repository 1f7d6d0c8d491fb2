import { expect, it } from "vitest";
import type { Effect, Proposal } from "../../cluster/types.js";
import { utf8 } from "../../shared/bytes.js";
import { type HashHex, height, term } from "../../shared/ids.js";
import { type LoggedEvent, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import { systemClock } from "../clock.js";
import type { Driver } from "../replica/driver.js";
import { WriteTracker } from "./write-tracker.js";

const SALT = new Uint8Array(16);
const REPEATS = 10_000;

function event(n: number, key: string, sourceAppId = "app"): PreparedEvent {
  const payload = utf8("{}");
  return {
    id: n.toString(16).padStart(24, "0"),
    eventType: "t",
    timestamp: "2030-01-01T00:00:00Z",
    sourceAppId,
    payload,
    payloadSalt: SALT,
    payloadHash: payloadCommitment(SALT, payload),
    idempotencyKey: key,
  };
}

/** A tracker, and what it proposed; `answer` stands for the replica. */
function make(answer: (proposal: Proposal, nth: number) => Effect | null) {
  const proposed: Proposal[] = [];
  const tracker: WriteTracker = new WriteTracker(
    {
      propose: (proposals: readonly Proposal[]) => {
        for (const proposal of proposals) {
          proposed.push(proposal);
          const effect = answer(proposal, proposed.length);
          if (effect !== null) tracker.onEffect(effect);
        }
        return true;
      },
      log: { soundBlock: async () => null },
      holders: () => [],
    } as unknown as Driver,
    { warn: () => undefined },
    systemClock,
  );
  const write = (...events: PreparedEvent[]) =>
    tracker.propose({ events, deadline: performance.now() + 60_000, sinceHeight: height(0) });
  return { tracker, proposed, write };
}

const inProgress = ({ proposalId }: Proposal, of: number): Effect => ({ kind: "in_progress", proposalId, of });
const refused = (proposalId: number, reason: "expired" | "look_up_failed"): Effect => ({
  kind: "refused",
  proposalId,
  reason,
});

it("refuses all repeats of a write at once when what refuses one refuses all", async () => {
  const { tracker, proposed, write } = make((proposal, nth) => (nth === 1 ? null : inProgress(proposal, 1)));
  const results = Array.from({ length: REPEATS }, (_, n) => write(event(n, "k")));
  tracker.onEffect(refused(1, "look_up_failed"));
  for (const result of await Promise.all(results))
    expect(result).toEqual({ kind: "not_written", reason: "look_up_failed" });
  expect(proposed).toHaveLength(REPEATS);
  expect(tracker.load).toMatchObject({ pending: 0, following: 0 });
});

it("tries one repeat after the other, however many are refused in a row", async () => {
  let isExpired = false;
  const { tracker, proposed, write } = make((proposal, nth) => {
    if (nth === 1) return null;
    return isExpired ? refused(proposal.proposalId, "expired") : inProgress(proposal, 1);
  });
  const results = Array.from({ length: REPEATS }, (_, n) => write(event(n, "k")));
  isExpired = true;
  tracker.onEffect(refused(1, "expired"));
  for (const result of await Promise.all(results)) expect(result).toMatchObject({ kind: "not_written" });
  expect(proposed).toHaveLength(2 * REPEATS - 1);
  expect(tracker.load).toMatchObject({ pending: 0, following: 0 });
});

it("gives all repeats the outcome of the one that takes the place of a refused one", async () => {
  const { tracker, proposed, write } = make((proposal, nth) => (nth === 1 || nth > 3 ? null : inProgress(proposal, 1)));
  const results = [write(event(1, "k")), write(event(2, "k")), write(event(3, "k"))];
  tracker.onEffect(refused(1, "expired"));
  expect(proposed.map(({ proposalId }) => proposalId)).toEqual([1, 2, 3, 2]);
  const sealed = [
    { record: { ...event(2, "k"), sequence: 7, hash: "h" }, hash: "h", payload: utf8("{}"), payloadSalt: SALT },
  ];
  const place = { height: height(5), blockHash: "b" as HashHex, term: term(1) };
  tracker.onEffect({ kind: "sealed", proposalId: 2, events: sealed as unknown as LoggedEvent[], ...place });
  tracker.onEffect({
    kind: "committed",
    height: height(5),
    acknowledgedBy: ["n1"],
    blocks: [{ block: { header: { height: 5 }, blockHash: "b" } }] as never,
  });
  expect(await Promise.all(results)).toMatchObject([
    { kind: "not_written" },
    { kind: "committed", isReplay: false },
    { kind: "committed", isReplay: true },
  ]);
});

it("does not make a write wait for one that shares another of its keys", () => {
  const { tracker, proposed, write } = make((proposal, nth) => (nth === 1 || nth > 3 ? null : inProgress(proposal, 1)));
  // A batch has its key in each of its sources.
  void write(event(1, "k", "a"), event(2, "k", "b"));
  void write(event(3, "k", "a"));
  void write(event(4, "k", "b"));
  tracker.onEffect(refused(1, "expired"));
  expect(proposed.map(({ proposalId }) => proposalId)).toEqual([1, 2, 3, 2, 3]);
  expect(tracker.load.following).toBe(0);
  tracker.onReplicaLost();
});
