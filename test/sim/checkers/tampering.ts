import type { Places } from "../../../node/integrity/place-file.js";
import {
  BLOCK_KINDS,
  HELD_HASH,
  isOfFormerCopy,
  LOG_END,
  LOOKOUT_KINDS,
  type Range,
} from "../../../node/storage/incident.js";
import type { FoundBlock } from "../../../node/storage/integrity-port.js";
import type { AlertRecord } from "../../../node/storage/port.js";
import type { SimDatabase } from "../mongod.js";
import type { SimNode } from "../node.js";
import type { SimProcess } from "../process.js";
import { check } from "../violation.js";

export type TamperedWhat = "block" | "entry" | "planted";

/** What is altered under a node that looks, and whose store answers, is told of within this time. */
export const TOLD_WITHIN_MS = 10_000;
/** One that began since then, and knows where its watch stopped, looks at what was changed: no pass has begun before. */
const RESUMED_WITHIN_MS = 9_000;
/** What the watch cannot see a pass over the whole log finds: one begins every 15 s. */
const PASS_WITHIN_MS = 25_000;
/** So long after its store was no whole one, or it was stopped, a node may say that it does not see what is changed. */
const LOOKOUT_MS: Readonly<Record<string, number>> = { watch_down: 40_000, scrub_down: 140_000 };
const SLOW_MS = 300;

/** Changes of its database that a node has missed: all of it has to be looked at. */
interface Missed {
  /** The highest block that it held then. */
  readonly through: number;
  /** Read by its scrub since, from the first one on. */
  read: number;
  /** From then on it has to know. */
  readonly knownAt: number;
}

/** What watch and scrub tell of a node's own database: each alert has a cause, and what is altered is told of in time. */
export class TamperingChecker {
  /** Alerts by kind, and places that were told of in time. */
  readonly told: Record<string, number> = {};
  toldInTime = 0;
  /** How often a node that had missed changes had looked at all of its log. */
  verified = 0;
  private readonly places = new WeakMap<SimDatabase, Set<string>>();
  /** When a node's store was last slow, silent or failing for its watch, or the node was stopped. */
  private readonly troubledAt = new Map<SimNode, number>();
  private readonly asking = new Map<SimProcess, number>();
  private readonly lookingSince = new WeakMap<SimProcess, number>();
  /** They know where the process before them stopped to watch. */
  private readonly resumed = new WeakSet<SimProcess>();
  private readonly missed = new Map<SimNode, Missed>();

  // --- No alert without cause ------------------------------------------------------------------------------------------

  onAlert(process: SimProcess, alert: AlertRecord, found: readonly Range[] | undefined): void {
    const { node } = process;
    const { kind, status, heights = [], detail } = alert;
    if (node.around.trace.isOn)
      node.around.trace.add(`${node.id} INCIDENT ${kind} ${status} ${JSON.stringify(found ?? heights)}: ${detail}`);
    this.told[kind] = (this.told[kind] ?? 0) + 1;
    check(alert.node === node.id && alert.accused === node.id, "alert", () => `${node.id} names ${alert.accused}`);
    if (LOOKOUT_KINDS.has(kind)) return this.onLookout(node, alert);
    const { database } = node.disk;
    const told = this.places.get(database) ?? new Set();
    this.places.set(database, told);
    if (heights.length === 0) {
      told.add(kind);
      return this.needsCause(node, alert, null);
    }
    // Of much an alert shows some ranges, and beside it stand all.
    for (const [first, last] of found ?? heights)
      for (let at = first; at <= last; at++) {
        this.needsCause(node, alert, at);
        told.add(placeOf(kind, at));
      }
    const isDamage = BLOCK_KINDS.has(kind) && status === "open" && !isOfFormerCopy(alert);
    check(!isDamage || process.campaignsLate, "I8", () => `${node.id} has ${kind}, and campaigns like any other`);
  }

  private needsCause(node: SimNode, { kind, foundBy, differences = [], detail }: AlertRecord, at: number | null): void {
    const { blocks, entries, hasLostAccount, hasOtherState, isOlder } = node.disk.database.tampered;
    // What a start found is judged as it is noted; another database may have taken the place of that one since.
    const isOfState = kind === "state_altered" && foundBy === "start";
    const isOfStart = isOfState || differences.some(({ field }) => field === LOG_END || field === HELD_HASH);
    if (isOlder || isOfStart) return;
    // Of two blocks that do not follow each other, and that nothing proves, both are named.
    const isOneOfTwo = kind === "hash_rewritten" && at !== null && (blocks.has(at - 1) || blocks.has(at + 1));
    // Of a page of anchors that is not there nobody can say why, where a header that was altered keeps it from being made anew.
    const unproved = Number(/cannot be made anew, as block (\d+) is altered/.exec(detail)?.[1]);
    const isCause =
      at === null
        ? kind === "state_altered"
          ? hasOtherState || blocks.has(unproved)
          : hasLostAccount
        : kind === "index_differs"
          ? entries.has(at) || blocks.has(at) || blocks.has(at - 1)
          : blocks.has(at) || isOneOfTwo || (kind === "forged" && entries.has(at));
    check(isCause, "alert", () => `${node.id} says without a cause, ${kind} at ${at}: ${detail}`);
  }

  /** Only whoever really cannot look may say so. */
  private onLookout(node: SimNode, { kind, status, detail }: AlertRecord): void {
    if (status !== "open" || node.disk.database.tampered.isOlder) return;
    const since = node.around.scheduler.now - this.troubleOf(node);
    check(since <= (LOOKOUT_MS[kind] ?? 0), "alert", () => `${node.id} says ${kind} beside a sound store: ${detail}`);
  }

  // --- What it has of its store ----------------------------------------------------------------------------------------

  /** Its watch asks for changes; the returned function is called once that is answered, or failed. */
  onAsked(process: SimProcess): () => void {
    const { node } = process;
    const { scheduler } = node.around;
    const since = scheduler.now;
    this.asking.set(process, since);
    if (isTroubled(node)) this.troubledAt.set(node, since);
    return () => {
      this.asking.delete(process);
      if (!this.lookingSince.has(process)) this.lookingSince.set(process, scheduler.now);
      if (isTroubled(node) || scheduler.now - since > SLOW_MS) this.troubledAt.set(node, scheduler.now);
    };
  }

  private troubleOf(node: SimNode): number {
    const { process } = node;
    const { now } = node.around.scheduler;
    const asked = process === null ? undefined : this.asking.get(process);
    const isSilent = asked !== undefined && now - asked > SLOW_MS;
    if (isSilent || isTroubled(node) || node.isPaused) this.troubledAt.set(node, now);
    return this.troubledAt.get(node) ?? Number.NEGATIVE_INFINITY;
  }

  // --- Whatever is altered is told of ----------------------------------------------------------------------------------

  onTampered(node: SimNode, what: TamperedWhat, at: number): void {
    if (!node.around.isWatched) return;
    const { database } = node.disk;
    const { scheduler } = node.around;
    this.places.get(database)?.delete(`${what === "planted" ? "planted" : what} ${at}`);
    const look = (): void => {
      if (node.disk.database !== database || database.tampered.isOlder || this.isToldOf(database, what, at)) return;
      if (!isThere(node, what, at)) return;
      const waits = this.waitsFor(node, since, at);
      if (waits > 0) return scheduler.after(waits, look);
      if (!isJudged(node, what, at)) return scheduler.after(TOLD_WITHIN_MS, look);
      check(false, "I8", () => `${node.id}: ${what} ${at} was altered at ${since} ms, and nobody was told`);
    };
    const since = scheduler.now;
    scheduler.after(TOLD_WITHIN_MS, look);
  }

  /** For how long a node still has a right not to know what was altered then. */
  private waitsFor(node: SimNode, since: number, at: number): number {
    const { process } = node;
    const { now } = node.around.scheduler;
    const lookingSince = process === null ? undefined : this.lookingSince.get(process);
    if (process === null || lookingSince === undefined || node.isDoubtful) return TOLD_WITHIN_MS;
    const hasBegun = lookingSince > since;
    // What was changed before it began its watch says, if that goes on; and what it cannot prove, or has missed, a pass.
    const isSeen = isProvable(node, at) && (!hasBegun || (this.resumed.has(process) && !this.missed.has(node)));
    const withinMs = isSeen ? (hasBegun ? RESUMED_WITHIN_MS : TOLD_WITHIN_MS) : PASS_WITHIN_MS;
    const due = Math.max(since, lookingSince) + withinMs;
    return Math.max(due, this.troubleOf(node) + PASS_WITHIN_MS) - now;
  }

  /** It has an alert about its index that nobody has resolved. */
  isIndexInDoubt({ disk }: SimNode): boolean {
    const told = this.places.get(disk.database);
    return told !== undefined && [...told].some((place) => /^(entry|index_differs)/.test(place));
  }

  private isToldOf(database: SimDatabase, what: TamperedWhat, at: number): boolean {
    const told = this.places.get(database);
    const isTold = told?.has(`${what} ${at}`) === true || (what === "entry" && told?.has("index_differs") === true);
    if (isTold) this.toldInTime += 1;
    return isTold;
  }

  // --- Pending -----------------------------------------------------------------------------------------------------------

  /** A node begins to look at its database. */
  onPlaces(process: SimProcess, { watch }: Places): void {
    if (watch === null) this.onChangesMissed(process.node);
    else this.resumed.add(process);
  }

  /** What was changed until now no node can know of. One that lives on is told of it once its watch asks again. */
  onChangesMissed(node: SimNode, { withinMs = 0 } = {}): void {
    const knownAt = node.around.scheduler.now + withinMs;
    if (node.isUp) this.missed.set(node, { through: node.commitHeight, read: 0, knownAt });
  }

  onScrubbed({ node }: SimProcess, from: number, found: readonly FoundBlock[]): void {
    const missed = this.missed.get(node);
    if (missed === undefined || from > missed.read + 1) return;
    const last = found.at(-1)?.at ?? node.disk.tailHeight;
    missed.read = Math.max(missed.read, last);
    if (missed.read < Math.min(missed.through, node.disk.tailHeight)) return;
    this.missed.delete(node);
    this.verified += 1;
  }

  /** It does not hold itself back, as far as it is about what it has missed. */
  onMayLead(process: SimProcess): void {
    const { node } = process;
    if (process.isReplaced || !this.lookingSince.has(process) || node.isDoubtful) return;
    const missed = this.missed.get(node);
    if (missed === undefined || missed.knownAt > node.around.scheduler.now) return;
    const isWhole = missed.read >= Math.min(missed.through, node.disk.tailHeight);
    check(isWhole, "I8", () => `${node.id} may lead, and has looked at ${missed.read} of ${missed.through} blocks`);
  }
}

const placeOf = (kind: string, at: number): string =>
  `${kind === "index_differs" ? "entry" : kind === "forged" ? "planted" : "block"} ${at}`;

function isTroubled({ store: { behaviour }, isPaused }: SimNode): boolean {
  const { isStalled, isFull, isDown, errors, failsNext, lookUps, latencyMaxMs } = behaviour;
  return (
    isPaused ||
    isStalled ||
    isFull ||
    isDown ||
    errors > 0 ||
    failsNext !== null ||
    lookUps !== "answered" ||
    latencyMaxMs > SLOW_MS / 10
  );
}

/** What somebody took out of an entry may be nothing that is due, as other paths are indexed since. */
function isThere({ disk, around }: SimNode, what: TamperedWhat, at: number): boolean {
  if (what !== "entry") return disk.altered.has(at);
  return disk.touched.has(at) && (disk.altered.has(at) || around.checkers.index.faultAt({ disk }, at) !== null);
}

/** What is not committed, or stands in an index that is made anew, nobody can judge. */
function isJudged(node: SimNode, what: TamperedWhat, at: number): boolean {
  if (what === "planted") return true;
  if (at > node.commitHeight) return false;
  return what === "block" || (node.disk.isIndexWhole && !node.disk.altered.has(at) && isProvable(node, at));
}

/** Other blocks that are altered may stand in the way of a proof: then a pass finds what is there. */
const isProvable = ({ disk }: SimNode, at: number): boolean => [...disk.altered.keys()].every((other) => other === at);
