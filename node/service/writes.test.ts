import { expect, it } from "vitest";
import type { ReplicaStanding } from "../../cluster/types.js";
import { height, term } from "../../shared/ids.js";
import { systemClock } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";
import { LeaderWatch } from "./leader-watch.js";
import { type Parts, PeerDesk } from "./parts.js";
import { Writes } from "./writes.js";

type Answer = { body: unknown; status?: number } | PeerError;

/** A node that follows n2 and learns of one more committed block with each look; what it sends, and what comes back. */
function follower(answers: readonly Answer[]) {
  const sent: { sinceHeight: number }[] = [];
  let known = 100;
  const standing = (): ReplicaStanding => {
    known += 1;
    return {
      role: "follower",
      term: term(3),
      leaderId: "n2",
      hasQuorum: true,
      isLearner: false,
      knownCommitHeight: height(known),
    };
  };
  const request = async (_to: string, _path: string, body: { sinceHeight: number }) => {
    sent.push(body);
    const answer = answers[sent.length - 1] ?? { body: { kind: "not_written", reason: "not_leader" } };
    if (answer instanceof PeerError) throw answer;
    return { status: 200, isRepeated: false, ...answer };
  };
  const config = { nodeId: "n1", requestTimeoutMs: 300 };
  const parts = {
    config,
    driver: { standing },
    peers: new PeerDesk({ config, transport: { handle: () => undefined, request }, clock: systemClock } as never),
    disk: { isLow: false },
    clock: systemClock,
    leaders: new LeaderWatch({ standing }),
  } as unknown as Parts;
  const hooks = { onRefused: () => undefined, onAcknowledged: () => undefined, isHandingOver: () => false };
  const writes = new Writes(parts, hooks);
  return { sent, append: () => writes.append({ events: [], requestId: "r" }) };
}

const refused = (reason: string): Answer => ({ body: { kind: "not_written", reason } });
const committed: Answer = { body: { kind: "committed", events: [], acknowledgedBy: [], isReplay: false } };
const heightsOf = ({ sent }: ReturnType<typeof follower>): number[] => sent.map((body) => body.sinceHeight);
const isRising = (heights: readonly number[]): boolean => heights.every((at, i) => at > (heights[i - 1] ?? 0));

it("says anew with each attempt where the write cannot stand while all before were certainly not written", async () => {
  const node = follower([refused("cannot_tell"), refused("not_leader"), refused("look_up_failed"), committed]);
  await node.append();
  expect(node.sent).toHaveLength(4);
  expect(isRising(heightsOf(node))).toBe(true);
});

it.each([
  ["the answer was lost", new PeerError("n2", "timeout", "no answer", true)],
  ["the leader did not know", { body: { kind: "unknown" } }],
  ["the answer was of no known form", { body: { kind: "not_written", reason: "a new one" } }],
  ["the leader failed", { status: 500, body: { code: "internal_error" } }],
] as [string, Answer][])("says the same as before once an attempt may have been written: %s", async (_, answer) => {
  const node = follower([refused("not_leader"), answer, refused("cannot_tell"), refused("not_leader"), committed]);
  await node.append();
  const [first, ...rest] = heightsOf(node);
  expect(rest).toHaveLength(4);
  expect(new Set(rest).size).toBe(1);
  expect(rest[0]).toBeGreaterThan(first ?? 0);
});

it("answers 503 after certain refusals only, 504 after an outcome that is not known", async () => {
  await expect(follower([]).append()).rejects.toMatchObject({ code: "no_quorum" });
  const rebuilding = follower(new Array(200).fill({ body: { kind: "not_written", reason: "index_rebuilding" } }));
  await expect(rebuilding.append()).rejects.toMatchObject({ code: "index_rebuilding" });
  const node = follower([{ body: { kind: "unknown" } }]);
  await expect(node.append()).rejects.toMatchObject({ code: "outcome_unknown" });
});

it.each([
  [new PeerError("n2", "unreachable", "ECONNREFUSED", false), "the request did not get to the leader"],
  [new PeerError("n2", "overloaded", "256 requests are waiting", false), "the request did not get to the leader"],
  [refused("not_leader"), "the node that was asked does not lead"],
  [refused("stale_term"), "a new term has begun"],
] as [Answer, string][])("says of the last attempt only what is known: %o", async (answer, reason) => {
  const node = follower(Array.from({ length: 100 }, () => answer));
  await expect(node.append()).rejects.toMatchObject({
    code: "no_quorum",
    detail: `Nothing was written: ${reason}, within 300 ms.`,
  });
});
