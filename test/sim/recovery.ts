import type { BootState, HardState } from "../../cluster/types.js";
import { verifyBlock } from "../../shared/chain.js";
import { type Height, height, term } from "../../shared/ids.js";
import { type Disk, recentEvents, type StoredEntry } from "./disk.js";
import { fakeVerifier } from "./fake-crypto.js";
import { check } from "./violation.js";

export interface RecoveryOptions {
  /** How far below the commit height the verified base may start. */
  readonly baseLag: number;
  /** Events stored longer ago than this are left to the projection's index. */
  readonly recentSinceMs: number;
}

/**
 * What a node's recovery makes of its store, as the real one will: the highest commitHeight that a stored header
 * names is surely committed, the projection is brought up to it (never to the tail), the tail is verified anew.
 */
export function recover(disk: Disk, hardState: HardState, options: RecoveryOptions): BootState {
  const commitHeight = knownCommitHeight(disk);
  const baseHeight = Math.max(0, commitHeight - options.baseLag);
  disk.projectedThrough = Math.max(disk.projectedThrough, disk.chainAt(commitHeight).range.size);
  const base = disk.chainAt(baseHeight);
  return {
    hardState,
    base,
    tail: verifiedTail(disk, baseHeight),
    commitHeight,
    recentEvents: disk.entries.filter((entry) => isRecent(entry, commitHeight, options)).flatMap(recentEvents),
    campaignsLate: false,
  };
}

/** A first start: nothing but a join nonce, saved before anything is said. */
export const freshHardState = (joinNonce: string): HardState => ({
  term: term(0),
  votedFor: null,
  joinNonce,
  forming: null,
});

/** What a node surely knows to be committed from its disk and identity file alone. */
export function knownCommitHeight(disk: Disk): Height {
  const tail = disk.at(disk.tailHeight);
  if (tail === undefined) return height(0);
  // A one-node log has no other copy: what is durable is committed.
  if (tail.next.members.size === 1) return disk.tailHeight;
  const { mark } = disk.identity;
  // The mark speaks for the block that it names, not for whatever a learner holds at or below that height.
  const marked = mark !== null && disk.at(mark.height)?.block.blockHash === mark.hash ? mark.height : 0;
  // verifyBlock lets commitHeight never decrease, so the tail's is the highest.
  return height(Math.max(tail.block.header.commitHeight, marked));
}

function verifiedTail(disk: Disk, baseHeight: number): BootState["tail"] {
  let state = disk.chainAt(baseHeight);
  return disk.entries.slice(baseHeight).map(({ block }) => {
    const verdict = verifyBlock(state, block, fakeVerifier);
    check(verdict.ok, "I7", () => `stored block ${block.header.height} does not verify`);
    state = verdict.next;
    return { block, next: verdict.next, events: verdict.events };
  });
}

const isRecent = (entry: StoredEntry, commitHeight: Height, options: RecoveryOptions): boolean =>
  entry.block.header.height > commitHeight || entry.storedAtMs >= options.recentSinceMs;
