import type { Logger } from "pino";
import { type HashHex, type Height, height } from "../../shared/ids.js";
import { type Clock, sleep } from "../clock.js";
import { resultWithin } from "../service/parts.js";
import { INDEX_ACCOUNT_TAKEN } from "../storage/incident.js";
import { type IntegrityStore, type StoreChange, type StoreChanges, WatchError } from "../storage/integrity-port.js";
import { GONE, goneBy } from "./gone.js";
import type { IncidentFinding } from "./incident-record.js";
import type { Suspicion } from "./inspector.js";
import { EvidenceChanges } from "./reduction.js";
import { suspicionOf } from "./suspicion-of.js";

/** Changes that are judged together. */
const BATCH_MAX = 1_000;
/** And for no longer, where one follows the other without an end. */
const GATHER_MS = 500;
/** Between two questions for changes; the first ones follow each other faster, as a start waits for them. */
const POLL_MS = 500;
const FIRST_POLL_MS = 50;
/** The first answer on a stream may come before the server has looked. */
const EMPTY_ANSWERS_MIN = 2;
const RETRY_MS = 500;
/** A watch that was broken for so long, beside a store that answers, is told of. */
const DOWN_AFTER_MS = 5_000;
/** Entries that changed, until they are committed and the index is whole. */
const LATER_MAX = 10_000;

export type WatchState = "starting" | "live" | "down" | "unsupported";

export interface WatchParts {
  readonly store: Pick<IntegrityStore, "changes" | "stateFault" | "anchorStanding" | "kept">;
  /** Where the last process stopped; null: nowhere that is known. */
  readonly from: string | null;
  readonly onPlace: (place: string) => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn" | "info">;
  readonly heldThrough: () => Height;
  readonly clusterId: () => HashHex | "";
  /** Whether the store answers otherwise. */
  readonly isStoreOpen: () => boolean;
  readonly suspect: (at: Height, suspicion: Suspicion) => void;
  /** False: not all were judged, as entries are missing by right at present. Calls `onPart` for each part of them. */
  readonly inspectEntries: (heights: readonly Height[], changedAt: string, onPart: () => void) => Promise<boolean>;
  /** The document that says that the index is whole was changed: true if it still says so, or rightly does not. */
  readonly isMarkerSound: () => Promise<boolean>;
  readonly note: (finding: IncidentFinding) => void;
  /** Whether this node puts the block of this height back just now. */
  readonly isOwnWrite: (at: Height) => boolean;
  /** Gives those of these alerts that this node did not write so. */
  readonly alteredAlerts: (ids: readonly string[]) => Promise<readonly string[]>;
  /** Whether an alert that nobody has resolved names this document in quarantine; null: what is open is not known yet. */
  readonly isOpenEvidence: (id: string) => boolean | null;
  /** Alerts were taken away, or altered. */
  readonly onAlertsGone: () => void;
  /** What was suspected has been looked at, and is stored; `onPart` is called for each part of it. */
  readonly settled: (onPart: () => void) => Promise<void>;
  /** What was changed meanwhile cannot be known: the whole log has to be looked at. */
  readonly onBlind: (reason: string) => void;
  /** What holds this node's data is gone as a whole, or another one is in its place: all of it has to be looked at soon. */
  readonly onReplaced: () => void;
  /** True: it began without a place, and what was changed before now is not known. */
  readonly onLive: (isFromNow: boolean) => void;
}

/**
 * Listens to every change of a stored document in this node's database. A change says only where to look: what stands there is
 * judged, and never who has written it.
 */
export class Watch {
  private current: WatchState = "starting";
  private isStopped = false;
  private place: string | null;
  /** It begins without a place, or did so and has not been live since. */
  isFromNow: boolean;
  private changes: StoreChanges | null = null;
  private running: Promise<void> = Promise.resolve();
  /** When it was last known to be live, in monotonic milliseconds. */
  private liveAt: number;
  private isToldDown = false;
  private isBroken = false;
  private readonly later = new Map<Height, string>();
  /** More of them changed than are remembered. */
  private hasForgotten = false;
  private drainCount = 0;
  private batchCount = 0;
  private partCount = 0;
  /** Pages of anchors that were changed and not judged yet. */
  private readonly pages = new Map<number, StoreChange>();
  private readonly evidence: EvidenceChanges;

  constructor(private readonly parts: WatchParts) {
    this.place = parts.from;
    this.isFromNow = parts.from === null;
    this.evidence = new EvidenceChanges(parts);
    this.liveAt = parts.clock.now();
  }

  get state(): WatchState {
    return this.current;
  }

  /** How often it had judged all that there was. */
  get drains(): number {
    return this.drainCount;
  }

  /** How often it had judged something, or a part of it, or all that there was: much to judge is no silence. */
  get signs(): number {
    return this.batchCount + this.partCount + this.drainCount;
  }

  /** It neither fails nor gets anywhere: changes are not seen, whatever the reason. */
  onSilent(forMs: number): void {
    this.tellDown(`the watch on MongoDB's changes has said nothing for ${forMs / 1_000} s`);
  }

  /** Resolves once all that was changed until now has been judged, or nothing is watched: false. */
  async caughtUp(): Promise<boolean> {
    // A question that is under way may have been answered before.
    const until = this.drains + 2;
    // One that begins has a start's changes to judge, those of the process before it among them.
    const isWatching = (): boolean => this.current === "live" || this.current === "starting";
    while (this.drains < until && isWatching() && !this.isStopped) await sleep(this.parts.clock, FIRST_POLL_MS);
    return this.drains >= until;
  }

  start(): void {
    this.running = this.run();
  }

  /** In place of a start, for a measurement. */
  leaveOff(): void {
    this.tellDown("changes are not watched (BENCH_NO_WATCH=1): only the scrub finds them");
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.changes?.close();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        this.changes = await this.parts.store.changes(this.place);
        await this.follow(this.changes);
      } catch (error) {
        if (this.isStopped) return;
        await this.onBroken(error);
      } finally {
        await this.changes?.close();
        this.changes = null;
      }
    }
  }

  private async follow(changes: StoreChanges): Promise<void> {
    const { clock } = this.parts;
    let batch: StoreChange[] = [];
    let end: unknown = null;
    let empty = 0;
    let since = clock.now();
    while (!this.isStopped) {
      let change: StoreChange | null = null;
      try {
        if (end === null) change = await changes.next();
      } catch (error) {
        // What came before is judged all the same: a stream that ends with a change would bring it for ever.
        end = error;
      }
      if (change !== null && batch.push(change) === 1) since = clock.now();
      const isEnd = end !== null;
      const isDrained = change === null && !isEnd;
      const isFull = batch.length >= BATCH_MAX || clock.now() - since >= GATHER_MS;
      if (!isDrained && !isEnd && !isFull) continue;
      const { place } = changes;
      const due = batch;
      [batch, since] = [[], clock.now()];
      const judging = this.judge(due);
      if (isEnd) await judging;
      else end = await this.readOn(changes, batch, judging);
      // Who looks stops in the same moment, and has perhaps not looked at all of it: it comes again after the restart.
      if (this.isStopped) return;
      if (due.length > 0) this.batchCount += 1;
      this.moveTo(place);
      if (isEnd) throw end;
      if (!isDrained) continue;
      empty += 1;
      if (empty >= EMPTY_ANSWERS_MIN) this.onDrained();
      await sleep(clock, empty < EMPTY_ANSWERS_MIN ? FIRST_POLL_MS : POLL_MS);
    }
  }

  /**
   * Waits until what was read is judged. Where that takes long it reads on, as much as is judged together: MongoDB's log keeps
   * no place for a stream that nobody asks, also where all that is written is of no concern. Gives what ended the stream, or null.
   */
  private async readOn(changes: StoreChanges, batch: StoreChange[], judging: Promise<void>): Promise<unknown> {
    while ((await resultWithin(this.parts.clock, judging, POLL_MS)) === null) {
      try {
        while (batch.length < BATCH_MAX) {
          const change = await changes.next();
          if (change === null) break;
          batch.push(change);
        }
      } catch (error) {
        await judging;
        return error;
      }
    }
    return null;
  }

  private moveTo(place: string | null): void {
    if (place === null || place === this.place) return;
    this.place = place;
    this.parts.onPlace(place);
  }

  private onDrained(): void {
    this.liveAt = this.parts.clock.now();
    this.isBroken = false;
    this.drainCount += 1;
    if (this.current === "live") return;
    const { isFromNow, parts } = this;
    // A pass that ended while it was down counts, and what was changed behind it nobody has seen.
    if (isFromNow && this.current === "down") parts.onBlind("changes were not watched, and are from now on");
    this.current = "live";
    this.isToldDown = false;
    this.isFromNow = false;
    parts.onLive(isFromNow);
  }

  private async onBroken(error: unknown): Promise<void> {
    const { clock, logger, isStoreOpen, note } = this.parts;
    if (error instanceof WatchError && error.fault === "unsupported") {
      const detail = "this MongoDB is a standalone server, which says nothing of changes: only the scrub finds them";
      note({ kind: "watch_down", foundBy: "watch", detail });
      // Where no place was known, the start has the whole log looked at.
      if (this.place !== null) this.parts.onBlind(detail);
      this.current = "unsupported";
      this.isStopped = true;
      return;
    }
    if (error instanceof WatchError) {
      // It begins now, and has not yet; what it missed the scrub has to find.
      this.place = null;
      this.isFromNow = true;
      this.current = "starting";
      const detail = `MongoDB's log does not reach back to what this node has watched (${error.message}): changes since then are looked for in the whole log`;
      note({ kind: "watch_down", foundBy: "watch", detail });
      this.parts.onBlind(detail);
      return;
    }
    // A store that does not answer is told of elsewhere, and changes nothing meanwhile. Until it broke it was live, however
    // long it had to judge what came.
    if (!isStoreOpen() || !this.isBroken) this.liveAt = clock.now();
    else if (clock.now() - this.liveAt > DOWN_AFTER_MS) this.tellDown(`changes cannot be watched: ${messageOf(error)}`);
    if (!this.isBroken) logger.warn({ err: error }, "the watch on MongoDB's changes broke: it begins again");
    this.isBroken = true;
    await sleep(clock, RETRY_MS);
  }

  private tellDown(detail: string): void {
    this.current = "down";
    if (this.isToldDown) return;
    this.isToldDown = true;
    this.parts.note({ kind: "watch_down", foundBy: "watch", detail });
    this.parts.onBlind(detail);
  }

  private async judge(batch: readonly StoreChange[]): Promise<void> {
    const entries = new Map<Height, string>();
    const kinds = new Set<string>();
    let markerAt: string | null = null;
    const evidence: StoreChange[] = [];
    const alerts = new Set<string>();
    for (const change of batch) {
      const { collection, operation, at } = change;
      if (GONE.has(operation)) this.tellGone(change);
      else if (change.place !== undefined) {
        const { place } = change;
        if (place.kind === "block") this.parts.suspect(place.at, this.suspicionOf(place.at, change));
        if (place.kind === "entry") entries.set(place.at, at);
        if (place.kind === "marker") markerAt = at;
      } else if (collection === "anchors" && typeof change.id === "number") this.pages.set(change.id, change);
      else if (operation === "delete") kinds.add(collection);
      else if (collection === "alerts" && typeof change.id === "string") alerts.add(change.id);
      else if (collection === "quarantine") evidence.push(change);
      if (collection === "state" || change.to === "state") kinds.add("state");
    }
    await this.judgeAnchors();
    if (markerAt !== null && !(await this.parts.isMarkerSound()))
      this.note("index_differs", markerAt, INDEX_ACCOUNT_TAKEN);
    await this.judgeEntries(entries);
    await this.judgeOthers(kinds, batch.at(-1)?.at);
    await this.judgeEvidence(evidence);
    await this.judgeAlerts([...alerts], batch.at(-1)?.at);
    await this.parts.settled(this.onPart);
  }

  private readonly onPart = (): void => {
    this.partCount += 1;
  };

  /**
   * Those that are not committed yet wait: their blocks may be replaced, and they with them. While the index is made anew all
   * of them do: what is altered behind that work would else be found by nobody until the next pass.
   */
  private async judgeEntries(entries: ReadonlyMap<Height, string>): Promise<void> {
    const { later } = this;
    for (const [at, changedAt] of entries) later.set(at, changedAt);
    const through = this.parts.heldThrough();
    const due = [...later].filter(([at]) => at <= through);
    const [first] = due;
    if (first === undefined) return;
    const areJudged = await this.parts.inspectEntries(
      due.map(([at]) => at),
      first[1],
      this.onPart,
    );
    if (areJudged) {
      for (const [at] of due) later.delete(at);
      if (this.hasForgotten) this.parts.onBlind("more index entries were changed than are remembered");
      this.hasForgotten = false;
    }
    while (later.size > LATER_MAX) {
      later.delete(later.keys().next().value as Height);
      this.hasForgotten = true;
    }
  }

  private suspicionOf(at: Height, change: StoreChange): Suspicion {
    const { written: _written, ...suspicion } = suspicionOf(change);
    return change.operation === "replace" && this.parts.isOwnWrite(at) ? suspicion : suspicionOf(change);
  }

  private async judgeEvidence(changes: readonly StoreChange[]): Promise<void> {
    const other = await this.evidence.othersIn(changes);
    if (other !== null) this.note("state_altered", other.at, "evidence was altered in the quarantine of this node");
  }

  private async judgeAlerts(ids: readonly string[], at = this.parts.clock.wall()): Promise<void> {
    if (ids.length === 0) return;
    const altered = await this.parts.alteredAlerts(ids);
    if (altered.length === 0) return;
    this.note("state_altered", at, "alerts in the database of this node are not what it wrote; they are written again");
    this.parts.onAlertsGone();
  }

  private async judgeOthers(kinds: ReadonlySet<string>, at = this.parts.clock.wall()): Promise<void> {
    if (kinds.has("state")) {
      const fault = await this.parts.store.stateFault();
      if (fault !== null) this.note("state_altered", at, fault);
    }
    if (kinds.has("quarantine"))
      this.note("state_altered", at, "evidence was deleted from the quarantine of this node");
    if (kinds.has("alerts")) {
      this.note("state_altered", at, "alerts were deleted from the database of this node; they are written again");
      this.parts.onAlertsGone();
    }
  }

  /** Which log's they should be is not known while the store is being recovered: they wait. */
  private async judgeAnchors(): Promise<void> {
    const { pages } = this;
    const clusterId = this.parts.clusterId();
    if (clusterId === "") return;
    for (const [page, { operation, at }] of pages) {
      const standing = await this.parts.store.anchorStanding(page, clusterId);
      pages.delete(page);
      const what = operation === "delete" ? "deleted" : standing === "altered" ? "not what it wrote" : null;
      if (what !== null) this.note("state_altered", at, `page ${page} of this node's anchors is ${what}`);
    }
  }

  private tellGone(change: StoreChange): void {
    const through = this.parts.heldThrough();
    for (const { kind, detail } of goneBy(change)) {
      // All of it is looked at by a pass. These keep the node from leading at once.
      if (kind === "missing")
        for (let h = 1; h <= Math.min(through, BATCH_MAX); h++)
          this.parts.suspect(height(h), { foundBy: "watch", changedAt: change.at });
      this.note(kind, change.at, detail);
      this.parts.onReplaced();
    }
  }

  private note(kind: IncidentFinding["kind"], changedAt: string, detail: string): void {
    this.parts.note({ kind, foundBy: "watch", changedAt, detail });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
