import type { SimNode } from "../node.js";
import { check } from "../violation.js";

/** A follower stores a batch of blocks at most, a leader one, beside a few hard states. */
const STORAGE_OPERATIONS_MAX = 80;
/** As the core says of its own queues. */
const GATED_MESSAGES_MAX = 1_024;
const PENDING_ANSWERS_MAX = 64;
const WAITING_PROPOSALS_MAX = 20_000;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
const WAITING_ADMISSIONS_MAX = 16;
const WAITING_READS_MAX = 1_024;
/** A write is settled this long after its deadline at the latest: its timer's margin, and the grain of the clocks. */
const OVERDUE_MS_MAX = 50;

/** I13: what comes and goes is bounded, by a number where there is one, and by what it belongs to. */
export class BoundChecker {
  onView(node: SimNode): void {
    const load = node.process?.driver.load() ?? null;
    if (load === null) return;
    const most = (count: number, max: number, what: string): void => {
      if (count > max) check(false, "I13", () => `${node.id} holds ${count} ${what}; ${max} are the most`);
    };
    most(load.storageOperations, STORAGE_OPERATIONS_MAX, "storage operations");
    most(load.gatedMessages, GATED_MESSAGES_MAX, "messages that wait for its hard state");
    most(load.pendingAnswers, PENDING_ANSWERS_MAX, "answers that wait for its disk");
    most(load.waitingProposals, WAITING_PROPOSALS_MAX, "writes that wait for a block");
    most(load.waitingBytes, WAITING_BYTES_MAX, "bytes of writes that wait for a block");
    most(load.reservingProposals, load.waitingProposals, "writes that reserve their keys, of those that wait");
    most(load.waitingAdmissions, WAITING_ADMISSIONS_MAX, "admissions");
    most(load.waitingReads, WAITING_READS_MAX, "reads");
    most(load.ids, load.events, "ids of events, of those in its log");
    const tracked = node.gateway.tracker.load;
    most(tracked.sealed, tracked.pending, "sealed writes, of those that it follows");
    most(tracked.following, tracked.pending, "writes that wait for another one, of those that it follows");
  }

  /** In the calm, when nothing is late: what is over is kept nowhere. */
  finish(nodes: readonly SimNode[]): void {
    for (const node of nodes) {
      this.onView(node);
      const load = node.process?.driver.load() ?? null;
      if (load === null) continue;
      const { pending, deadline } = node.gateway.tracker.load;
      check(
        deadline > node.now - OVERDUE_MS_MAX,
        "I13",
        () => `${node.id} follows a write ${node.now - deadline} ms after its deadline`,
      );
      check(
        load.waitingProposals <= pending,
        "I13",
        () => `${load.waitingProposals} writes wait for a block of ${node.id}, which follows ${pending}`,
      );
      check(
        load.waitingReads <= node.gateway.openReads,
        "I13",
        () => `${load.waitingReads} reads wait on ${node.id}, of which ${node.gateway.openReads} are not answered`,
      );
      check(
        load.gatedMessages === 0 || load.storageOperations > 0,
        "I13",
        () => `${node.id} holds ${load.gatedMessages} messages back, and nothing that they wait for is being saved`,
      );
      check(
        load.keys <= load.unprojectedEvents,
        "I13",
        () => `${node.id} remembers ${load.keys} keys, and ${load.unprojectedEvents} events are not projected`,
      );
    }
  }
}
