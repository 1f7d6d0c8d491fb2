import type { ReplicaFooting } from "../../../cluster/types.js";
import type { WordedAlert } from "../../../node/replica/wording.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { ForgeryChecker } from "./forgeries.js";

interface Step {
  readonly node: SimNode;
  readonly message: PeerMessage;
  readonly before: ReplicaFooting;
  readonly quarantined: number;
  readonly mustRefuse: string | null;
  /** The alert with which it refuses the message. */
  alert: WordedAlert | null;
}

/** I8 and I14, of one message at a time: what is certainly wrong is refused with an alert, and a refusal changes nothing. */
export class RefusalChecker {
  private step: Step | null = null;

  constructor(private readonly forgeries: ForgeryChecker) {}

  onReceive(node: SimNode, message: PeerMessage): void {
    this.step = null;
    const driver = node.process?.driver;
    const before = driver?.footing() ?? null;
    // After a pause what comes in is lost until the node knows that its database is still its own.
    if (before === null || driver?.takesMessages !== true) return;
    const mustRefuse = this.forgeries.mustRefuse(node, message, before);
    this.step = { node, message, before, quarantined: node.disk.quarantined, mustRefuse, alert: null };
  }

  onAlert(node: SimNode, alert: WordedAlert): void {
    const { step } = this;
    // Of a learner's database a leader complains though it takes its answer.
    if (step?.node !== node || alert.alertKind === "duplicate_store_id") return;
    // Of two blocks that one leader has signed, a later leader may have been given one.
    if (alert.accused !== step.message.from && alert.alertKind !== "fork") return;
    step.alert = alert;
  }

  onReceived(node: SimNode): void {
    const { step } = this;
    this.step = null;
    const after = node.process?.driver.footing() ?? null;
    // A process that dies in the middle of it says no more.
    if (step?.node !== node || after === null || node.process?.isAlive !== true) return;
    const { message, mustRefuse, alert } = step;
    check(
      mustRefuse === null || alert !== null,
      "I8",
      () => `${node.id} takes ${mustRefuse} from ${message.from} and raises no alert`,
    );
    if (alert !== null) this.checkUnchanged(step, alert, after);
  }

  private checkUnchanged(
    { node, message, before, quarantined }: Step,
    alert: WordedAlert,
    after: ReplicaFooting,
  ): void {
    const says = (what: string) => () =>
      `${node.id} refuses a message of ${message.from} (${alert.detail}), and its ${what}`;
    const { hardState: was } = before;
    const { hardState: is } = after;
    // The term of a message is heard before its content, unless it is what is refused.
    const isTermTaken = alert.alertKind !== "term_too_high" && message.term > was.term;
    const isStateKept = isTermTaken
      ? is.term === message.term && is.votedFor === null && is.joinNonce === was.joinNonce && is.forming === was.forming
      : is === was;
    check(isStateKept, "I14", says("hard state changes"));
    check(after.tail === before.tail, "I14", says(`log ends at ${after.tail.height} then, not ${before.tail.height}`));
    check(after.commitHeight === before.commitHeight, "I14", says("commit height changes"));
    check(node.disk.quarantined === quarantined, "I14", says("quarantine changes"));
  }
}
