import type { Effect, ReplicaFooting } from "../../../cluster/types.js";
import { canonicalText } from "../../../shared/canonical.js";
import type { HashHex, NodeId } from "../../../shared/ids.js";
import type { Control } from "../../../shared/log/control.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { ElectionChecker } from "./election.js";
import type { History } from "./history.js";

type Committed = Extract<Effect, { kind: "committed" }>;

/** I4 and I5: commits are contiguous, never change, rest on a majority of voters and on the leader's own term. */
export class CommitChecker {
  private readonly heights = new Map<SimNode, number>();
  /** Blocks that stood on a disk when it was lost: the loss of a minority does not undo what was acknowledged. */
  private readonly lostCopies = new Map<HashHex, Set<NodeId>>();

  constructor(
    private readonly history: History,
    private readonly elections: ElectionChecker,
    private readonly nodes: () => readonly SimNode[],
  ) {}

  onBoot(node: SimNode, commitHeight: number): void {
    for (let at = 1; at <= commitHeight; at++) {
      const hash = node.disk.at(at)?.block.blockHash;
      check(
        this.history.committed[at - 1]?.hash === hash || node.disk.copied.has(at) || node.disk.removed.has(at),
        "I4",
        () => `${node.id} recovers block ${at} as committed; the cluster never committed it`,
      );
    }
    this.heights.set(node, commitHeight);
  }

  /** I4: a store never ends below what its node has called committed, unless a fault took it. */
  onDurable(node: SimNode): void {
    const committed = node.isDoubtful ? 0 : (this.heights.get(node) ?? 0);
    const { tailHeight } = node.disk;
    check(tailHeight >= committed, "I4", () => `${node.id} truncates to ${tailHeight}, below committed ${committed}`);
  }

  onDiskLoss(node: SimNode): void {
    node.disk.lostSomething = true;
    node.disk.hasLost = true;
    for (let at = 1; at <= node.disk.tailHeight; at++) {
      const block = node.disk.at(at)?.block;
      if (block === undefined) continue;
      const holders = this.lostCopies.get(block.blockHash) ?? new Set();
      this.lostCopies.set(block.blockHash, holders.add(node.id));
    }
  }

  onCommitted(node: SimNode, effect: Committed): void {
    const { term, role } = node.standing;
    let at = this.heights.get(node) ?? 0;
    for (const committed of effect.blocks) {
      const { block } = committed;
      const { height } = block.header;
      check(height === at + 1, "I4", () => `${node.id} announces height ${height} after ${at}`);
      at = height;
      check(
        node.isDoubtful || node.disk.at(height)?.block.blockHash === block.blockHash,
        "I5",
        () => `${node.id} calls block ${height} committed, which its disk does not hold`,
      );
      if (this.history.recordCommitted(committed, term) === "known") continue;
      this.checkMajority(node, height, block.blockHash, block.header.control);
      if (height === 1) this.checkFounders(block.header.control);
      check(role === "leader", "I5", () => `${node.id} commits ${height} first and does not lead`);
      const entry = this.history.committed[height - 1];
      if (entry !== undefined) this.elections.onCommitted(entry);
    }
    if (role === "leader") this.checkAcknowledgedBy(node, effect);
    check(at === effect.height, "I4", () => `committed ${effect.height}, but its blocks end at ${at}`);
    this.heights.set(node, at);
    const top = effect.blocks.at(-1)?.block.header;
    if (role === "leader" && top !== undefined)
      check(top.term === term, "I5", () => `term ${term} commits block ${top.height} of term ${top.term} by counting`);
  }

  private checkMajority(node: SimNode, height: number, hash: HashHex, control: { kind: string } | undefined): void {
    const nodes = this.nodes();
    const holders = nodes.filter((other) => {
      // The learner that a record admits is not among those who commit it.
      if (control?.kind === "node_admitted" && "node" in control && control.node === other.id) return false;
      if (this.lostCopies.get(hash)?.has(other.id)) return true;
      if (other.disk.at(height)?.block.blockHash !== hash || other.disk.database.unjournaled.has(height)) return false;
      return other.disk.hardState?.joinNonce === this.history.admittedNonce(other.id, height);
    });
    check(
      holders.length * 2 > nodes.length,
      "I5",
      () => `${node.id} commits block ${height}, durable on ${holders.map((it) => it.id).join(", ") || "no voter"}`,
    );
  }

  private checkAcknowledgedBy(node: SimNode, { height, acknowledgedBy }: Committed): void {
    check(
      acknowledgedBy.length * 2 > this.nodes().length && acknowledgedBy.every((id) => this.hasHeld(id, height)),
      "I5",
      () => `${node.id} says that ${acknowledgedBy.join(", ")} hold block ${height}`,
    );
  }

  /** Whether a node holds the block that is committed at a height, or held it when its disk was lost. */
  hasHeld(id: NodeId, at: number): boolean {
    const hash = this.history.committed[at - 1]?.hash;
    const disk = this.nodes().find((node) => node.id === id)?.disk;
    if (hash === undefined || disk === undefined) return false;
    if (this.lostCopies.get(hash)?.has(id) || disk.altered.has(at)) return true;
    return disk.at(at)?.block.blockHash === hash && !disk.database.unjournaled.has(at);
  }

  /** I1: when a log has begun nobody may begin another one, but who has lost its disk. */
  private checkFounders(control: Control | undefined): void {
    const members = control?.kind === "genesis" ? canonicalText(control.members) : "";
    for (const { id, disk } of this.nodes()) {
      const isBound = canonicalText(disk.hardState?.forming ?? []) === members;
      check(isBound || disk.hasLost, "I1", () => `a log begins, and ${id} has not stored its list of founders`);
    }
  }

  onView(node: SimNode, { commitHeight, durableHeight, tail }: ReplicaFooting): void {
    const announced = this.heights.get(node) ?? 0;
    check(
      commitHeight === announced,
      "I5",
      () => `${node.id} shows commit height ${commitHeight}, and announced ${announced}`,
    );
    check(
      commitHeight <= durableHeight && durableHeight <= tail.height,
      "I5",
      () => `${node.id}: commit ${commitHeight}, durable ${durableHeight}, tail ${tail.height}`,
    );
    check(
      durableHeight <= node.disk.tailHeight,
      "I5",
      () => `${node.id} thinks ${durableHeight} durable; its disk ends at ${node.disk.tailHeight}`,
    );
  }
}
