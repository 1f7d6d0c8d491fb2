import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { History } from "./history.js";

/** A follower stores a batch of blocks at most, a leader one, beside a few hard states. */
const STORAGE_OPERATIONS_MAX = 80;
/** A write is settled this long after its deadline at the latest: its timer's margin, and the grain of the clocks. */
const OVERDUE_MS_MAX = 50;

/** I13: what comes and goes is bounded, by a number where there is one, and by what it belongs to. */
export class BoundChecker {
  /** Some node no longer knew the ids of some block. */
  hasForgotten = false;

  constructor(private readonly history: History) {}

  onView(node: SimNode): void {
    const load = node.process?.driver.load() ?? null;
    if (load === null) return;
    const { limits } = node.around;
    const most = (count: number, max: number, what: string): void => {
      if (count > max) check(false, "I13", () => `${node.id} holds ${count} ${what}; ${max} are the most`);
    };
    most(load.storageOperations, STORAGE_OPERATIONS_MAX, "storage operations");
    most(load.gatedMessages, limits.gatedMessagesMax, "messages that wait for its hard state");
    most(load.pendingAnswers, limits.pendingAnswersMax, "answers that wait for its disk");
    most(load.waitingProposals, limits.queuedWritesMax, "writes that wait for a block");
    most(load.waitingBytes, limits.queuedBytesMax, "bytes of writes that wait for a block");
    most(load.reservingProposals, load.waitingProposals, "writes that reserve their keys, of those that wait");
    most(load.waitingAdmissions, limits.waitingAdmissionsMax, "admissions");
    most(load.waitingReads, limits.waitingReadsMax, "reads");
    most(load.ids, load.events, "ids of events, of those in its log");
    if (load.idsFrom > 1) this.hasForgotten = true;
    const { commitHeight, tailHeight } = node;
    const below = this.history.committed[commitHeight - limits.idsBlocksMin - 1]?.block.next.range.size ?? 0;
    most(load.ids, limits.idsMax + load.events - below, "ids of events, those included that it must not forget");
    most(load.idsFrom, commitHeight + 1, "as the height from which on it knows all ids");
    most(load.cachedBlocks, limits.cachedBlocksMax + tailHeight - commitHeight, "blocks in memory");
    most(load.keys, load.eventsNotDurable, "keys, of events that its disk has not confirmed");
    const tracked = node.service.writes.tracker.load;
    most(tracked.sealed, tracked.pending, "sealed writes, of those that it follows");
    most(tracked.following, tracked.pending, "writes that wait for another one, of those that it follows");
  }

  /** In the calm, when nothing is late: what is over is kept nowhere. */
  finish(nodes: readonly SimNode[]): void {
    for (const node of nodes) {
      this.onView(node);
      const load = node.process?.driver.load() ?? null;
      if (load === null) continue;
      const {
        load: { pending },
        deadline,
      } = node.service.writes.tracker;
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
        load.waitingReads <= node.service.reads.load,
        "I13",
        () => `${load.waitingReads} reads wait on ${node.id}, of which ${node.service.reads.load} are not answered`,
      );
      check(
        load.gatedMessages === 0 || load.storageOperations > 0,
        "I13",
        () => `${node.id} holds ${load.gatedMessages} messages back, and nothing that they wait for is being saved`,
      );
    }
  }
}
