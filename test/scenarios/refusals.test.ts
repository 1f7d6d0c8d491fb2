import { describe, expect, it } from "vitest";
import type { Block, BlockHeader } from "../../shared/block.js";
import { headerBytes } from "../../shared/block.js";
import { sealBlock } from "../../shared/chain.js";
import { sha256Hex } from "../../shared/hash.js";
import type { NodeId } from "../../shared/ids.js";
import type { PeerBody } from "../../shared/protocol/peer.js";
import { prepare } from "../sim/clients.js";
import { fakeSignature, fakeSigner } from "../sim/fake-crypto.js";
import { Random } from "../sim/random.js";
import { Lab } from "./lab.js";

/** A lab in which n3 is sent wrong blocks; alerts are what it is about. */
const lab3 = (): Lab => new Lab({ expectsAlert: () => true, checksWire: false }).form();

/** Signs a changed header as its leader would: the lie is well formed. */
function resign(lab: Lab, block: Block, change: Partial<BlockHeader>): Block {
  const header = { ...block.header, ...change };
  const bytes = headerBytes(header);
  const { keys } = lab.node(header.leaderId).disk.identity;
  return { ...block, header, blockHash: sha256Hex(bytes), signature: fakeSignature(keys.block, bytes) };
}

/** The next block that n1 sends to n3 arrives changed; what follows is genuine. */
function forgeOnce(lab: Lab, forge: (block: Block) => Block): void {
  let isDone = false;
  lab.drop((message) => {
    const { from, to, blocks } = message;
    if (isDone || from !== "n1" || to !== "n3" || blocks.length === 0) return false;
    isDone = true;
    lab.network.send(from, to, () => lab.deliver({ ...message, blocks: blocks.map(forge) }));
    return true;
  });
}

const alertsOf = (lab: Lab, id: NodeId): string[] =>
  lab.effects.flatMap(({ node, effect }) =>
    node === id && effect.kind === "alert" ? [`${effect.alert.alertKind} ${effect.alert.accused}`] : [],
  );

describe("wrong blocks", () => {
  const lies: [string, string, (lab: Lab, block: Block) => Block][] = [
    ["a forged block hash", "bad_hash", (_lab, block) => ({ ...block, blockHash: "a".repeat(64) })],
    ["a forged head hash", "bad_hash", (lab, block) => resign(lab, block, { headHash: "b".repeat(64) })],
    ["a forged root", "bad_root", (lab, block) => resign(lab, block, { rootHash: "c".repeat(64) })],
    ["a signature of another node", "bad_signature", (_lab, block) => ({ ...block, signature: new Uint8Array(64) })],
    ["another cluster's block", "bad_cluster", (lab, block) => resign(lab, block, { clusterId: "d".repeat(64) })],
    ["a changed payload", "bad_hash", (_lab, block) => ({ ...block, payloads: changed(block.payloads) })],
    ["a changed record", "bad_hash", (_lab, block) => ({ ...block, records: changed(block.records) })],
    ["half a record", "bad_encoding", (_lab, block) => ({ ...block, records: block.records.subarray(0, 40) })],
    ["a leader that does not lead", "bad_leader", (lab, block) => resign(lab, block, { leaderId: "n2" })],
    ["a term from the past", "bad_term", (lab, block) => resign(lab, block, { term: 0 as never })],
    ["a height that does not follow", "bad_link", (lab, block) => resign(lab, block, { height: 99 as never })],
  ];

  it.each(lies)("%s: an alert of kind %s, nothing is stored, and the log goes on", (_what, kind, forge) => {
    const lab = lab3();
    const before = lab.tailOf("n3");
    forgeOnce(lab, (block) => forge(lab, block));
    lab.writeTo("n1");
    lab.until("n3 alerts", () => alertsOf(lab, "n3").length > 0);
    expect(alertsOf(lab, "n3")).toEqual([`${kind} n1`]);
    expect(lab.tailOf("n3")).toBe(before);
    lab.timeouts(4);
    expect(lab.leaderChanges()).toEqual([]);
    lab.finish();
    expect(lab.tailOf("n3")).toBeGreaterThan(before);
    expect(alertsOf(lab, "n3")).toHaveLength(1);
  });

  it("a well-formed block at a committed height is refused: the node keeps its log, its vote and its suspicion", () => {
    const lab = lab3();
    lab.writeTo("n1");
    lab.until("all are level", () => lab.isLevel());
    const { commitHeight, term } = lab.node("n3").view;
    const committed = lab.node("n3").disk.at(commitHeight)?.block;
    const base = lab.node("n3").disk.chainAt(commitHeight - 1);
    const { block: other } = sealBlock(
      base,
      {
        term,
        leaderId: "n1",
        events: prepare(new Random(5), { source: "forger" }),
        now: base.sealedAt,
        commitHeight: base.commitHeight,
      },
      fakeSigner(lab.node("n1").disk.identity.keys.block),
    );
    const lie: PeerBody = {
      kind: "append",
      round: 1_000,
      previousHeight: base.height,
      previousHash: base.blockHash,
      commitHeight,
      acknowledgedHeight: base.height,
      isCoordinator: false,
    };
    lab.deliver(lab.message("n1", "n3", lie, { blocks: [other] }));
    lab.run(20);
    expect(alertsOf(lab, "n3")).toEqual(["conflict_below_commit n1"]);
    expect(lab.node("n3").disk.at(commitHeight)?.block.blockHash).toBe(committed?.blockHash);
    expect(lab.node("n3").view.isLearner).toBe(false);

    // Such messages are no sign of a leader: with nothing else from n1, the node begins to doubt that it leads.
    const silence = lab.drop(({ from, to }) => from === "n1" && to === "n3");
    const isDoubtful = (): boolean => lab.node("n3").view.role !== "follower";
    for (let i = 0; i < 40 && !isDoubtful(); i++) {
      lab.deliver(lab.message("n1", "n3", lie, { blocks: [other] }));
      lab.run(lab.timing.heartbeatMs);
    }
    expect(isDoubtful()).toBe(true);
    silence();
    lab.until("n3 follows n1 again", () => lab.node("n3").view.leaderId === "n1");

    // Its vote still counts: without n1 it is needed for a majority.
    lab.node("n1").crash();
    lab.until("a leader is elected with the vote of n3", () => lab.leader !== undefined);
    lab.finish();
  });

  it("an append of a past term is answered with the present one, and changes nothing", () => {
    const lab = lab3();
    const { term, tailHeight } = lab.node("n3").view;
    const state = lab.node("n3").disk.chainAt(tailHeight);
    const body = {
      kind: "append",
      round: 1,
      previousHeight: state.height,
      previousHash: state.blockHash,
      commitHeight: state.height,
      acknowledgedHeight: 0 as never,
      isCoordinator: true,
    } as const;
    lab.split(["n1"], ["n2", "n3"]);
    lab.until("n2 or n3 leads", () => lab.leader !== undefined && lab.leader.id !== "n1");
    lab.timeouts(1);
    const { leaderId, term: next } = lab.node("n3").view;
    lab.sent.length = 0;
    lab.deliver({ ...lab.message("n1", "n3", body), term });
    lab.run(10);
    const answers = lab.sentBy("n3", "append_answer").filter(({ to }) => to === "n1");
    expect(answers.map((answer) => [answer.term, answer.body.result])).toEqual([[next, "stale"]]);
    expect(lab.node("n3").view).toMatchObject({ leaderId, term: next });
    lab.finish();
  });

  it("a term far above all others is refused with an alert until a majority speaks of it", () => {
    const lab = lab3();
    const { term } = lab.node("n1").view;
    const high = (term + 50_000) as never;
    const tail = { term, height: lab.node("n3").view.tailHeight };
    lab.deliver({ ...lab.message("n3", "n1", { kind: "vote", tail }), term: high });
    lab.run(10);
    expect(alertsOf(lab, "n1")).toEqual(["term_too_high n3"]);
    expect(lab.node("n1").view).toMatchObject({ term, role: "leader" });
    lab.finish();
  });
});

function changed(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = Math.min(20, copy.length - 1);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
