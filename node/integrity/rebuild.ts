import { majority } from "../../cluster/quorum.js";
import type { ReplicaView } from "../../cluster/types.js";
import type { Height, NodeId } from "../../shared/ids.js";
import type { AnswerOf } from "../../shared/protocol/requests.js";
import { type Clock, sleep } from "../clock.js";
import { StoreError } from "../storage/port.js";
import { LogCleared, type RepairStore } from "../storage/repair-port.js";
import type { KeptPlaces } from "./place-file.js";
import { RepairRefused } from "./repair.js";

const POLL_MS = 100;
/** So often the others are asked for the last time, and so far apart: a block that one has not yet is on its way to it. */
const LAST_QUESTIONS_MAX = 4;
const ASK_AGAIN_MS = 500;

export interface RebuildParts {
  readonly nodeId: NodeId;
  readonly repairs: Pick<RepairStore, "clear">;
  readonly view: () => ReplicaView | null;
  readonly heldThrough: () => Height;
  readonly askStatus: () => Promise<readonly { readonly answer: AnswerOf<"status"> | null }[]>;
  /** Takes the replica away for something, which is told the highest block that was durable here. */
  readonly aside: (reason: string, work: (durable: Height) => Promise<void>) => Promise<void>;
  readonly places: () => KeptPlaces | null;
  /** Blocks up to this height are about to be deleted; a start after a crash has to know that, too. */
  readonly onClearing: (through: Height) => Promise<void>;
  /** Verifies all that is stored once more. */
  readonly fullPass: () => Promise<void>;
  readonly clock: Clock;
  readonly isStopped: () => boolean;
}

/** Empties a node's log and has it copied from the others, as after the loss of its disk: it joins anew. */
export class Rebuild {
  /** Blocks are being deleted: what is missing is so by right. */
  isClearing = false;
  /** Alerts whose rebuild is wanted, from the question whether the others can spare this node until it has its log again. */
  private readonly wanted = new Set<string>();

  constructor(private readonly parts: RebuildParts) {}

  /** Others must not give up their copies meanwhile. */
  get isUnderWay(): boolean {
    return this.wanted.size > 0;
  }

  /** Null, or why the others cannot spare this node now. Said to be wanted first: of two that ask at once one is told so. */
  async refusal(id: string): Promise<string | null> {
    this.wanted.add(id);
    let refusal: string | null = "They could not be asked.";
    try {
      refusal = await this.whyNot();
      return refusal;
    } finally {
      if (refusal !== null) this.giveUp(id);
    }
  }

  giveUp(id: string): void {
    this.wanted.delete(id);
  }

  private async whyNot(): Promise<string | null> {
    const { nodeId } = this.parts;
    const view = this.parts.view();
    if (view === null || view.leaderId === null) return "No leader is known: nobody could give the log back.";
    if (view.members.length === 1) return "This node has the only copy of its log.";
    if (view.role === "leader") return `${nodeId} leads: let it step down first.`;
    return this.whyNotSpared(view, view.commitHeight);
  }

  /**
   * One that lags does not have all that this node's acknowledgement has made committed; nor has one whose log is as long, but ends
   * with blocks that nobody else has. What it knows to be committed it has.
   */
  private async whyNotSpared({ leaderId, members }: ReplicaView, needed: Height): Promise<string | null> {
    const answers = (await this.parts.askStatus()).flatMap(({ answer }) => (answer === null ? [] : [answer]));
    const sound = answers.filter((one) => one.health === "sound" && one.leaderId === leaderId);
    const others = answers.filter((one) => one.isRebuilding === true).map(({ id }) => id);
    if (others.length > 0) return `${others.join(", ")} is being rebuilt: one node at a time.`;
    if (sound.filter(({ commitHeight }) => commitHeight >= needed).length >= majority(members.length)) return null;
    const damaged = answers.filter((one) => one.health === "damaged").map(({ id }) => id);
    const first =
      damaged.length === 0
        ? ""
        : ` See to the alerts of ${damaged.join(" and ")} first; or, where those wait for this node, start one of them with an empty database, and the next when that one is a voter again.`;
    return `Without ${this.parts.nodeId} the voters that are sound, follow ${leaderId} and have block ${needed} as it was committed are no majority: what is committed could be lost.${first}`;
  }

  /** Resolves once the node counts again and all of its log verifies, or this process stops. Goes on after a crash. */
  async run(id: string, onCopied: () => Promise<void>): Promise<void> {
    this.wanted.add(id);
    try {
      await this.runWanted(id, onCopied);
    } finally {
      this.giveUp(id);
    }
  }

  private async runWanted(id: string, onCopied: () => Promise<void>): Promise<void> {
    const { places, heldThrough, view, fullPass, isStopped } = this.parts;
    let begun = places()?.places.rebuild ?? null;
    if (begun === null || begun.id !== id) {
      begun = { id, height: heldThrough(), isCleared: false };
      await this.note(begun);
    }
    if (!begun.isCleared) {
      await this.assertSpared(id);
      if (isStopped()) return;
      await this.clear();
      if (isStopped()) return;
    }
    await this.note({ ...begun, isCleared: true });
    const through = begun.height;
    await this.until(() => {
      const seen = view();
      return seen !== null && !seen.isLearner && seen.commitHeight >= through && heldThrough() >= through;
    });
    if (isStopped()) return;
    await onCopied();
    await fullPass();
    // What a stop has interrupted goes on at the next start.
    if (!isStopped()) await this.note(null);
  }

  /** The decision may be old by now: it waited for other work, or for this process to start again. */
  private async assertSpared(id: string): Promise<void> {
    const { view, isStopped } = this.parts;
    await this.until(() => view()?.leaderId != null);
    if (isStopped()) return;
    await this.refuse(await this.refusal(id));
  }

  private async refuse(refusal: string | null): Promise<void> {
    if (refusal === null) return;
    await this.note(null);
    throw new RepairRefused(refusal);
  }

  /**
   * A block that this node acknowledges while the others are asked may be committed by that. So it counts for nothing any
   * more before they are asked for the last time, and acknowledges nothing until its log is gone.
   */
  private async clear(): Promise<void> {
    const { aside, repairs, view, isStopped } = this.parts;
    try {
      await this.until(() => view() !== null);
      const known = view();
      if (isStopped() || known === null) return;
      const work = (durable: Height): Promise<void> =>
        repairs.clear(async () => {
          await this.askForTheLastTime(known, durable);
          await this.parts.onClearing(durable);
          this.isClearing = true;
        });
      // It says so itself when it is done. Whatever else it says, blocks may be left.
      await aside("its log is to be copied anew", work).catch((error: unknown) => {
        if (!(error instanceof LogCleared)) throw error;
      });
      // The replica is gone since before: the next one is of the log that is there now.
      await this.until(() => view() !== null);
    } finally {
      this.isClearing = false;
    }
  }

  private async askForTheLastTime(known: ReplicaView, durable: Height): Promise<void> {
    const { clock, isStopped } = this.parts;
    let refusal = await this.whyNotSpared(known, durable);
    for (let asked = 1; refusal !== null && asked < LAST_QUESTIONS_MAX && !isStopped(); asked++) {
      await sleep(clock, ASK_AGAIN_MS);
      refusal = await this.whyNotSpared(known, durable);
    }
    // It goes on at the next start.
    if (isStopped()) throw new StoreError("not_stored", "The node stops.");
    await this.refuse(refusal);
  }

  private async note(rebuild: { id: string; height: Height; isCleared: boolean } | null): Promise<void> {
    const places = this.parts.places();
    places?.set({ rebuild });
    await places?.write();
  }

  private async until(isSo: () => boolean): Promise<void> {
    while (!isSo() && !this.parts.isStopped()) await sleep(this.parts.clock, POLL_MS);
  }
}
