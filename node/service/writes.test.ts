import { expect, it } from "vitest";
import type { ReplicaStanding } from "../../cluster/types.js";
import { utf8 } from "../../shared/bytes.js";
import { height, sequence, term } from "../../shared/ids.js";
import { eventView, logEvent, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import type { QuestionTo } from "../../shared/protocol/requests.js";
import { systemClock } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";
import { toTold } from "./forwarded.js";
import { LeaderWatch } from "./leader-watch.js";
import { type Parts, PeerDesk } from "./parts.js";
import { Writes } from "./writes.js";

type Result = { readonly kind: string };
/** What comes back to each attempt: a result, another answer, or nothing that is one. */
type Answer = { result: Result } | { body: unknown; status: number } | PeerError;

const payloadSalt = new Uint8Array(16);
const payload = utf8("{}");
const event: PreparedEvent = {
  ...{ id: "0".repeat(24), eventType: "t", timestamp: "2030-01-01T00:00:00Z", sourceAppId: "s", payload, payloadSalt },
  payloadHash: payloadCommitment(payloadSalt, payload),
};
const logged = logEvent(event, { sequence: sequence(7), recordedAt: "2030-01-01T00:00:00.000Z", previousHash: "" });
const view = eventView(logged, { height: height(3), term: term(3) });

/** A node that follows n2 and learns of one more committed block with each look; what it sends, and what comes back. */
function follower(answers: readonly Answer[], requestTimeoutMs = 300) {
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
  const request = async (_to: string, _path: string, { writes }: QuestionTo<"append">) => {
    const [write] = writes as { n: number; sinceHeight: number }[];
    if (write === undefined) throw new Error("it asks for what it was told");
    sent.push(write);
    const answer = answers[sent.length - 1] ?? refused("not_leader");
    if (answer instanceof PeerError) throw answer;
    if ("status" in answer) return answer;
    return { status: 200, body: { answers: [{ n: write.n, ...answer }] } };
  };
  const config = { nodeId: "n1", requestTimeoutMs };
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
  return { sent, append: () => writes.append({ events: [event], requestId: "r" }) };
}

const result = (told: Result): Answer => ({ result: told });
const refused = (reason: string): Answer => result({ kind: "not_written", reason } as Result);
const committed = result(toTold({ kind: "committed", events: [view], acknowledgedBy: ["n1"], isReplay: false }));
const heightsOf = ({ sent }: ReturnType<typeof follower>): number[] => sent.map((body) => body.sinceHeight);
const isRising = (heights: readonly number[]): boolean => heights.every((at, i) => at > (heights[i - 1] ?? 0));

it("says anew with each attempt where the write cannot stand while all before were certainly not written", async () => {
  const node = follower([refused("cannot_tell"), refused("not_leader"), refused("look_up_failed"), committed], 20_000);
  expect(await node.append()).toEqual({ kind: "committed", events: [view], acknowledgedBy: ["n1"], isReplay: false });
  expect(node.sent).toHaveLength(4);
  expect(isRising(heightsOf(node))).toBe(true);
});

it.each([
  ["the answer was lost", new PeerError("n2", "timeout", "no answer", true)],
  ["the leader did not know", result({ kind: "unknown" })],
  ["the answer was of no known form", refused("a new one")],
  [
    "the answer was another write's",
    result({ ...(committed as { result: object }).result, hash: "0".repeat(64) } as never),
  ],
  ["the leader failed", { status: 500, body: { code: "internal_error" } }],
] as [string, Answer][])("says the same as before once an attempt may have been written: %s", async (_, answer) => {
  const node = follower(
    [refused("not_leader"), answer, refused("cannot_tell"), refused("not_leader"), committed],
    20_000,
  );
  await node.append();
  const [first, ...rest] = heightsOf(node);
  expect(rest).toHaveLength(4);
  expect(new Set(rest).size).toBe(1);
  expect(rest[0]).toBeGreaterThan(first ?? 0);
});

it("answers 503 after certain refusals only, 504 after an outcome that is not known", async () => {
  await expect(follower([]).append()).rejects.toMatchObject({ code: "no_quorum" });
  const rebuilding = follower(new Array(200).fill(refused("index_rebuilding")));
  await expect(rebuilding.append()).rejects.toMatchObject({ code: "index_rebuilding" });
  const node = follower([result({ kind: "unknown" })]);
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
