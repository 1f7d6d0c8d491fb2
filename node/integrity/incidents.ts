import type { Logger } from "pino";
import { utf8 } from "../../shared/bytes.js";
import { sha256Hex } from "../../shared/hash.js";
import type { NodeId } from "../../shared/ids.js";
import { type Clock, delay } from "../clock.js";
import { notifySupervisor } from "../host/supervision.js";
import type { FieldDifference, FoundBy, IncidentDetails, IncidentKind, Range } from "../storage/incident.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { countOf, covers, withRange } from "./ranges.js";

/** Findings of one kind belong together while no longer time than this is between two of them. */
const TOGETHER_MS = 60_000;
const RANGES_MAX = 32;
const DIFFERENCES_MAX = 32;
const EVIDENCE_MAX = 32;
/** Of those that are open, so many are known in memory: what comes again is then the same incident. */
const KNOWN_MAX = 1_000;
const RETRY_MS = 1_000;

export interface IncidentFinding extends Omit<IncidentDetails, "heights" | "sequences" | "furtherDifferences"> {
  readonly kind: IncidentKind;
  readonly foundBy: FoundBy;
  /** One block, or several. */
  readonly heights?: Range;
  readonly sequences?: readonly Range[];
  /** What was found, as a sentence that names the first place. */
  readonly detail: string;
}

interface Incident {
  alert: AlertRecord;
  readonly first: string;
  /** When its newest place was found, in monotonic milliseconds. */
  seenAt: number;
  isSaved: boolean;
}

export interface IncidentsParts {
  readonly nodeId: NodeId;
  readonly store: Pick<AlertStore, "save" | "list">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "error" | "warn" | "info">;
  /** Told of each incident once it is stored for the first time. */
  readonly onOpened: (alert: AlertRecord) => void;
}

/**
 * What this node found out of place in its own database: findings that belong together are one alert, whose ranges grow.
 * None is closed because a second look finds nothing; only that a watch was down is over when it runs again.
 */
export class Incidents {
  private readonly known: Incident[] = [];
  private saving: Promise<void> | null = null;
  private isStopped = false;

  constructor(private readonly parts: IncidentsParts) {}

  /** Those of earlier runs, so that what is found again is no new incident. */
  async load(): Promise<void> {
    const open = (await this.parts.store.list(KNOWN_MAX)).filter(isOwnIncident);
    for (const alert of open) this.told.add(alert.id);
    for (const alert of open.reverse())
      this.known.push({ alert, first: alert.detail, seenAt: Number.NEGATIVE_INFINITY, isSaved: true });
  }

  get openCount(): number {
    return this.known.filter(({ alert }) => alert.status === "open").length;
  }

  note(finding: IncidentFinding): void {
    const { clock } = this.parts;
    const wall = clock.wall();
    let incident = this.belongingTo(finding);
    const isNew = incident === undefined;
    if (incident === undefined) {
      incident = { alert: this.opened(finding, wall), first: finding.detail, seenAt: 0, isSaved: false };
      this.known.push(incident);
      if (this.known.length > KNOWN_MAX) this.known.splice(0, 1);
    }
    // What is only seen again, pass after pass, must not draw all that is found later into itself.
    if (isNew || !isKnown(incident.alert, finding)) incident.seenAt = clock.now();
    incident.alert = merged(incident, finding, wall);
    incident.isSaved = false;
    if (isNew) {
      const { alert } = incident;
      this.parts.logger.error({ alert }, `alert: ${alert.kind}: ${alert.detail}`);
      notifySupervisor({ kind: "alert", node: this.parts.nodeId, alertKind: alert.kind, detail: alert.detail });
    }
    this.save();
  }

  /** What this kind says is so no longer. */
  end(kind: "watch_down"): void {
    for (const incident of this.known) {
      if (incident.alert.kind !== kind || incident.alert.status !== "open") continue;
      const endedAt = this.parts.clock.wall();
      incident.alert = { ...incident.alert, status: "ended", endedAt, lastSeenAt: endedAt };
      incident.isSaved = false;
      this.parts.logger.info(`alert ${incident.alert.id} (${kind}) is over`);
    }
    this.save();
  }

  /** Somebody may have taken them away: all that are known are written again. */
  saveAgain(): void {
    for (const incident of this.known) incident.isSaved = false;
    this.save();
  }

  /** Resolves once all that was noted is stored, or this has stopped. */
  async saved(): Promise<void> {
    while (this.saving !== null) await this.saving;
  }

  stop(): void {
    this.isStopped = true;
  }

  private belongingTo({ kind, heights, detail }: IncidentFinding): Incident | undefined {
    const alike = this.known.filter(({ alert }) => alert.kind === kind && alert.status === "open");
    // What has no place in the log is told apart by what is said of it.
    if (heights === undefined) return alike.find(({ first }) => first === detail);
    const since = this.parts.clock.now() - TOGETHER_MS;
    const placed = alike.filter(({ alert }) => alert.heights !== undefined);
    const covering = placed.find(({ alert }) => covers(alert.heights ?? [], heights[0]));
    return covering ?? placed.find(({ seenAt }) => seenAt >= since);
  }

  private opened(finding: IncidentFinding, at: string): AlertRecord {
    const { nodeId } = this.parts;
    const name = [finding.kind, nodeId, at, finding.heights?.[0] ?? "", finding.detail].join("\n");
    return {
      id: sha256Hex(utf8(name)).slice(0, 24),
      kind: finding.kind,
      severity: finding.kind === "watch_down" ? "warning" : "critical",
      node: nodeId,
      accused: nodeId,
      ...(finding.heights === undefined ? {} : { height: finding.heights[0] }),
      ...(finding.sequences?.[0] === undefined ? {} : { sequence: finding.sequences[0][0] }),
      detail: finding.detail,
      foundBy: finding.foundBy,
      openedAt: at,
      lastSeenAt: at,
      occurrences: 0,
      status: "open",
    };
  }

  private save(): void {
    this.saving ??= this.saveAll().finally(() => {
      this.saving = null;
    });
  }

  private async saveAll(): Promise<void> {
    // What one look finds is stored together.
    await Promise.resolve();
    for (;;) {
      const due = this.known.find(({ isSaved }) => !isSaved);
      if (due === undefined || this.isStopped) return;
      const isFirst = due.alert.occurrences > 0 && !this.told.has(due.alert.id);
      due.isSaved = true;
      try {
        await this.parts.store.save(due.alert);
        if (isFirst) this.told.add(due.alert.id);
        if (isFirst) this.parts.onOpened(due.alert);
      } catch (error) {
        due.isSaved = false;
        this.parts.logger.warn({ err: error }, "an alert could not be stored: trying again");
        await delay(this.parts.clock, RETRY_MS);
      }
    }
  }
  private readonly told = new Set<string>();
}

const isKnown = ({ heights = [] }: AlertRecord, { heights: [first, last] = [-1, -1] }: IncidentFinding): boolean =>
  covers(heights, first) && covers(heights, last);

const isOwnIncident = ({ status, foundBy }: AlertRecord): boolean => status === "open" && foundBy !== undefined;

function merged({ alert, first }: Incident, finding: IncidentFinding, at: string): AlertRecord {
  const { heights: added, sequences: events = [], differences: seen = [], evidence = [] } = finding;
  const heights = added === undefined ? alert.heights : withRange(alert.heights ?? [], added, RANGES_MAX);
  let { sequences } = alert;
  for (const range of events) sequences = withRange(sequences ?? [], range, RANGES_MAX);
  const fresh = isKnown(alert, finding) ? [] : seen;
  const differences = [...(alert.differences ?? []), ...fresh].slice(0, DIFFERENCES_MAX);
  const further =
    (alert.differences?.length ?? 0) + (alert.furtherDifferences ?? 0) + fresh.length - differences.length;
  const kept = [...new Set([...(alert.evidence ?? []), ...evidence])].slice(0, EVIDENCE_MAX);
  const { hashes, agreeing, changedAt, lastKnownGoodAt } = finding;
  return {
    ...(hashes === undefined ? {} : { hashes }),
    ...(agreeing === undefined ? {} : { agreeing }),
    ...(changedAt === undefined ? {} : { changedAt }),
    ...(lastKnownGoodAt === undefined ? {} : { lastKnownGoodAt }),
    ...alert,
    ...(heights === undefined ? {} : { heights, height: heights[0]?.[0] as number }),
    ...(sequences === undefined ? {} : { sequences, sequence: sequences[0]?.[0] as number }),
    ...(differences.length === 0 ? {} : { differences }),
    ...(further === 0 ? {} : { furtherDifferences: further }),
    ...(kept.length === 0 ? {} : { evidence: kept }),
    detail: withExtent(first, heights, sequences),
    lastSeenAt: at,
    occurrences: alert.occurrences + 1,
  };
}

/** The first finding, and how many blocks and events the incident has by now. */
function withExtent(first: string, heights: readonly Range[] = [], sequences: readonly Range[] = []): string {
  const blocks = countOf(heights);
  if (blocks <= 1) return first;
  const events = countOf(sequences);
  const extent = `${blocks} blocks${events > 1 ? ` and ${events} events` : ""}`;
  return `${first} (one of ${extent})`;
}

/** "dataPayload.amount of event 12 is 999 and was 100", for the first of them. */
export function firstDifference(differences: readonly FieldDifference[]): string {
  const [first] = differences;
  if (first === undefined) return "";
  const place = first.sequence === undefined ? `block ${first.height}` : `event ${first.sequence}`;
  const say = (value: unknown): string => {
    const text = value === undefined ? "not there" : JSON.stringify(value);
    return text.length > 80 ? `${text.slice(0, 80)}…` : text;
  };
  const more = differences.length > 1 ? `, and ${differences.length - 1} more` : "";
  return `${first.field} of ${place} is ${say(first.stored)}, committed was ${say(first.expected)}${more}`;
}
