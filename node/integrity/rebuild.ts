import { majority } from "../../cluster/quorum.js";
import type { ReplicaView } from "../../cluster/types.js";
import type { Height, NodeId } from "../../shared/ids.js";
import type { AnswerOf } from "../../shared/protocol/requests.js";
import { type Clock, delay } from "../clock.js";
import { StoreError } from "../storage/port.js";
import type { RepairStore } from "../storage/repair-port.js";
import type { PlaceFile } from "./place-file.js";

const POLL_MS = 100;

export interface RebuildParts {
  readonly nodeId: NodeId;
  readonly repairs: Pick<RepairStore, "clear">;
  readonly view: () => ReplicaView | null;
  readonly heldThrough: () => Height;
  readonly askStatus: () => Promise<readonly { readonly answer: AnswerOf<"status"> | null }[]>;
  readonly inOrder: (work: () => Promise<void>) => Promise<void>;
  readonly places: () => Pick<PlaceFile, "places" | "set" | "write"> | null;
  /** Verifies all that is stored once more. */
  readonly fullPass: () => Promise<void>;
  readonly clock: Clock;
  readonly isStopped: () => boolean;
}

/** Empties a node's log and has it copied from the others, as after the loss of its disk: it joins anew. */
export class Rebuild {
  /** Blocks are being deleted: what is missing is so by right. */
  isClearing = false;

  constructor(private readonly parts: RebuildParts) {}

  /** Null, or why the others cannot spare this node now. */
  async refusal(): Promise<string | null> {
    const { nodeId } = this.parts;
    const view = this.parts.view();
    if (view === null || view.leaderId === null) return "No leader is known: nobody could give the log back.";
    if (view.members.length === 1) return "This node has the only copy of its log.";
    if (view.role === "leader") return `${nodeId} leads: let it step down first.`;
    const { leaderId } = view;
    const answers = (await this.parts.askStatus()).flatMap(({ answer }) => (answer === null ? [] : [answer]));
    const sound = answers.filter((one) => one.health === "sound" && one.leaderId === leaderId);
    if (sound.length >= majority(view.members.length)) return null;
    return `Without ${nodeId} the voters that are sound and follow ${leaderId} are no majority: what is committed could be lost.`;
  }

  /** Resolves once the node counts again and all of its log verifies. Goes on after a crash. */
  async run(id: string): Promise<void> {
    const { places, heldThrough, view, fullPass } = this.parts;
    let begun = places()?.places.rebuild ?? null;
    if (begun === null || begun.id !== id) {
      begun = { id, height: heldThrough(), isCleared: false };
      await this.note(begun);
    }
    if (!begun.isCleared) await this.clear();
    await this.note({ ...begun, isCleared: true });
    const through = begun.height;
    await this.until(() => {
      const seen = view();
      return seen !== null && !seen.isLearner && seen.commitHeight >= through && heldThrough() >= through;
    });
    await fullPass();
    places()?.set({ rebuild: null });
    await places()?.write();
  }

  private async clear(): Promise<void> {
    const { inOrder, repairs, view } = this.parts;
    this.isClearing = true;
    try {
      await this.until(() => view() !== null);
      await inOrder(() => repairs.clear());
    } catch (error) {
      // It says so itself when it is done: the store has to be opened again.
      if (!(error instanceof StoreError) || error.failure !== "unknown") throw error;
    } finally {
      await this.until(() => view()?.isLearner === true);
      this.isClearing = false;
    }
  }

  private async note(rebuild: { id: string; height: Height; isCleared: boolean }): Promise<void> {
    const places = this.parts.places();
    places?.set({ rebuild });
    await places?.write();
  }

  private async until(isSo: () => boolean): Promise<void> {
    while (!isSo() && !this.parts.isStopped()) await delay(this.parts.clock, POLL_MS);
  }
}
