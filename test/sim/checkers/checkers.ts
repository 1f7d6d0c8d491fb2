import type { BootState, Effect, Input, ReplicaAlert, ReplicaView } from "../../../cluster/types.js";
import type { StorageOperation } from "../disk.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import { CommitChecker } from "./commit.js";
import { ElectionChecker } from "./election.js";
import { History } from "./history.js";
import { Ledger } from "./ledger.js";
import { PromiseChecker } from "./promises.js";

/** A follower stores a batch of blocks at most, a leader one, beside a few hard states: more is a leak (I13). */
const QUEUED_OPERATIONS_MAX = 80;

/** Separate from the system: fed with what each node does, it throws a `Violation` when a property does not hold. */
export class Checkers {
  readonly history = new History();
  readonly ledger = new Ledger(this.history);
  readonly elections = new ElectionChecker(this.history);
  readonly commits: CommitChecker;
  readonly alerts: ReplicaAlert[] = [];
  private readonly promises = new PromiseChecker(this.elections);

  constructor(
    nodes: () => readonly SimNode[],
    /** Alerts that this run may raise; a run without forgeries expects none. */
    private readonly expectsAlert: (alert: ReplicaAlert) => boolean,
  ) {
    this.commits = new CommitChecker(this.history, this.elections, nodes);
  }

  onBoot(node: SimNode, boot: BootState): void {
    this.elections.onHardState(node, boot.hardState);
    this.commits.onBoot(node, boot);
    this.promises.onBoot(node);
  }

  onStep(node: SimNode, input: Input, effects: readonly Effect[]): void {
    if (input.kind === "message") this.promises.onReceive(node, input.message, input.ref);
    if (input.kind === "propose") checkProposalAnswers(input.proposal.proposalId, effects);
  }

  onEffect(node: SimNode, effect: Effect): void {
    switch (effect.kind) {
      case "store_block":
        return this.history.recordBlock(effect.block);
      case "send":
        return this.promises.onSend(node, effect.message, effect.ref);
      case "committed":
        return this.commits.onCommitted(node, effect);
      case "role_changed":
        if (effect.role === "leader") this.elections.onLeader(node, effect.term);
        return;
      case "alert":
        this.alerts.push(effect.alert);
        return check(
          this.expectsAlert(effect.alert),
          "alert",
          () => `${node.id} accuses ${effect.alert.accused} of ${effect.alert.alertKind}: ${effect.alert.detail}`,
        );
      default:
        return;
    }
  }

  onDurable(node: SimNode, operation: StorageOperation): void {
    if (operation.kind === "save_state") this.elections.onHardState(node, operation.state);
    if (operation.kind === "truncate")
      check(operation.from > (node.committed.size ?? 0), "I4", () => `${node.id} truncates committed blocks`);
  }

  onView(node: SimNode, view: ReplicaView, queuedOperations: number): void {
    if (view.role === "leader") this.elections.onLeader(node, view.term);
    this.commits.onView(node, view);
    check(
      queuedOperations <= QUEUED_OPERATIONS_MAX,
      "I13",
      () => `${node.id} has ${queuedOperations} storage operations waiting`,
    );
  }
}

/** A proposal gets one verdict; two in one step would answer a client twice. */
function checkProposalAnswers(proposalId: number, effects: readonly Effect[]): void {
  const verdicts = effects.filter((effect) => "proposalId" in effect && effect.proposalId === proposalId);
  const final = verdicts.filter((effect) => effect.kind !== "look_up_key");
  check(final.length <= 1, "verdict", () => `proposal ${proposalId} got ${final.map((it) => it.kind).join(", ")}`);
}
