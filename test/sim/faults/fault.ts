import type { NodeId } from "../../../shared/ids.js";
import type { LinkProfile } from "../network.js";
import type { SimNode } from "../node.js";
import type { Random } from "../random.js";
import type { World } from "../world.js";

/** Ends a fault that lasts. */
export type Undo = () => void;
/** Breaks something; null when there was nothing to break. */
export type Fault = (strike: Strike) => Undo | null;
export type Link = readonly [NodeId, NodeId];

/** What comes about later than the blow, or not at all: a fault that never gets there tests nothing. */
export const SITUATIONS = [
  "one-error",
  "flapping",
  "staggered",
  "held-messages",
  "swizzle-clog",
  "forging-leader",
  "replacing-leader",
  "hand-over",
  "disk-went-back",
  "vote-went-back",
  "altered-block",
  "planted-block",
  "starved",
  "partly",
  "admitter-dies",
  "early-loss",
  "bridge",
  "late-answers",
  "interrupted-truncation",
  "late-insert",
  "index-dropped",
  "entry-touched",
  "copied-back",
  "held-back",
  "far-term",
  "equivocating-leader",
  "fed-by-deposed",
  "told-replaced",
  "tampered-alive",
  "tampered-down",
  "place-lost",
] as const;
export type Situation = (typeof SITUATIONS)[number];

export const nothingToUndo: Undo = () => {};

/** One blow of the nemesis: what it strikes with, and whom. */
export interface Strike {
  readonly world: World;
  /** A stream of its own, so that leaving one blow out does not shift the draws of the others. */
  readonly random: Random;
  readonly links: LinkProfile;
  /** How long what it does lasts at most. */
  readonly durationMaxMs: number;
  /** The leader more often than others, as the profile says. */
  victim(): SimNode;
  /** Ends with all faults, or after a while. */
  lasts(undo: Undo | null, maxMs: number): void;
  /** Ends with all faults, or after exactly so long. */
  lastsFor(undo: Undo | null, ms: number): void;
  /** What the fault is there for has come about, which a blow alone does not say; counted once for each blow. */
  arises(what: Situation): void;
  /** False once all faults have ended. */
  readonly isOpen: () => boolean;
}

export function allLinks(world: World): Link[] {
  const ids = world.nodes.map((node) => node.id);
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to): Link => [from, to]));
}

export function cut(world: World, links: readonly Link[]): Undo | null {
  const { network, trace } = world;
  if (links.length === 0) return null;
  for (const [from, to] of links) network.cut(from, to);
  trace.add(`cut ${links.map((link) => link.join(">")).join(" ")}`);
  const { healings } = network;
  return () => {
    // Somebody else may have cut them since.
    if (network.healings !== healings) return;
    for (const [from, to] of links) network.mend(from, to);
  };
}

export const isolate = (world: World, node: SimNode): Undo | null =>
  cut(
    world,
    allLinks(world).filter((link) => link.includes(node.id)),
  );

/** Each comes back in its own time, so that "all" return in any order. */
export function crash(
  { world, random, durationMaxMs }: Strike,
  victims: readonly SimNode[],
  downMaxMs = durationMaxMs,
): Undo {
  for (const node of victims) {
    node.crash();
    world.scheduler.after(random.between(10, downMaxMs), () => node.start());
  }
  return nothingToUndo;
}

export function pause(node: SimNode): Undo | null {
  const { process } = node;
  if (process === null || node.isPaused) return null;
  node.pause();
  // A later process that is paused is another fault's.
  return () => {
    if (node.process !== process) return;
    // A reader has waited for it.
    process.run(() => node.around.checkers.quorums.onSaid(process));
    node.resume();
  };
}

/** A voter by what its own disk says: admitted, under its present join, in the part that it knows to be committed, and sound. */
export function isDurableVoter({ id, disk }: SimNode): boolean {
  const { members } = disk.chainAt(disk.knownCommitHeight);
  // Beside what arrived late a node that starts anew cannot trust its memory.
  const isSound = disk.altered.size === 0 && !disk.isDoubtful && !disk.isDeceived && disk.database.stranded.size === 0;
  return isSound && disk.hardState !== null && members.get(id)?.joinNonce === disk.hardState.joinNonce;
}

/** The promise holds for the loss of a minority: the disks of all others must count, this one included. */
export function mayLoseDisk(world: World, node: SimNode): boolean {
  const { nodes } = world;
  const minority = Math.floor((nodes.length - 1) / 2);
  const unsound = nodes.filter((it) => it !== node && !isDurableVoter(it)).length;
  const hasFormed = nodes.every((it) => it.disk.identity.formedClusterId !== null || !isDurableVoter(it));
  return hasFormed && unsound < minority;
}
