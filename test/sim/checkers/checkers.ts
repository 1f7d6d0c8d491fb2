import type { Effect, ProposalRefusal } from "../../../cluster/types.js";
import type { WordedAlert } from "../../../node/replica/wording.js";
import type { Block } from "../../../shared/log/block.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import { AlertChecker } from "./alerts.js";
import { BoundChecker } from "./bounds.js";
import { ClockChecker } from "./clocks.js";
import { CommitChecker } from "./commit.js";
import { ElectionChecker } from "./election.js";
import { ForgeryChecker } from "./forgeries.js";
import { History } from "./history.js";
import { IndexChecker } from "./index.js";
import { JustificationChecker } from "./justified.js";
import { Ledger } from "./ledger.js";
import { PromiseChecker } from "./promises.js";
import { QuorumChecker } from "./quorums.js";
import { ReadChecker } from "./reads.js";
import { RefusalChecker } from "./refusals.js";
import { TakeOverChecker } from "./takeovers.js";
import { TamperingChecker } from "./tampering.js";

/** Separate from the system: fed with what each node does, it throws a `Violation` when a property does not hold. */
export class Checkers {
  readonly history = new History();
  readonly ledger = new Ledger(this.history, (id, at) => this.commits.hasHeld(id, at));
  readonly elections: ElectionChecker;
  readonly commits: CommitChecker;
  readonly alerts: AlertChecker;
  readonly forgeries = new ForgeryChecker();
  readonly bounds = new BoundChecker(this.history);
  readonly index = new IndexChecker(this.history);
  readonly quorums = new QuorumChecker();
  readonly reads = new ReadChecker(this.history, this.quorums);
  readonly clocks: ClockChecker;
  readonly takeOvers = new TakeOverChecker();
  readonly justified: JustificationChecker;
  readonly tampering = new TamperingChecker();
  /** Why proposals were refused, and how often. */
  readonly refused: Partial<Record<ProposalRefusal, number>> = {};
  private readonly refusals = new RefusalChecker(this.forgeries);
  private readonly promises: PromiseChecker;

  constructor(
    nodes: () => readonly SimNode[],
    /** Alerts that this run may raise; a run without forgeries expects none. */
    expectsAlert: (alert: WordedAlert) => boolean,
  ) {
    this.elections = new ElectionChecker(this.history, nodes);
    this.promises = new PromiseChecker(this.elections, nodes);
    this.clocks = new ClockChecker(nodes);
    this.justified = new JustificationChecker(nodes);
    this.alerts = new AlertChecker(expectsAlert);
    this.commits = new CommitChecker(this.history, this.elections, nodes);
  }

  onBoot(node: SimNode, commitHeight: number): void {
    if (node.disk.hardState !== null) this.elections.onHardState(node, node.disk.hardState);
    this.commits.onBoot(node, commitHeight);
    this.promises.onBoot(node);
    this.index.atRest(node, { isOpened: true });
  }

  onReceive(node: SimNode, message: PeerMessage, ref: number | undefined): void {
    this.promises.onReceive(node, message, ref);
    this.refusals.onReceive(node, message);
    this.takeOvers.onReceive(message);
    this.quorums.onReceive(node, message);
  }

  /** The step that took the message is over. */
  onReceived(node: SimNode): void {
    this.refusals.onReceived(node);
    this.takeOvers.onReceived();
  }

  onSend(node: SimNode, message: PeerMessage, ref: number | undefined): void {
    for (const block of message.blocks) {
      if (!node.disk.altered.has(block.header.height)) this.record(node, block);
      this.isCommitted(node, block);
    }
    this.promises.onSend(node, message, ref);
  }

  /** I7: what a node calls committed it gives to nobody as another block. */
  private isCommitted(node: SimNode, { header, blockHash }: Block): void {
    const committed = this.history.committed[header.height - 1]?.hash;
    if (!node.disk.altered.has(header.height) || committed === blockHash) return;
    check(
      node.isDoubtful || header.height > node.commitHeight,
      "I7",
      () => `${node.id} sends another block ${header.height} than was committed there`,
    );
  }

  onEffect(node: SimNode, effect: Effect): void {
    this.justified.onEffect(node, effect);
    switch (effect.kind) {
      case "committed":
        this.commits.onCommitted(node, effect);
        return this.onView(node);
      case "role_changed":
        if (effect.role !== "leader") return;
        this.takeOvers.onLeader(node);
        this.quorums.onLeader(node);
        return this.elections.onLeader(node, effect.term);
      case "refused":
        this.refused[effect.reason] = (this.refused[effect.reason] ?? 0) + 1;
        return;
      default:
        return;
    }
  }

  onAlert(node: SimNode, alert: WordedAlert): void {
    if (alert.alertKind === "clock_off") return this.clocks.onAlert(alert.accused);
    this.refusals.onAlert(node, alert);
    this.alerts.onAlert(node, alert);
  }

  /** What a disk holds is what was handed to it: hard state, and blocks that continue each other. */
  onDurable(node: SimNode): void {
    const { disk } = node;
    // What is found at a recovery is judged when the recovery is over: it may have been set back by a fault.
    if (disk.hardState !== null && !node.isDoubtful) this.elections.onHardState(node, disk.hardState);
    this.recordTail(node);
    this.commits.onDurable(node);
  }

  /** One write may have stored several. */
  private recordTail(node: SimNode): void {
    const { disk } = node;
    let from: number = disk.tailHeight;
    while (from > 1 && !this.history.hasRecorded(disk.at(from - 1)?.block)) from -= 1;
    for (let at = from; at <= disk.tailHeight; at++) {
      const stored = disk.at(at);
      if (stored !== undefined && !disk.altered.has(at)) this.record(node, stored.block);
    }
  }

  /** A leader's new block is seen as it leaves, or as it becomes durable there. */
  private record(node: SimNode, block: Block): void {
    if (!this.history.hasRecorded(block)) this.clocks.onNewBlock(node, block);
    this.history.recordBlock(block);
  }

  /** I5 and I13, of what a node says of itself. */
  onView(node: SimNode): void {
    if (node.isDoubtful || node.isPaused) return;
    const { standing } = node;
    if (standing.role === "leader") this.elections.onLeader(node, standing.term);
    const footing = node.process?.driver.footing() ?? null;
    if (footing !== null) this.commits.onView(node, footing);
    this.bounds.onView(node);
  }
}
