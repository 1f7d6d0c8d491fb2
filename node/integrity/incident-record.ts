import type { FieldDifference, FoundBy, IncidentDetails, IncidentKind, Range } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import { fairShare } from "./fair-share.js";
import { countOf, withRange } from "./ranges.js";

const RANGES_MAX = 32;
const DIFFERENCES_MAX = 64;
const EVIDENCE_MAX = 32;

export interface IncidentFinding extends Omit<IncidentDetails, "heights" | "sequences" | "furtherDifferences"> {
  readonly kind: IncidentKind;
  readonly foundBy: FoundBy;
  /** One block, or several. */
  readonly heights?: Range;
  readonly sequences?: readonly Range[];
  /** What was found, as a sentence that names the first place. */
  readonly detail: string;
}

/** The alert of an incident, grown by a finding: of much it shows some, and counts the rest. */
export function merged(
  { alert, first, places }: { readonly alert: AlertRecord; readonly first: string; readonly places: readonly Range[] },
  finding: IncidentFinding,
  at: string,
): AlertRecord {
  const { heights: added, sequences: events = [], differences: fresh = [], evidence = [] } = finding;
  const heights = added === undefined ? alert.heights : withRange(alert.heights ?? [], added, RANGES_MAX);
  let { sequences } = alert;
  for (const range of events) sequences = withRange(sequences ?? [], range, RANGES_MAX);
  const differences = fairShare([...(alert.differences ?? []), ...fresh], DIFFERENCES_MAX);
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
    detail: withExtent(first, places, sequences),
    lastSeenAt: at,
    occurrences: alert.occurrences + 1,
  };
}

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
