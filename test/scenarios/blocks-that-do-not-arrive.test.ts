import { describe, expect, it } from "vitest";
import { blockBytes } from "../../shared/log/block.js";
import { Lab } from "./lab.js";

it("elects another leader when heartbeats pass and blocks do not, and stays with it", () => {
  const lab = new Lab().form();
  lab.drop(({ from, blocks }) => from === "n1" && blocks.length > 0);
  const { outcome } = lab.begin("n2");
  lab.timeouts(3);
  // It may yet arrive.
  expect(lab.leader?.id).toBe("n1");
  lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1", 5_000);
  expect(lab.leaderChanges()).toHaveLength(1);
  lab.until("the client is answered", () => outcome() !== null, 3_000);
  lab.writeTo("n3");
  // n1 is preferred: it would take over after its cool-down, and stop all writes again.
  lab.effects.length = 0;
  lab.timeouts(9);
  expect(lab.leaderChanges()).toEqual([]);
  expect(lab.node("n1").view.leaderId).toBe(lab.leader?.id);
  lab.finish();
});

it("elects another leader when its followers reject each block of one, and stays with it", () => {
  const lab = new Lab({ expectsAlert: ({ accused }) => accused === "n1" }).form();
  // Its key has changed under it: whatever it sends with blocks arrives, and nobody takes it.
  lab.drop((message) => {
    const { from, to, blocks } = message;
    if (from !== "n1" || blocks.length === 0) return false;
    const others = blocks.map((block) => ({ ...block, signature: block.signature.map((byte) => byte ^ 1) }));
    lab.network.send(from, to, () => lab.deliver({ ...message, blocks: others }));
    return true;
  });
  const { outcome } = lab.begin("n2");
  lab.timeouts(3);
  expect(lab.leader?.id).toBe("n1");
  expect(new Set(lab.checkers.alerts.raised.map(({ alertKind }) => alertKind))).toEqual(new Set(["bad_signature"]));
  expect(lab.node("n1").view.commitHeight).toBeLessThan(lab.tailOf("n1"));
  lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1", 5_000);
  lab.until("the client is answered", () => outcome() !== null, 3_000);
  lab.writeTo("n3");
  lab.effects.length = 0;
  lab.timeouts(9);
  expect(lab.leaderChanges()).toEqual([]);
  expect(lab.node("n1").view.leaderId).toBe(lab.leader?.id);
  expect(lab.tailOf("n1")).toBe(lab.tailOf("n3"));
  lab.finish();
});

it("tells one to lead that can win, where nobody has confirmed any of its blocks", () => {
  const lab = new Lab().form();
  lab.node("n2").crash();
  for (let i = 0; i < 3; i++) lab.writeTo("n1");
  lab.drop(({ from, blocks }) => from === "n1" && blocks.length > 0);
  lab.begin("n1");
  lab.until("n1 alone has it", () => lab.tailOf("n1") > lab.tailOf("n3"), 5_000);
  lab.node("n1").crash();
  lab.node("n2").start();
  lab.node("n1").start();
  lab.until("n1 leads, as what it has nobody else has", () => lab.leader?.id === "n1", 60_000);
  // n2 ranks higher and lacks what n3 has: only n3 can win without n1.
  lab.until("n3 leads", () => lab.leader?.id === "n3", 60_000);
  lab.writeTo("n3");
  lab.finish();
});

/** Only n1 and n3 have the newest committed blocks, n2 has been down; no message with blocks leaves n1 from now on. */
function lacking(): Lab {
  const lab = new Lab().form();
  lab.node("n2").crash();
  for (let i = 0; i < 3; i++) lab.writeTo("n1");
  lab.until("n3 knows it", () => lab.node("n3").view.commitHeight === lab.node("n1").view.commitHeight);
  lab.drop(({ from, blocks }) => from === "n1" && blocks.length > 0);
  lab.node("n2").start();
  lab.timeouts(1);
  lab.effects.length = 0;
  lab.sent.length = 0;
  return lab;
}

it("tells nobody to lead that lacks what is committed, though it hears nobody else", () => {
  const lab = lacking();
  lab.split(["n1", "n2"], ["n3"]);
  lab.begin("n1");
  lab.timeouts(12);
  expect(lab.sentBy("n1", "run_now")).toEqual([]);
  expect(lab.leader?.id).toBe("n1");
  lab.network.mendAll();
  lab.until("n3 leads", () => lab.leader?.id === "n3");
  lab.finish();
});

it("tells one to lead that campaigns late, where nobody else could win", () => {
  const lab = lacking();
  lab.node("n3").input({ kind: "campaigns_late", isLate: true });
  lab.begin("n1");
  lab.until("n3 leads", () => lab.leader?.id === "n3", 6_000);
  expect(lab.sentBy("n1", "run_now").map(({ to }) => to)).toEqual(["n3"]);
  expect(lab.leaderChanges()).toHaveLength(1);
  lab.writeTo("n2");
  lab.finish();
});

it("gives the lead up where all others campaign late, and only they know why", () => {
  const lab = new Lab().form();
  for (const id of ["n2", "n3"]) lab.node(id).input({ kind: "campaigns_late", isLate: true });
  lab.drop(({ from, blocks }) => from === "n1" && blocks.length > 0);
  lab.begin("n1");
  lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1", 7_000);
  expect(lab.leaderChanges()).toHaveLength(1);
  lab.writeTo("n1");
  lab.finish();
});

it.each([
  ["the only other voter's disk hangs", (lab: Lab) => lab.node("n3").crash()],
  ["all other disks hang", (lab: Lab) => hang(lab, "n3")],
])("stays the leader where nobody could do better: %s", (_, breakN3) => {
  const lab = new Lab({ timing: { stallMs: 600_000 } }).form();
  breakN3(lab);
  hang(lab, "n2");
  lab.begin("n1");
  lab.timeouts(20);
  expect(lab.leader?.id).toBe("n1");
  expect(lab.leaderChanges()).toEqual([]);
  lab.finish();
});

it("tells one after the other to lead where nobody could do better, and then all of them again", () => {
  const lab = new Lab({ timing: { stallMs: 600_000 } }).form();
  for (const id of ["n2", "n3"]) hang(lab, id);
  lab.begin("n1");
  lab.until("four were told", () => lab.sentBy("n1", "run_now").length === 4, 30_000);
  expect(lab.sentBy("n1", "run_now").map(({ to }) => to)).toEqual(["n2", "n3", "n2", "n3"]);
  lab.finish();
});

function hang(lab: Lab, id: string): void {
  lab.node(id).store.behaviour.held = ({ kind }) => kind !== "read";
}

it("waits while a follower that is far behind catches up", () => {
  const lab = new Lab({ limits: { messageBlocksMax: 1 } }).form();
  lab.node("n3").crash();
  lab.network.profile = { ...lab.network.profile, delayMinMs: 300, delayMaxMs: 300 };
  for (let i = 0; i < 12; i++) lab.writeTo("n1");
  lab.node("n2").crash();
  lab.node("n3").start();
  lab.begin("n1");
  // Each block takes more than half a timeout: together more than the four that a leader has.
  lab.timeouts(7);
  expect(lab.leader?.id).toBe("n1");
  expect(lab.node("n3").view.commitHeight).toBeGreaterThan(6);
  lab.finish();
});

it("hands over where its own store answers no read, and those who are behind get nothing", () => {
  const lab = new Lab({ nodes: 5, limits: { cachedBlocksMax: 2 } }).form();
  for (const id of ["n2", "n3"]) lab.node(id).crash();
  // Else what was read before may be on its way to one of them when it starts.
  const undo = lab.drop(({ to, blocks }) => (to === "n2" || to === "n3") && blocks.length > 0);
  for (let i = 0; i < 6; i++) lab.writeTo("n1");
  lab.until("n5 knows it", () => lab.node("n5").view.commitHeight === lab.node("n1").view.commitHeight);
  lab.node("n4").crash();
  lab.node("n1").store.behaviour.held = ({ kind }) => kind === "read";
  undo();
  for (const id of ["n2", "n3"]) lab.node(id).start();
  const { outcome } = lab.begin("n1");
  lab.effects.length = 0;
  lab.until("n5 leads", () => lab.leader?.id === "n5", 7 * lab.timing.electionTimeoutMs);
  lab.until("the client is answered", () => outcome() !== null);
  lab.writeTo("n2");
  lab.finish();
});

describe("a link on which one block takes three election timeouts", () => {
  const narrowed = (): Lab => {
    const lab = new Lab({ limits: { linkBytesMin: 1 } }).form();
    const block = lab.node("n1").disk.at(lab.tailOf("n1"))?.block;
    const bytes = block === undefined ? 0 : blockBytes(block);
    for (const to of ["n2", "n3"]) lab.network.narrow("n1", to, bytes / 3_000);
    return lab;
  };

  it("carries it once, and the leader waits for it", () => {
    const lab = narrowed();
    const { outcome } = lab.begin("n1");
    lab.timeouts(5);
    expect(outcome()).toMatchObject({ kind: "written" });
    for (const to of ["n2", "n3"])
      expect(lab.sentBy("n1", "append").filter((sent) => sent.to === to && sent.blocks.length > 0)).toHaveLength(1);
    lab.timeouts(10);
    expect(lab.leaderChanges()).toEqual([]);
    lab.finish();
  });

  it("is given smaller blocks from then on, and larger ones when it is wide again", () => {
    const lab = narrowed();
    const writeMany = (): void => {
      const writes = Array.from({ length: 20 }, () => lab.begin("n1"));
      lab.until("all are answered", () => writes.every(({ outcome }) => outcome() !== null), 400_000);
    };
    const largest = (): number =>
      Math.max(...lab.sentBy("n1", "append").flatMap(({ blocks }) => blocks.map(({ header }) => header.eventCount)));
    lab.begin("n1");
    lab.timeouts(5);
    lab.sent.length = 0;
    writeMany();
    expect(largest()).toBe(1);
    lab.network.mendAll();
    lab.timeouts(40);
    for (let i = 0; i < 5; i++) writeMany();
    expect(largest()).toBeGreaterThan(10);
    lab.finish();
  });
});

it("sends half as much after a failure", () => {
  const lab = new Lab().form();
  lab.node("n3").crash();
  for (let i = 0; i < 16; i++) lab.writeTo("n1");
  const undo = lab.drop(({ to, blocks }) => to === "n3" && blocks.length > 1);
  lab.run(200);
  lab.node("n3").start();
  lab.until("n3 is level", () => lab.isLevel());
  const sizes = lab
    .sentBy("n1", "append")
    .filter(({ to, blocks }) => to === "n3" && blocks.length > 0)
    .map(({ blocks }) => blocks.length);
  // From the largest, wherever n3 was by then, down to one block, which arrives. In bytes, and the blocks are not all of one size.
  const falling = sizes.slice(sizes.indexOf(Math.max(...sizes)));
  falling.length = falling.indexOf(1) + 1;
  expect(falling.length).toBeGreaterThan(3);
  for (const [i, size] of falling.slice(1).entries()) expect(size).toBeLessThanOrEqual((falling[i] ?? 0) / 2);
  undo();
  lab.finish();
});
