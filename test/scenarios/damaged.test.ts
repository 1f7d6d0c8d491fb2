import { expect, it } from "vitest";
import type { StoredBlock } from "../../node/storage/port.js";
import type { Height } from "../../shared/ids.js";
import { alteredBlock } from "../sim/faults/alter.js";
import type { SimNode } from "../sim/node.js";
import type { SimProcess } from "../sim/process.js";
import { Random } from "../sim/random.js";
import { Lab } from "./lab.js";

const random = new Random(28);
const BAD = 5 as Height;

it("with every copy of a committed block altered, nobody makes one up, and the log goes on", () => {
  // A start verifies the newest blocks only: what is older is found when somebody needs it.
  const lab = new Lab({ verifiedTail: { events: 1, blocksMax: 8, blocksMin: 4 } }).form();
  for (let i = 0; i < 20; i++) lab.writeTo("n1");
  lab.until("all are level", () => lab.isLevel());
  for (const node of lab.nodes) {
    node.crash();
    lab.checkers.commits.onDiskLoss(node);
    const { disk } = node;
    if (node.id === "n3") disk.wipe(random.hex(16), null);
    else disk.alter(BAD, (stored) => alteredBlock(random, stored).stored);
  }
  lab.startAll();
  lab.until("n3 has what comes before it", () => lab.tailOf("n3") === BAD - 1);
  lab.until("both holders have found it", () => lab.checkers.alerts.alterationsFound === 2);

  const { height } = lab.writeTo("n1");
  lab.timeouts(10);
  expect(lab.writeTo("n2").height).toBeGreaterThan(height);
  expect(lab.tailOf("n3")).toBe(BAD - 1);
  expect(lab.node("n3").view.isLearner).toBe(true);
  expect(lab.checkers.alerts.raised).toEqual([]);
});

it("names a block that is missing from a leader's own log, and leaves the lead to one that has it", () => {
  const lab = new Lab({ limits: { cachedBlocksMax: 1, messageBlocksMax: 2 } }).form();
  const n1 = lab.node("n1");
  lab.node("n3").crash();
  for (let i = 0; i < 8; i++) lab.writeTo("n1");
  const missing = lab.tailOf("n1") - 4;
  const { storage } = n1.process as SimProcess;
  const readBlocks = storage.log.readBlocks.bind(storage.log);
  let reads = 0;
  storage.log.readBlocks = async (from, limit) => {
    reads += 1;
    return (await readBlocks(from, limit)).filter(({ block }) => block.header.height !== missing);
  };
  n1.disk.altered.set(missing, n1.disk.at(missing) as StoredBlock);
  lab.node("n3").start();
  lab.until("n3 is level", () => lab.node("n3").view.commitHeight === lab.checkers.history.committed.length);
  expect(reads).toBeLessThan(20);
  expect(lab.leader?.id).toBe("n2");
  n1.disk.altered.clear();
  lab.finish();
});

it("a damaged leader hands over once a sound voter is level; it votes and acknowledges as before, and leads where nobody else can", () => {
  const lab = new Lab().form();
  const [n1, n2, n3] = ["n1", "n2", "n3"].map((id) => lab.node(id)) as [SimNode, SimNode, SimNode];
  const served = () => (n1.process as SimProcess).served;
  expect(served().isDamaged).toBe(false);
  served().onAltered();
  lab.until("a sound node leads", () => lab.leader !== undefined && lab.leader !== n1);
  expect([served().isDamaged, n1.view.isLearner]).toEqual([true, false]);
  const { status } = n1.service;
  expect(status.readiness().flatMap(({ name, isOk }) => (name === "integrity" && !isOk ? [name] : []))).toEqual([
    "integrity",
  ]);

  // It ranks highest, and takes nothing over.
  lab.timeouts(12);
  expect(lab.leader).not.toBe(n1);

  // Its acknowledgement makes the majority.
  lab.elect("n2");
  n3.crash();
  const { height } = lab.writeTo("n2");
  lab.until("n1 has it", () => n1.view.commitHeight >= height);

  // Its vote makes the majority, and only it can lead: the other one lacks a committed block.
  n2.crash();
  n3.start();
  lab.until("the damaged node leads", () => lab.leader === n1, 30 * lab.timing.electionTimeoutMs);
  lab.writeTo("n3");
  n2.start();
  served().onHealed();
  expect(served().isDamaged).toBe(false);
  lab.finish();
});

it("a node that verifies its log first campaigns late, and as any other once that is over", () => {
  const lab = new Lab().form();
  const n1 = lab.node("n1");
  n1.input({ kind: "campaigns_late", isLate: true });
  n1.input({ kind: "hand_over", target: "n2" });
  lab.until("n2 leads", () => lab.leader?.id === "n2");
  lab.node("n2").crash();
  lab.until("n3 leads, though n1 ranks higher", () => lab.leader?.id === "n3");
  lab.node("n2").start();
  n1.input({ kind: "campaigns_late", isLate: false });
  lab.until("n1 takes over", () => lab.leader === n1, 30 * lab.timing.electionTimeoutMs);
  lab.finish();
});
