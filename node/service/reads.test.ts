import { afterEach, expect, it, vi } from "vitest";
import type { ReplicaView } from "../../cluster/types.js";
import { height } from "../../shared/ids.js";
import { systemClock } from "../clock.js";
import { LeaderWatch } from "./leader-watch.js";
import type { Parts } from "./parts.js";
import { Reads } from "./reads.js";

/** A follower right after its start; what its leader answers to a question is set by the test. */
class Follower {
  view = { leaderId: "n3", role: "follower", isLearner: false, commitHeight: height(10), committedSize: 5 };
  through = 5;
  answer: number | null = null;
  asked = 0;
  looks = 0;
  readonly reads: Reads;

  constructor() {
    const look = (): ReplicaView => {
      this.looks += 1;
      return this.view as ReplicaView;
    };
    const committed = {
      awaitSize: (size: number) => ({ reached: vi.waitUntil(() => this.through >= size), cancel: () => {} }),
    };
    Object.defineProperty(committed, "size", { get: () => this.through });
    const driver = { view: look, standing: () => this.view, log: { committed, index: { readWith: () => {} } } };
    const ask = async (): Promise<{ height: number | null }> => {
      this.asked += 1;
      return { height: this.answer };
    };
    const peers = { handle: () => {}, ask };
    const parts = {
      driver,
      config: { nodeId: "n1" },
      storage: {},
      peers,
      clock: systemClock,
      leaders: new LeaderWatch({ standing: () => null }),
    };
    this.reads = new Reads(parts as unknown as Parts);
  }
}

let follower: Follower;
afterEach(() => follower.reads.stop());

it("serves nothing after a start by what its leader calls committed: it asks, and has what the leader confirmed first", async () => {
  follower = new Follower();
  let isReadable = false;
  const reading = follower.reads.awaitReadable().then(() => {
    isReadable = true;
  });
  // A leader that has committed nothing in its term yet does not know what its predecessor acknowledged last.
  await vi.waitUntil(() => follower.asked >= 2);
  expect([isReadable, follower.reads.hasConfirmation]).toEqual([false, false]);
  follower.answer = 12;
  await vi.waitUntil(() => follower.reads.hasConfirmation);
  const { asked, looks } = follower;
  Object.assign(follower.view, { commitHeight: height(11), committedSize: 6 });
  follower.through = 6;
  await vi.waitUntil(() => follower.looks >= looks + 6);
  expect(isReadable).toBe(false);
  Object.assign(follower.view, { commitHeight: height(12), committedSize: 7 });
  follower.through = 7;
  await reading;
  expect(follower.asked).toBe(asked);
});

it("says after a start whether it has heard of a confirmation, and what it still lacks", async () => {
  follower = new Follower();
  await expect(follower.reads.awaitReadable()).rejects.toMatchObject({
    code: "not_ready",
    detail: expect.stringMatching(/no leader has confirmed yet how far the log goes/),
  });
  follower.answer = 12;
  await vi.waitUntil(() => follower.reads.hasConfirmation);
  await expect(follower.reads.awaitReadable()).rejects.toMatchObject({
    code: "not_ready",
    detail: expect.stringMatching(/has not caught up yet with block 12, which a leader has confirmed/),
  });
});
