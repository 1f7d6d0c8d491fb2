import { expect, it } from "vitest";
import { type HashHex, type Height, height, type NodeId, term } from "../../shared/ids.js";
import { EMPTY_CHAIN, sealBlock } from "../../shared/log/chain.js";
import type { PeerBody } from "../../shared/protocol/messages.js";
import { prepare } from "../sim/clients.js";
import { fakeSigner } from "../sim/fake-crypto.js";
import type { SimNode } from "../sim/node.js";
import { Lab } from "./lab.js";

/** A lab in which alerts may be raised; their kinds, and who is accused. */
function tolerant(): { lab: Lab; alerts: () => string[] } {
  const lab = new Lab({ expectsAlert: () => true });
  return { lab, alerts: () => lab.checkers.alerts.raised.map(({ alertKind, accused }) => `${alertKind} ${accused}`) };
}

const heartbeat = (at: Height, hash: HashHex): PeerBody => ({
  kind: "append",
  round: 1_000,
  previousHeight: at,
  previousHash: hash,
  commitHeight: height(0),
  acknowledgedHeight: height(0),
  electionTimeoutMs: 1_000,
  clocks: [],
});

const loseDisk = (lab: Lab, node: SimNode, storeId = lab.random.hex(16)): void => {
  node.crash();
  lab.checkers.commits.onDiskLoss(node);
  node.disk.wipe(storeId, null);
};

const isCandidate = (lab: Lab, id: NodeId): boolean => lab.node(id).view.role === "candidate";

it("a leader follows no second one of its own term, and names it", () => {
  const { lab, alerts } = tolerant();
  lab.form();
  const tail = lab.node("n1").disk.chainAt(lab.tailOf("n1"));
  lab.deliver(lab.message("n2", "n1", heartbeat(tail.height, tail.blockHash)));
  expect(alerts()).toEqual(["fork n2"]);
  expect(lab.node("n1").view.role).toBe("leader");
  lab.finish();
});

it("a leader admits no node on a copy of another one's database", () => {
  const { lab, alerts } = tolerant();
  lab.form();
  const n3 = lab.node("n3");
  loseDisk(lab, n3, lab.node("n2").disk.storeId);
  n3.start();
  lab.until("it is named", () => alerts().includes("duplicate_store_id n3"));
  lab.timeouts(2);
  expect(n3.view.isLearner).toBe(true);
});

it("founders on one database, or on copies of one, do not form a log, and name each other", () => {
  const { lab, alerts } = tolerant();
  const [n1, n2] = lab.nodes as [SimNode, SimNode];
  n2.disk.wipe(n1.disk.storeId, null);
  lab.startAll();
  lab.timeouts(3);
  expect(new Set(alerts())).toEqual(new Set(["duplicate_store_id n1", "duplicate_store_id n2"]));
  expect(lab.checkers.history.committed).toEqual([]);
});

it("whoever introduces somebody else is not heard", () => {
  const lab = new Lab();
  const [n1] = lab.nodes as [SimNode];
  const undo = lab.drop(({ from }) => from === "n2");
  lab.startAll();
  lab.until("n3 has introduced itself", () => lab.sentBy("n3", "join").length > 0);
  lab.run(lab.timing.heartbeatMs);
  const [said] = lab.sentBy("n2", "join");
  if (said === undefined) throw new Error("nothing was said");
  const member = { ...said.body.member, id: "n3", storeId: "f".repeat(32) };
  lab.deliver({ ...said, to: "n1", body: { ...said.body, member } });
  lab.timeouts(0.5);
  // n2 was not heard, whatever it says of n3: there is no list without it.
  expect(n1.disk.hardState?.forming).toBeNull();
  undo();
  lab.finish();
});

it("a learner refuses another genesis than that of the cluster which its identity belongs to", () => {
  const { lab, alerts } = tolerant();
  lab.form();
  const [n1, , n3] = lab.nodes as [SimNode, SimNode, SimNode];
  const undo = lab.drop(({ to }) => to === "n3");
  loseDisk(lab, n3);
  n3.start();
  const { header } = n1.disk.at(1)?.block ?? {};
  if (header?.control === undefined) throw new Error("there is no genesis");
  const request = { term: header.term, leaderId: "n1", events: [], now: header.sealedAt, commitHeight: height(0) };
  const control = { ...header.control, nonce: "9".repeat(32) } as typeof header.control;
  const { block } = sealBlock(EMPTY_CHAIN, { ...request, control }, fakeSigner(n1.disk.identity.keys.block));
  lab.deliver(lab.message("n1", "n3", heartbeat(height(0), EMPTY_CHAIN.blockHash), { blocks: [block] }));
  expect(alerts()).toEqual(["bad_cluster n1"]);
  expect(n3.view.tailHeight).toBe(0);
  undo();
  lab.finish();
});

it("a pre-vote of another join than the one admitted last counts for nothing", () => {
  const lab = new Lab().form();
  lab.node("n1").crash();
  const undo = lab.drop(({ body }) => body.kind === "pre_vote_answer");
  lab.until("n2 asks for pre-votes", () => lab.node("n2").view.role === "pre_candidate");
  const forTerm = term(lab.node("n2").view.term + 1);
  const answer = (joinNonce: string): PeerBody => ({ kind: "pre_vote_answer", forTerm, isGranted: true, joinNonce });
  lab.deliver(lab.message("n3", "n2", answer("f".repeat(32))));
  expect(isCandidate(lab, "n2")).toBe(false);
  lab.deliver(lab.message("n3", "n2", answer(lab.node("n3").disk.hardState?.joinNonce ?? "")));
  expect(isCandidate(lab, "n2")).toBe(true);
  undo();
  lab.node("n1").start();
  lab.finish();
});

it("a learner believes a term from far away, and takes no write", () => {
  const lab = new Lab().form();
  const n3 = lab.node("n3");
  loseDisk(lab, n3);
  lab.split(["n3"], ["n1", "n2"]);
  n3.start();
  const refused = (): (string | undefined)[] =>
    lab.effects.flatMap(({ node, effect }) => (node === "n3" && effect.kind === "refused" ? [effect.reason] : []));
  const events = prepare(lab.random, { source: "early" });
  const late = { proposalId: 7, events, deadline: n3.now + 500, sinceHeight: height(0) };
  n3.input({ kind: "propose", proposals: [late] });
  expect(refused()).toEqual(["unavailable"]);
  const far = term(n3.view.term + 50_000);
  lab.deliver(lab.message("n1", "n3", heartbeat(height(0), EMPTY_CHAIN.blockHash), { term: far }));
  expect(n3.view.term).toBe(far);
});

it("a leader hands the lead to nobody of lower priority that asks for it", () => {
  const lab = new Lab().form();
  lab.run(lab.timing.takeoverCooldownMs);
  lab.deliver(lab.message("n2", "n1", { kind: "take_over" }));
  lab.timeouts(2);
  expect(lab.sentBy("n1", "run_now")).toEqual([]);
  expect(lab.leaderChanges()).toEqual([]);
  lab.finish();
});

it("a late answer of another join changes nothing of what a leader knows of a follower", () => {
  const lab = new Lab().form();
  const { commitHeight } = lab.node("n1").view;
  const known = (): unknown => lab.node("n1").view.peers.find(({ id }) => id === "n3");
  const before = known();
  const late: PeerBody = {
    kind: "append_answer",
    round: 0,
    result: "ok",
    matchHeight: height(0),
    ...{ commitHeight, tailHeight: height(0), joinNonce: "f".repeat(32), isVoter: false, isStoreHealthy: false },
  };
  lab.deliver(lab.message("n3", "n1", late));
  expect(known()).toEqual(before);
  lab.finish();
});
