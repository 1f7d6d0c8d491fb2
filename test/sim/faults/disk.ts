import { isDeepStrictEqual } from "node:util";
import type { StoredBlock } from "../../../node/storage/port.js";
import { height, type Term } from "../../../shared/ids.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { MemoryState } from "../../doubles/memory-database.js";
import type { Backup } from "../disk.js";
import { fakeKeys } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import type { Random } from "../random.js";
import type { World } from "../world.js";
import { alienBlock, alteredBlock } from "./alter.js";
import { crash, type Fault, isolate, mayLoseDisk, nothingToUndo, type Strike } from "./fault.js";

// A disk that is broken in a way already is left alone: the first of two faults to end would end both.

const slow: Fault = (strike) => {
  const { behaviour } = strike.victim().store;
  const whole = strike.world.timing.diskLatencyMs[1];
  if (behaviour.latencyMaxMs !== whole) return null;
  behaviour.latencyMaxMs = strike.random.pick([50, 300, 1_200]);
  return () => {
    behaviour.latencyMaxMs = whole;
  };
};

const full: Fault = (strike) => {
  const { behaviour } = strike.victim().store;
  if (behaviour.isFull) return null;
  behaviour.isFull = true;
  return () => {
    behaviour.isFull = false;
  };
};

const errors: Fault = (strike) => {
  const { behaviour } = strike.victim().store;
  if (behaviour.errors > 0) return null;
  behaviour.errors = strike.random.pick([0.02, 0.2]);
  return () => {
    behaviour.errors = 0;
  };
};

/** The next operation fails, whenever it comes: an idle node's may take long. */
const oneError: Fault = (strike) => {
  const { behaviour } = strike.victim().store;
  if (behaviour.failsNext !== null) return null;
  const fails = (): void => strike.arises("one-error");
  behaviour.failsNext = fails;
  strike.lastsFor(() => {
    if (behaviour.failsNext === fails) behaviour.failsNext = null;
  }, ONE_ERROR_WITHIN_MS);
  return nothingToUndo;
};
const ONE_ERROR_WITHIN_MS = 10_000;

const stalled: Fault = (strike) => {
  const { store } = strike.victim();
  if (store.behaviour.isStalled) return null;
  store.behaviour.isStalled = true;
  return () => {
    store.behaviour.isStalled = false;
    store.next();
  };
};

/** mongod is killed and comes back after a while; its node lives on. */
const mongodRestart: Fault = (strike) => {
  const { store } = strike.victim();
  if (store.behaviour.isDown) return null;
  store.restart();
  if (strike.random.chance(0.5)) return nothingToUndo;
  store.behaviour.isDown = true;
  return () => {
    store.behaviour.isDown = false;
  };
};

const lost: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  if (!mayLoseDisk(world, node)) return null;
  node.crash();
  if (node.isUp) return null;
  world.checkers.commits.onDiskLoss(node);
  node.disk.wipe(random.hex(16), random.chance(0.4) ? fakeKeys(random) : null);
  return crash(strike, [node]);
};

function alteredState(random: Random, state: MemoryState | null): MemoryState | null {
  if (state?.hard == null || random.chance(0.5)) return null;
  const { term, votedFor } = state.hard;
  const other = random.pick(["n1", "n2", "n3", null].filter((id) => id !== votedFor));
  const change = random.pick([{ votedFor: other }, { term: flippedBit(random, term) }]);
  return { ...state, hard: { ...state.hard, ...change } };
}

const flippedBit = (random: Random, term: Term): Term => (term ^ (1 << random.between(0, 20))) as Term;

/** A database that its node has not opened yet is a disk that it lost; and one that never joined has nothing to lose. */
function isKnown({ disk }: SimNode): boolean {
  const { file } = disk.identity;
  return file !== null && file.storeId === disk.storeId && (file.mark !== null || file.votedTerm > 0);
}

/** The state is lost, or its term or vote is another one, and the blocks are not. */
const lostState: Fault = (strike) => {
  const { world } = strike;
  const node = strike.victim();
  if (!mayLoseDisk(world, node)) return null;
  node.crash();
  if (node.isUp) return null;
  world.checkers.commits.onDiskLoss(node);
  const { disk } = node;
  if (!disk.isTampered) disk.ownHard = disk.database.state?.hard ?? null;
  disk.database.state = alteredState(strike.random, disk.database.state);
  disk.isTampered = true;
  disk.database.tampered.hasOtherState = true;
  // What is altered once more can be again what the node wrote.
  const isOwn = isDeepStrictEqual(disk.database.state?.hard ?? null, disk.ownHard);
  disk.mustBeFound = isKnown(node) && !isOwn;
  disk.isDoubtful = true;
  return crash(strike, [node]);
};

/**
 * An older copy of the database is put in its place, under a living node or a stopped one. Only copies that the
 * identity file can tell from the present state: of an earlier boot, below the mark, or from before a vote, which now and
 * then is all that tells.
 */
const wentBack: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const { database } = node.disk;
  const backup = node.disk.backUp();
  const isAfterVote = random.chance(0.4);
  const putBack = (): void => {
    if (!strike.isOpen() || node.disk.database !== database || !mayLoseDisk(world, node)) return;
    const file = node.disk.identity.file;
    const isOfEarlierBoot = (backup.state?.bootCounter ?? 0) < (file?.bootCounter ?? 0);
    const isBelowMark = backup.blocks.length < (file?.mark?.height ?? 0);
    const isBelowVote = hasLostVote(backup, file?.votedTerm ?? 0);
    // A copy of an earlier process's would end this one, which alone could tell what was lost.
    const isOwn = backup.state?.owner.bootId === node.process?.bootId;
    // What it has not been told of yet it does not remember, and nothing that it said rests on it.
    const remembersAll = node.process?.isAlive === true && node.process.driver.load()?.storageOperations === 0;
    const isRemembered = isOwn && !node.isDoubtful && !isAfterVote && random.chance(0.5) && remembersAll;
    if (backup.state === null || !(isOfEarlierBoot || isBelowMark || isBelowVote || isRemembered)) return;
    strike.arises("disk-went-back");
    if (!isOfEarlierBoot && !isBelowMark && !isRemembered) strike.arises("vote-went-back");
    world.trace.add(`${node.id} database goes back to ${backup.blocks.length} blocks`);
    world.checkers.commits.onDiskLoss(node);
    if (!isRemembered) node.crash();
    node.disk.restore(backup);
    node.disk.mustBeFound = (isOfEarlierBoot || isBelowVote) && isKnown(node);
    node.disk.isRememberedOnly = isRemembered && !isOfEarlierBoot && !isBelowMark && !isBelowVote;
    node.isDoubtful = true;
    node.store.restart({ landsPending: false });
    crash(strike, isRemembered ? [] : [node]);
  };
  if (isAfterVote) afterVote(strike, node, putBack);
  else world.scheduler.after(random.between(500, 8_000), putBack);
  return nothingToUndo;
};

/** Once it has voted, in an election that is brought about: of the vote the copy does not know. */
function afterVote(strike: Strike, node: SimNode, putBack: () => void): void {
  const { world, random } = strike;
  const { leader } = world;
  if (leader !== undefined)
    for (const other of world.nodes) if (other !== leader) other.input({ kind: "gone", peer: leader.id });
  const watch = ({ from, body }: PeerMessage): boolean => {
    const isVote = body.kind === "vote" || (body.kind === "vote_answer" && body.isGranted);
    if (from !== node.id || !isVote) return true;
    world.interceptors.delete(watch);
    world.scheduler.after(random.between(1, 60), putBack);
    return true;
  };
  world.interceptors.add(watch);
  strike.lastsFor(() => world.interceptors.delete(watch), VOTES_MS);
}
const VOTES_MS = 2_000;

/** A vote was given after the copy was made. */
function hasLostVote({ state }: Backup, votedTerm: number): boolean {
  const { term = 0, votedFor = null } = state?.hard ?? {};
  return votedTerm > 0 && (term < votedTerm || (term === votedTerm && votedFor === null));
}

/** A block that nobody sealed, where the next one will go. */
function plantAbove({ world, random }: Strike, node: SimNode, model: StoredBlock): void {
  const alien = height(node.disk.tailHeight + 1);
  world.trace.add(`${node.id} somebody inserts a block at ${alien}`);
  node.disk.plant(alien, alienBlock(random, model, alien));
}

/** Somebody changes a stored block behind the node's back; it is noticed when the block is read. */
const altered: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const { disk } = node;
  if (disk.knownCommitHeight < 2 || !mayLoseDisk(world, node)) return null;
  const at = disk.at(random.between(1, disk.tailHeight));
  if (at === undefined) return null;
  if (random.chance(0.25)) {
    plantAbove(strike, node, at);
    strike.arises("planted-block");
    return nothingToUndo;
  }
  strike.arises("altered-block");
  const change = alteredBlock(random, at);
  world.trace.add(`${node.id} block ${at.block.header.height} is altered: ${change.what}`);
  disk.alter(at.block.header.height, () => change.stored);
  return random.chance(0.5) ? crash(strike, [node]) : nothingToUndo;
};

/**
 * A node is cut off until it is some blocks behind; another one, which starts anew meanwhile and so has only the newest
 * blocks in memory, leads, and a block that the first one needs is altered there, or one is planted above its newest,
 * which it would read with them.
 */
const starved: Fault = (strike) => {
  const { world, random } = strike;
  const [hungry, server] = random.shuffled(world.nodes);
  if (hungry === undefined || server === undefined || !mayLoseDisk(world, server) || starving.has(world)) return null;
  const mend = isolate(world, hungry);
  starving.add(world);
  let isCut = true;
  const feed = (): void => {
    if (!isCut) return;
    isCut = false;
    starving.delete(world);
    mend?.();
  };
  strike.lastsFor(feed, STARVES_MS_MAX);
  const later = (ms: number, action: () => void): void =>
    world.scheduler.after(ms, () => {
      if (isCut) action();
    });
  const alterNeeded = (): void => {
    // Whoever leads by now: it may have started anew in another fault.
    const leader = world.leader ?? server;
    const { disk } = leader;
    const lowest = hungry.disk.tailHeight + 1;
    const highest = disk.knownCommitHeight - 2;
    const at = lowest > highest ? undefined : disk.at(random.between(lowest, highest));
    if (at === undefined || !mayLoseDisk(world, leader)) return;
    const isPlanted = random.chance(0.5);
    // One that is planted is met by a read of all that stands below it.
    const met = isPlanted ? disk.tailHeight : at.block.header.height;
    leader.onReadThrough = (last) => {
      if (last < met || !hungry.isUp || hungry.disk.tailHeight >= met) return;
      strike.arises("starved");
      leader.onReadThrough = null;
    };
    if (isPlanted) return plantAbove(strike, leader, at);
    disk.alter(at.block.header.height, () => alteredBlock(random, at).stored);
  };
  const waitForLag = (): void => {
    if (world.checkers.history.committed.length < hungry.disk.tailHeight + LAG_BLOCKS) return later(200, waitForLag);
    crash(strike, [server], 200);
    later(1_200, () => world.leader?.input({ kind: "hand_over", target: server.id }));
    later(2_000, () => {
      alterNeeded();
      feed();
    });
  };
  waitForLag();
  return nothingToUndo;
};
/** Where a node starves already: with two cut off nothing is committed that they could need. */
const starving = new WeakSet<World>();
const LAG_BLOCKS = 5;
const STARVES_MS_MAX = 10_000;

/** Keys cannot be looked up for a while, and all else goes on. */
const lookUps: Fault = (strike) => {
  const { behaviour } = strike.victim().store;
  if (behaviour.lookUps !== "answered") return null;
  behaviour.lookUps = strike.random.pick(["failing", "failing", "rebuilding"] as const);
  return () => {
    behaviour.lookUps = "answered";
  };
};

export const diskFaults = {
  "look-ups-fail": lookUps,
  "slow-disk": slow,
  "stalled-disk": stalled,
  "full-disk": full,
  "disk-errors": errors,
  "one-error": oneError,
  "mongod-restart": mongodRestart,
  "lost-disk": lost,
  "lost-state": lostState,
  "disk-went-back": wentBack,
  "altered-block": altered,
  starved,
} satisfies Record<string, Fault>;
