import { isDeepStrictEqual } from "node:util";
import { utf8 } from "../../shared/bytes.js";
import { sha256Hex } from "../../shared/hash.js";
import type { NodeId } from "../../shared/ids.js";
import { isOver, stepped } from "../storage/alert-steps.js";
import {
  BLOCK_KINDS,
  type FieldDifference,
  type FoundBy,
  type IncidentDetails,
  type IncidentHashes,
  type IncidentKind,
  isOfFormerCopy,
  LOOKOUT_KINDS,
  type Range,
} from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import { fairShare } from "./fair-share.js";
import { countOf, covers, withRange } from "./ranges.js";

const RANGES_MAX = 32;
const DIFFERENCES_MAX = 64;
export const EVIDENCE_MAX = 32;
/** An alert that is found again names so much of what was kept before. */
const EARLIER_EVIDENCE_MAX = EVIDENCE_MAX / 2;

export interface IncidentFinding extends Omit<IncidentDetails, "heights" | "sequences" | "furtherDifferences"> {
  readonly kind: IncidentKind;
  readonly foundBy: FoundBy;
  /** One block, or several. */
  readonly heights?: Range;
  readonly sequences?: readonly Range[];
  /** What was found, as a sentence that names the first place. */
  readonly detail: string;
}

/** What an incident is known by. */
interface Known {
  readonly alert: AlertRecord;
  /** What was said of its first finding. */
  readonly first: string;
  readonly places: readonly Range[];
}

/** Where it was found, and where before it was dismissed. */
type Found = Pick<Known, "alert" | "places"> & { readonly dismissed: readonly Range[] };

/** The alert of a finding that belongs to no other, before its first step. */
export function opened(nodeId: NodeId, finding: IncidentFinding, at: string): AlertRecord {
  const { kind, foundBy, heights, sequences, detail, lastKnownGoodAt } = finding;
  const name = [kind, nodeId, at, heights?.[0] ?? "", detail].join("\n");
  return {
    id: sha256Hex(utf8(name)).slice(0, 24),
    kind,
    severity: LOOKOUT_KINDS.has(kind) ? "warning" : "critical",
    node: nodeId,
    accused: nodeId,
    ...(heights === undefined ? {} : { height: heights[0] }),
    ...(sequences?.[0] === undefined ? {} : { sequence: sequences[0][0] }),
    detail,
    foundBy,
    openedAt: at,
    lastSeenAt: at,
    occurrences: 0,
    status: "open",
    ...(lastKnownGoodAt === undefined ? {} : { lastKnownGoodAt }),
  };
}

/** One that is found once more after it was resolved: it says what is so now. Its steps stay, and the newest of its evidence. */
export function reopened(alert: AlertRecord, finding: IncidentFinding, at: string): AlertRecord {
  const { id, openedAt, occurrences, history = [], evidence = [] } = alert;
  // What was dismissed, and still stands there, was changed when it was.
  const isSame = alert.hashes !== undefined && !isOtherContent(alert.hashes, finding.hashes);
  const changedAt = alert.resolution === "dismissed" && isSame ? alert.changedAt : undefined;
  const begun = {
    ...opened(alert.node, finding, at),
    ...{ id, openedAt, occurrences, history },
    ...(evidence.length === 0 ? {} : { evidence: evidence.slice(-EARLIER_EVIDENCE_MAX) }),
    ...(changedAt === undefined ? {} : { changedAt }),
  };
  return stepped(begun, { action: "reopened", at });
}

/** The alert of an incident, grown by a finding: of much it shows some, and counts the rest. */
export function merged({ alert, first, places }: Known, finding: IncidentFinding, at: string): AlertRecord {
  const { heights: added, sequences: events = [], differences: fresh = [], evidence = [] } = finding;
  const heights = added === undefined ? alert.heights : withRange(alert.heights ?? [], added, RANGES_MAX);
  let { sequences } = alert;
  for (const range of events) sequences = withRange(sequences ?? [], range, RANGES_MAX);
  const differences = fairShare([...(alert.differences ?? []), ...fresh], DIFFERENCES_MAX);
  const further =
    (alert.differences?.length ?? 0) + (alert.furtherDifferences ?? 0) + fresh.length - differences.length;
  const kept = [...new Set([...(alert.evidence ?? []), ...evidence])].slice(0, EVIDENCE_MAX);
  const { hashes, agreeing, changedAt } = finding;
  return {
    ...(hashes === undefined ? {} : { hashes }),
    ...(agreeing === undefined ? {} : { agreeing }),
    ...(changedAt === undefined ? {} : { changedAt }),
    ...alert,
    ...(heights === undefined ? {} : { heights, height: heights[0]?.[0] as number }),
    ...(sequences === undefined ? {} : { sequences, sequence: sequences[0]?.[0] as number }),
    ...(differences.length === 0 ? {} : { differences }),
    ...(further === 0 ? {} : { furtherDifferences: further }),
    ...(kept.length === 0 ? {} : { evidence: kept }),
    detail: withExtent(first, places, sequences),
    lastSeenAt: at,
    occurrences: alert.occurrences + 1,
  };
}

/**
 * An incident without what it says of a place that is found once more, where the finding says something else of it. Null: it
 * says the same, or less: what was compared with a sound copy is not given up for what is said without one; or the alert cannot
 * name what shows it.
 */
export function withoutOutdated({ alert, first, places }: Known, finding: IncidentFinding): Known | null {
  const { heights: [from, through] = [-1, -1], differences: fresh = [], hashes } = finding;
  const { differences = [], furtherDifferences = 0, ...rest } = alert;
  const isHere = ({ height }: FieldDifference): boolean => from <= height && height <= through;
  const before = differences.filter(isHere);
  const isFresh = (one: FieldDifference): boolean => fresh.some((other) => isDeepStrictEqual(one, other));
  const isFirst = hashes !== undefined && alert.hashes?.block.height === hashes.block.height;
  const isOther =
    !before.every(isFresh) ||
    // It is not known whose those are that are not shown.
    (furtherDifferences === 0 && before.length !== fresh.length) ||
    (isFirst && isOtherContent(alert.hashes, hashes));
  const isVaguer = fresh.every(isVague) && !before.every(isVague);
  const isSameContent = !isFirst || !isOtherContent(alert.hashes, hashes);
  const isPart = isWithoutCopy(finding) && isPartOf(fresh, before) && isSameContent;
  if (!isOther || fresh.length === 0 || isVaguer || isPart) return null;
  const isConcrete = !before.every(isVague) && !isGone(before);
  if (isConcrete && !isGone(fresh) && !canShow(alert, finding)) return null;
  const others = differences.filter((one) => !isHere(one));
  const isOnly = countOf(places) === through - from + 1;
  const { hashes: _hashes, agreeing: _agreeing, ...grown } = rest;
  const { sequences: _sequences, sequence: _sequence, ...single } = grown;
  return {
    alert: {
      ...(isOnly ? single : isFirst ? grown : rest),
      ...(others.length === 0 ? {} : { differences: others }),
      ...(isOnly || furtherDifferences === 0 ? {} : { furtherDifferences }),
    },
    first: (isOnly || isFirst) && !isTakenBack(alert) ? finding.detail : first,
    places,
  };
}

const isWithoutCopy = ({ agreeing }: IncidentFinding): boolean => agreeing?.length === 0;
const isPartOf = (some: readonly FieldDifference[], all: readonly FieldDifference[]): boolean =>
  some.every((one) => all.some((other) => isDeepStrictEqual(one, other)));

/** Nothing stands in the place of an index entry: there is nothing to show. */
const isGone = (fresh: readonly FieldDifference[]): boolean =>
  fresh.every(({ field, stored }) => field === "entry" && stored === undefined);

/** Whoever checks the evidence finds in it what an alert says of a place. */
const canShow = ({ evidence: named = [] }: AlertRecord, { evidence = [] }: IncidentFinding): boolean =>
  named.length === 0 || (evidence.length > 0 && new Set([...named, ...evidence]).size <= EVIDENCE_MAX);

/** What stands in the block is not what stood there. */
const isOtherContent = (before: IncidentHashes | undefined, now: IncidentHashes | undefined): boolean =>
  !isDeepStrictEqual(before?.block, now?.block) ||
  (before?.body !== undefined && now?.body !== undefined && !isDeepStrictEqual(before.body, now.body));

const WITHOUT_COPY: ReadonlySet<string> = new Set(["header", "body", "record or dataPayload"]);
/** Bytes that say the same in another order: there are no values to show. */
const WITHOUT_VALUES: ReadonlySet<string> = new Set(["records", "payloads"]);

/** Said without a sound copy, or by the log, which has no values: that something is altered is known, and not what was there. */
const isVague = ({ field, stored, expected }: FieldDifference): boolean =>
  expected === undefined && (stored === undefined ? !WITHOUT_VALUES.has(field) : WITHOUT_COPY.has(field));

/** A finding that says nothing new; without a sound copy it may also name other events of the block. */
export const withoutFacts = (finding: IncidentFinding): IncidentFinding => {
  const { differences = [] } = finding;
  const isOfLess = differences.length > 0 && differences.every(isVague);
  return { ...finding, differences: [], ...(isOfLess ? { sequences: [] } : {}) };
};

/**
 * A finding, with when its place was last good. The start of a pass says so only if nothing was found there since: that pass may
 * be the one that found it altered. What was put back was good then.
 */
export function withLastGood(
  known: readonly Found[],
  { lastKnownGoodAt = "", ...finding }: IncidentFinding,
): IncidentFinding {
  const { changedAt } = finding;
  const goodAt = lastGoodAt(known, finding, lastKnownGoodAt);
  const isKnown = goodAt !== "" && (changedAt === undefined || goodAt <= changedAt);
  return isKnown ? { ...finding, lastKnownGoodAt: goodAt } : finding;
}

const isOfBlock = (one: Pick<AlertRecord, "kind" | "differences">): boolean =>
  BLOCK_KINDS.has(one.kind) && !isOfFormerCopy(one);

/** Empty: it is not known. */
function lastGoodAt(known: readonly Found[], finding: IncidentFinding, verifiedAt: string): string {
  const [at] = finding.heights ?? [-1];
  if (!isOfBlock(finding)) return verifiedAt;
  let goodAt = verifiedAt;
  for (const { alert, places, dismissed } of known) {
    if (!isOfBlock(alert)) continue;
    const { history = [], resolution, lastSeenAt, lastKnownGoodAt = "" } = alert;
    if (!covers(places, at)) {
      if (covers(dismissed, at) && verifiedAt <= lastSeenAt) return "";
      continue;
    }
    const isPutBack = isOver(alert) && resolution !== "dismissed";
    const putBackAt = isPutBack ? (history.at(-1)?.at ?? "") : "";
    if (putBackAt > goodAt) goodAt = putBackAt;
    // It is still altered. Of several places an alert says this of the first one alone.
    if (!isPutBack && verifiedAt <= lastSeenAt) return countOf(places) === 1 ? lastKnownGoodAt : "";
  }
  return goodAt;
}

export const lostDetail = ({ kind, node }: Pick<AlertRecord, "kind" | "node">): string =>
  `${kind}: this alert was lost on ${node}, and is known from the log`;

/** Its own record was lost here: which documents were its evidence is not known any more. */
export const isTakenBack = (alert: AlertRecord): boolean => alert.detail.startsWith(lostDetail(alert));

/** "(one of 4 blocks and 9 events)" at the end of a detail. */
const EXTENT = / \(one of [^()]*\)$/;

/** What was said of the first finding alone. */
export const firstDetail = ({ detail }: Pick<AlertRecord, "detail">): string => detail.replace(EXTENT, "");

/** The first finding, and how many blocks and events the incident has by now. */
function withExtent(first: string, places: readonly Range[], sequences: readonly Range[] = []): string {
  const blocks = countOf(places);
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
