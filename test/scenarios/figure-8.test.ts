import { describe, expect, it } from "vitest";
import type { PeerMessage } from "../../shared/protocol/peer.js";
import { Lab } from "./lab.js";

/**
 * Figure 8 of the Raft paper: a block of an earlier term stands on a majority and must not be committed for that
 * alone, since a later leader without it can still be elected. n1 plays S1, n5 plays S5.
 */
function figure8(): { lab: Lab; height: number } {
  const lab = new Lab({ nodes: 5, priorities: [5, 3, 2, 1, 4] }).form();
  const height = lab.tailOf("n1") + 1;

  // (a) n1 seals a block that only n2 receives, and dies.
  const onlyToN2 = lab.drop(({ from, to, blocks }) => from === "n1" && to !== "n2" && blocks.length > 0);
  lab.begin("n1");
  lab.until("n2 holds the block of n1", () => lab.tailOf("n2") === height);
  lab.node("n1").crash();
  onlyToN2();

  // (b) n5 is elected by n3 and n4, and seals another block at that height, for itself alone.
  lab.split(["n2"], ["n1", "n3", "n4", "n5"]);
  const n5Alone = lab.drop(({ from, blocks }) => from === "n5" && blocks.length > 0);
  lab.elect("n5");
  lab.until("n5 holds its own block", () => lab.tailOf("n5") === height);
  lab.node("n5").crash();
  n5Alone();
  return { lab, height };
}

/** n1 comes back and leads; n3 gets n1's old block, and the block of n1's new term only where `newBlockTo` says. */
function returnN1(lab: Lab, height: number, newBlockTo: (to: string) => boolean): void {
  const trimmed = (message: PeerMessage): boolean => {
    const { from, to, blocks } = message;
    if (from !== "n1" || blocks.length === 0 || newBlockTo(to)) return false;
    const old = blocks.filter((block) => block.header.height <= height);
    // The new block alone says nothing to a node without the old one: it answers "mismatch", and is sent both.
    if (old.length === 0 && lab.tailOf(to) < height) return false;
    // Half of a catch-up is a message that an honest leader could send.
    if (old.length > 0 && to !== "n4") lab.network.send(from, to, () => lab.deliver({ ...message, blocks: old }));
    return true;
  };
  lab.network.mendAll();
  const stop = lab.drop(trimmed);
  lab.node("n1").start();
  lab.elect("n1");
  lab.until("n3 holds the old block", () => lab.tailOf("n3") >= height);
  lab.timeouts(1);
  stop();
}

describe("Raft's figure 8", () => {
  it("does not commit an old term's block by counting, and lets a later leader replace it", () => {
    const { lab, height } = figure8();
    returnN1(lab, height, () => false);
    expect(lab.each((node) => node.disk.tailHeight >= height)).toMatchObject({ n1: true, n2: true, n3: true });
    expect(lab.node("n1").view.commitHeight).toBeLessThan(height);

    // (d) n1 dies, and n5, whose block is of a later term, is elected and replaces the block of n1 everywhere.
    lab.node("n1").crash();
    lab.node("n5").start();
    lab.elect("n5");
    lab.until("its block is committed", () => lab.node("n5").view.commitHeight >= height);
    const sealed = lab.node("n5").disk.at(height)?.block;
    expect(sealed?.header.leaderId).toBe("n5");
    lab.until("n2 holds it", () => lab.node("n2").disk.at(height)?.block.blockHash === sealed?.blockHash);
    lab.finish();
  });

  it("commits the old block with one of its own term, after which a leader without it cannot be elected", () => {
    const { lab, height } = figure8();
    returnN1(lab, height, (to) => to !== "n4");
    // (e) The new term's block is on n1, n2 and n3: both are committed.
    expect(lab.node("n1").view.commitHeight).toBeGreaterThan(height);
    lab.node("n1").crash();
    lab.node("n5").start();
    lab.until("another leads", () => lab.leader !== undefined && lab.leader.view.commitHeight > height);
    expect(["n2", "n3"]).toContain(lab.leader?.id);
    expect(lab.checkers.history.committed[height - 1]?.block.block.header.leaderId).toBe("n1");
    lab.finish();
  });
});
