import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../port.js";
import { ranAsMember, unfit } from "./server.js";
import type { MongoState, Owner, StateRecord } from "./state.js";

/** Each attempt loses only to another writer, and there is at most one other. */
const ATTEMPTS_MAX = 20;

/** Outlives the openings of a process: the first one may fail after it has put its name into the state. */
export interface UncleanWait {
  isDue: boolean;
}

export interface ClaimOptions extends Owner {
  readonly isMember: boolean;
  readonly uncleanWaitMs: number;
  readonly uncleanWait: UncleanWait;
  /** The boot counter of an earlier opening by this process. */
  readonly rememberedBootCounter: number | null;
  /** What the identity file says: below it the database has gone back, and stays recognisable as such. */
  readonly knownBootCounter: number;
}

/**
 * Takes the database for this process by compare-and-swap, and raises the boot counter once a process. The swap is
 * also what makes the state certain after an error: it moves the version, so a write that is still under way to the
 * server can no longer match, and what is read afterwards is the truth.
 * Throws StoreError `unfit` for a foreign node's database, `not_owner` when a later process of this node has it.
 */
export async function claim(state: MongoState, options: ClaimOptions): Promise<{ previousBootCounter: number }> {
  const { nodeId, bootId, isMember, uncleanWait } = options;
  const owner = { nodeId, bootId, isReleased: false };
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const found = await state.read();
    if (found === null) {
      const storeId = randomBytes(16).toString("hex");
      const first = {
        hard: null,
        mac: null,
        truncating: null,
        owner,
        storeId,
        bootCounter: 1,
        ranAsReplicaSetMember: isMember,
        indexWork: null,
      };
      if (await state.create(first)) return { previousBootCounter: 0 };
      continue;
    }
    assertClaimable(found, options);
    const isOurs = found.owner.bootId === bootId;
    const isRaised = !isOurs && options.rememberedBootCounter === null && found.bootCounter >= options.knownBootCounter;
    const bootCounter = isRaised ? found.bootCounter + 1 : found.bootCounter;
    // Noted before the swap, whose answer may be lost: the next opening then finds our own name in the state.
    if (!isOurs && !found.owner.isReleased) uncleanWait.isDue = true;
    const change = { owner, bootCounter, ranAsReplicaSetMember: found.ranAsReplicaSetMember || isMember };
    if (!(await state.swap(change))) continue;
    // What the previous process sent before it died may still arrive: the tail is read after that.
    if (uncleanWait.isDue) await sleep(options.uncleanWaitMs);
    uncleanWait.isDue = false;
    return { previousBootCounter: found.bootCounter };
  }
  throw new StoreError("unknown", "The database's owner could not be written: someone else keeps writing its state.");
}

function assertClaimable(found: StateRecord, options: ClaimOptions): void {
  const { owner } = found;
  if (owner.nodeId !== options.nodeId)
    throw unfit(
      `This database belongs to node ${owner.nodeId}, and this node is ${options.nodeId}: each node needs a database ` +
        "of its own",
    );
  if (found.ranAsReplicaSetMember && !options.isMember) throw ranAsMember();
  const remembered = options.rememberedBootCounter;
  // A smaller counter is a database that has gone back; that is for the caller to find. An equal or higher one with
  // another boot id is a process that started after this one.
  if (remembered !== null && owner.bootId !== options.bootId && found.bootCounter >= remembered)
    throw new StoreError("not_owner", `Another process of node ${options.nodeId} has taken this database over.`);
}
