import type { Logger } from "pino";
import type { NodeId } from "../../shared/ids.js";
import { ALERT_RANGES_MAX } from "../../shared/limits.js";
import { type Clock, sleep } from "../clock.js";
import { notifySupervisor } from "../host/supervision.js";
import { ALERTS_MAX } from "../storage/alert-key.js";
import { isOver, stepped } from "../storage/alert-steps.js";
import { carried } from "../storage/carried.js";
import { BLOCK_KINDS, type IncidentKind, isOfFormerCopy, type Range } from "../storage/incident.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { logged, sentenceOf } from "./alert-summary.js";
import { HeldBack } from "./held-back.js";
import {
  firstDetail,
  type IncidentFinding,
  lostDetail,
  merged,
  opened,
  reopened,
  withLastGood,
  withoutFacts,
  withoutOutdated,
} from "./incident-record.js";
import { covers, withRange } from "./ranges.js";

/** Findings of one kind belong together while no longer time than this is between two of them. */
const TOGETHER_MS = 60_000;
/** Places apart from each other that one incident is known by; one more is another incident. */
export const PLACES_MAX = 16_384;
/** So many open ones are known in memory: what comes again is then the same incident. */
const KNOWN_MAX = 1_000;
const RETRY_MS = 1_000;
/** An alert that could not be stored so often is told without. */
const REFUSED_AFTER = 5;

interface Incident {
  alert: AlertRecord;
  first: string;
  /** The very heights that were found. Those that the alert shows are put together, and cover what lies between them too. */
  places: readonly Range[];
  /** What was found before it was dismissed stands there still, mostly: found again by this process, it is the same incident. */
  dismissed: readonly Range[];
  /** When its newest place was found, in monotonic milliseconds. */
  seenAt: number;
  isSaved: boolean;
  /** How often in turn it could not be stored. */
  failures: number;
}

export interface IncidentsParts {
  readonly nodeId: NodeId;
  readonly store: Pick<AlertStore, "save" | "list" | "count" | "foundHeights">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "error" | "warn" | "info">;
  readonly notify?: typeof notifySupervisor;
  /** Told of each incident once it is stored with another step: opened, decided, found again. */
  readonly onStep: (alert: AlertRecord) => void;
  /** Told of each incident as it is stored, also where it has only grown. */
  readonly onStored: (alert: AlertRecord) => void;
  /** A committed block of this node's own is known to be altered, or none is any more: what health and the lead go by. */
  readonly onDamage: (isDamaged: boolean) => void;
}

/**
 * What this node found out of place in its own database: findings that belong together are one alert, whose ranges grow.
 * None is closed because a second look finds nothing; only that a watch or a scrub was down is over when it goes on.
 */
export class Incidents {
  private readonly known: Incident[] = [];
  /** The newest step of each incident that others were told of. */
  private readonly told = new Map<string, number>();
  /** Alerts in the store. */
  private count = 0;
  private saving: Promise<void> | null = null;
  private round: Promise<void> = Promise.resolve();
  private isStopped = false;
  private readonly heldBack: HeldBack;
  private wasDamaged = false;

  constructor(private readonly parts: IncidentsParts) {
    this.heldBack = new HeldBack(parts.clock, (found, wall) => void this.noteAt(found, wall));
  }

  /** Those of earlier runs, so that what is found again is no new incident. Resolves once they are known, or this has stopped. */
  async load(): Promise<void> {
    const { clock, logger } = this.parts;
    this.heldBack.begin();
    while (!this.isStopped)
      try {
        this.take(...(await this.read()));
        this.heldBack.release();
        return;
      } catch (err) {
        logger.warn({ err }, "open alerts could not be read: trying again");
        await sleep(clock, RETRY_MS);
      }
  }

  private async read(): Promise<readonly [count: number, incidents: readonly Incident[]]> {
    const { store } = this.parts;
    const open = await store.list(KNOWN_MAX);
    const over = open.length < KNOWN_MAX ? await store.list(KNOWN_MAX - open.length, "resolved") : [];
    const count = await store.count("all");
    const incidents: Incident[] = [];
    for (const alert of [...open, ...over].reverse()) {
      if (alert.foundBy === undefined) continue;
      const places = (await store.foundHeights(alert.id)) ?? alert.heights ?? [];
      const first = firstDetail(alert);
      incidents.push({
        alert,
        first,
        places,
        dismissed: [],
        seenAt: Number.NEGATIVE_INFINITY,
        isSaved: true,
        failures: 0,
      });
    }
    return [count, incidents];
  }

  private take(count: number, incidents: readonly Incident[]): void {
    this.count = count;
    // What was found meanwhile may be stored by now.
    const before = incidents.filter(({ alert }) => this.find(alert.id) === null);
    for (const { alert } of before) this.told.set(alert.id, stepOf(alert));
    this.known.unshift(...before);
    this.tellDamage();
  }

  /** Until a person has resolved what was found, over restarts. */
  get isDamaged(): boolean {
    return this.unresolved.some((alert) => BLOCK_KINDS.has(alert.kind) && !isOfFormerCopy(alert));
  }

  /** As it is known here, also before it is stored. */
  find(id: string): AlertRecord | null {
    return this.known.find(({ alert }) => alert.id === id)?.alert ?? null;
  }

  /** Whether one of this kind is not resolved. */
  isOpen(kind: IncidentKind): boolean {
    return this.known.some(({ alert }) => alert.kind === kind && !isOver(alert));
  }

  /** Those that nobody has resolved. */
  get unresolved(): readonly AlertRecord[] {
    return this.known.flatMap(({ alert }) => (isOver(alert) ? [] : [alert]));
  }

  /** What was found before this process knew its alerts, and perhaps before an earlier one died that had told of it. */
  noteOnce(found: IncidentFinding, at: string): string {
    const same = this.known.find(({ alert, first }) => first === found.detail && alert.lastSeenAt >= at);
    return same?.alert.id ?? this.noteAt(found, at);
  }

  /** Whether the store has it as it is known here. */
  isStored(id: string): boolean {
    return this.saving === null && this.known.some(({ alert, isSaved }) => alert.id === id && isSaved);
  }

  note(found: IncidentFinding): void {
    const wall = this.parts.clock.wall();
    if (!this.heldBack.take(found, wall)) this.noteAt(found, wall);
  }

  private noteAt(found: IncidentFinding, wall: string): string {
    // Before anything is compared with it: its texts and values are those of whoever altered the database.
    const finding = withLastGood(this.known, carried(found));
    const { clock, nodeId } = this.parts;
    let incident = this.belongingTo(finding);
    const isNew = incident === undefined;
    const isReopened = incident !== undefined && isOver(incident.alert);
    if (incident === undefined) {
      const alert = stepped(opened(nodeId, finding, wall), { action: "opened", at: wall });
      incident = { alert, first: finding.detail, places: [], dismissed: [], seenAt: 0, isSaved: false, failures: 0 };
      this.known.push(incident);
      this.count += 1;
      this.forgetOne();
    } else if (isReopened) {
      const isDismissed = incident.alert.resolution === "dismissed";
      const dismissed = isDismissed ? joined(incident.dismissed, incident.places) : [];
      const alert = reopened(incident.alert, finding, wall);
      Object.assign(incident, { alert, first: finding.detail, places: [], dismissed });
    }
    // What is only seen again, pass after pass, must not draw all that is found later into itself.
    const wasKnown = isKnown(incident, finding);
    if (!wasKnown) incident.seenAt = clock.now();
    const before = wasKnown ? withoutOutdated(incident, finding) : incident;
    if (finding.heights !== undefined) incident.places = withRange(incident.places, finding.heights, PLACES_MAX);
    const { alert, first } = before ?? incident;
    Object.assign(incident, { first, isSaved: false });
    incident.alert = merged({ ...incident, alert }, before === null ? withoutFacts(finding) : finding, wall);
    this.tellDamage();
    if (isNew || isReopened) {
      const { alert } = incident;
      const detail = sentenceOf(alert);
      this.parts.logger.error({ alert: logged(alert) }, `alert${isReopened ? " again" : ""}: ${alert.kind}: ${detail}`);
      (this.parts.notify ?? notifySupervisor)({ kind: "alert", node: nodeId, alertKind: alert.kind, detail });
    }
    this.save();
    return incident.alert.id;
  }

  /** What this kind says is so no longer. */
  end(kind: "watch_down" | "scrub_down"): void {
    for (const { alert } of this.known) {
      if (alert.kind !== kind || isOver(alert)) continue;
      const endedAt = this.parts.clock.wall();
      this.change(alert.id, (one) => ({ ...stepped(one, { action: "ended", at: endedAt }), lastSeenAt: endedAt }));
      this.parts.logger.info(`alert ${alert.id} (${kind}) is over`);
    }
  }

  /** What a person decides about it, or what comes of that; null if it is not known here. */
  change(id: string, change: (alert: AlertRecord) => AlertRecord): AlertRecord | null {
    const incident = this.known.find(({ alert }) => alert.id === id);
    if (incident === undefined) return null;
    incident.alert = change(incident.alert);
    incident.isSaved = false;
    this.tellDamage();
    this.save();
    return incident.alert;
  }

  /** One of this node's own that is lost here, as the log has it; and what a person decides about it just now. */
  takeBack(
    { isFromLogOnly: _isFromLogOnly, inLog: _inLog, ...alert }: AlertRecord,
    change: (alert: AlertRecord) => AlertRecord = (same) => same,
  ): void {
    if (this.find(alert.id) !== null) return;
    const detail = lostDetail(alert);
    this.told.set(alert.id, stepOf(alert));
    this.known.push({
      alert: change({ ...alert, foundBy: "start", detail }),
      // The log's record puts together more: what is found between is better told once more than not at all.
      places: (alert.heights?.length ?? 0) < ALERT_RANGES_MAX ? (alert.heights ?? []) : [],
      ...{ first: detail, dismissed: [], seenAt: Number.NEGATIVE_INFINITY, isSaved: false, failures: 0 },
    });
    this.count += 1;
    this.forgetOne();
    this.tellDamage();
    this.save();
  }

  /** Somebody may have taken them away: all that are known are written again. */
  saveAgain(): void {
    for (const incident of this.known) incident.isSaved = false;
    this.save();
  }

  /** Those that stand in the store by all that is known here; none while any is being stored. */
  get storedIds(): readonly string[] {
    return this.saving === null ? this.known.map(({ alert }) => alert.id) : [];
  }

  /**
   * Resolves once all that was noted by now is stored, or was refused and told all the same, or this has stopped. The round
   * under way may have begun before; the next one takes all of it, and whatever is noted meanwhile keeps nobody waiting.
   */
  async saved(): Promise<void> {
    await this.heldBack.released();
    const isTriedAgain = ({ isSaved, failures }: Incident): boolean =>
      !isSaved && failures > 0 && failures < REFUSED_AFTER;
    for (let rounds = 0; this.saving !== null; rounds++) {
      if (rounds >= 2 && !this.known.some(isTriedAgain)) return;
      await this.round;
      if (this.isRefused && this.known.some(({ isSaved }) => !isSaved)) return;
    }
  }

  /** This process ends before it came to know what is open, perhaps: what was held back is told, each as an alert of its own. */
  tellHeldBack(): void {
    this.heldBack.release();
  }

  stop(): void {
    this.isStopped = true;
    this.heldBack.release();
  }

  /** What is over goes first. */
  private forgetOne(): void {
    if (this.known.length <= KNOWN_MAX) return;
    const over = this.known.findIndex(({ alert, isSaved }) => isSaved && isOver(alert));
    this.known.splice(Math.max(0, over), 1);
  }

  private belongingTo(finding: IncidentFinding): Incident | undefined {
    const { kind, heights, detail } = finding;
    // What is done to the present copy is no part of what became of one before it, which damages nothing any more.
    const isFormer = isOfFormerCopy(finding);
    // New blocks come above a tail that was cut off: what is missing there then is that tail.
    const isTail = ({ alert, places }: Incident): boolean =>
      kind === "missing" && alert.kind === "truncated_tail" && !isOver(alert) && covers(places, heights?.[0] ?? -1);
    const alike = this.known.filter(
      (one) => (one.alert.kind === kind || isTail(one)) && isOfFormerCopy(one.alert) === isFormer,
    );
    const open = alike.filter(({ alert }) => !isOver(alert));
    const over = alike.filter(({ alert }) => alert.status === "resolved");
    // What has no place in the log is told apart by what is said of it.
    if (heights === undefined) return [...open, ...over].find(({ first }) => first === detail) ?? this.shared(open);
    const since = this.parts.clock.now() - TOGETHER_MS;
    const hasRoom = ({ alert, places }: Incident): boolean =>
      alert.heights !== undefined &&
      (places.length < PLACES_MAX || withRange(places, heights, PLACES_MAX + 1).length <= PLACES_MAX);
    const isCovering = ({ places }: Incident): boolean => covers(places, heights[0]);
    return (
      open.find(isCovering) ??
      open.find(({ dismissed }) => covers(dismissed, heights[0])) ??
      open.find((one) => one.seenAt >= since && hasRoom(one)) ??
      // What was resolved is found once more.
      over.find(isCovering) ??
      over.find(({ alert, dismissed }) => alert.resolution === "dismissed" && covers(dismissed, heights[0])) ??
      this.shared(open)
    );
  }

  /** Beyond so many alerts those of a kind share the newest one, so that nobody fills a disk with them. */
  private shared(open: readonly Incident[]): Incident | undefined {
    return this.count >= ALERTS_MAX ? open.at(-1) : undefined;
  }

  private tellDamage(): void {
    const { isDamaged } = this;
    if (isDamaged === this.wasDamaged) return;
    this.wasDamaged = isDamaged;
    this.parts.onDamage(isDamaged);
  }

  private save(): void {
    this.saving ??= this.saveAll().finally(() => {
      this.saving = null;
    });
  }

  private async saveAll(): Promise<void> {
    while (!this.isStopped && this.known.some(({ isSaved }) => !isSaved)) {
      this.round = this.saveRound();
      await this.round;
    }
  }

  /** One that the database refuses holds no other back. */
  private async saveRound(): Promise<void> {
    // What one look finds is stored together.
    await Promise.resolve();
    let hasFailed = false;
    for (const one of this.known.filter(({ isSaved }) => !isSaved))
      if (!this.isStopped && !(await this.saveOne(one))) hasFailed = true;
    if (hasFailed && !this.isStopped) await sleep(this.parts.clock, RETRY_MS);
  }

  private async saveOne(incident: Incident): Promise<boolean> {
    const { alert, places } = incident;
    incident.isSaved = true;
    try {
      await this.parts.store.save(alert, isShown(places, alert) ? undefined : places);
      incident.failures = 0;
      this.parts.onStored(alert);
      this.tell(alert);
      return true;
    } catch (error) {
      incident.isSaved = false;
      incident.failures += 1;
      this.parts.logger.warn({ err: error }, "an alert could not be stored: trying again");
      // Whoever alters a database may have it take no alert: others have to hear of it all the same.
      if (incident.failures === REFUSED_AFTER) this.tell(alert);
      return false;
    }
  }

  private tell(alert: AlertRecord): void {
    const step = stepOf(alert);
    if (step === this.told.get(alert.id)) return;
    this.told.set(alert.id, step);
    this.parts.onStep(alert);
  }

  /** All that is not stored was refused time after time. */
  private get isRefused(): boolean {
    return this.known.every(({ isSaved, failures }) => isSaved || failures >= REFUSED_AFTER);
  }
}

const stepOf = ({ history = [] }: AlertRecord): number => history.at(-1)?.n ?? -1;

const joined = (some: readonly Range[], others: readonly Range[]): readonly Range[] =>
  some.length === 0
    ? others
    : others.reduce((all, one) => (one.every((end) => covers(all, end)) ? all : withRange(all, one, PLACES_MAX)), some);

const isKnown = ({ places }: Incident, { heights: [first, last] = [-1, -1] }: IncidentFinding): boolean =>
  covers(places, first) && covers(places, last);

/** Whether the alert shows the very places. */
const isShown = (places: readonly Range[], { heights = [] }: AlertRecord): boolean =>
  places.length === heights.length &&
  places.every(([first, last], i) => heights[i]?.[0] === first && heights[i]?.[1] === last);
