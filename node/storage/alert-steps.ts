import { utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import { ALERT_DETAIL_CHARACTERS_MAX, alertKey } from "./alert-key.js";
import { cut } from "./carried.js";
import type { AlertAction, AlertStatus, AlertStep, Resolution } from "./incident.js";
import type { AlertRecord, AlertStore } from "./port.js";

type Finding = Parameters<AlertStore["raise"]>[0];

/** Steps that an alert shows; the log has them all. */
export const STEPS_MAX = 32;

const STATUS: Readonly<Record<AlertAction, AlertStatus>> = {
  opened: "open",
  acknowledged: "acknowledged",
  repair_begun: "repairing",
  repaired: "resolved",
  rebuild_begun: "rebuilding",
  rebuilt: "resolved",
  dismissed: "resolved",
  failed: "open",
  reopened: "open",
  ended: "ended",
};
const RESOLUTIONS = new Set<AlertAction>(["repaired", "rebuilt", "dismissed"]);

export const statusAfter = (action: AlertAction): AlertStatus => STATUS[action];
export const resolutionBy = (action: AlertAction): Resolution | null =>
  RESOLUTIONS.has(action) ? (action as Resolution) : null;

/** Whether nobody has to do anything about it any more. */
export const isOver = ({ status }: Pick<AlertRecord, "status">): boolean => status === "resolved" || status === "ended";

/** The alert after one more step. */
export function stepped(alert: AlertRecord, step: Omit<AlertStep, "n">): AlertRecord {
  const { resolution: _resolution, progress: _progress, ...rest } = alert;
  const before = alert.history ?? [];
  const history = [...before, { n: (before.at(-1)?.n ?? -1) + 1, ...step }];
  if (history.length > STEPS_MAX) history.splice(1, 1);
  const resolution = resolutionBy(step.action);
  return {
    ...rest,
    status: statusAfter(step.action),
    history,
    ...(resolution === null ? {} : { resolution }),
    ...(step.action === "ended" ? { endedAt: step.at } : {}),
  };
}

/** Changes with all that a decision rests on: what was found, and what was decided. That it is seen again changes nothing. */
export function alertVersion(alert: AlertRecord): string {
  const { id, status, heights, sequences, differences, furtherDifferences, hashes, history } = alert;
  const found = { heights, sequences, differences, furtherDifferences, hashes };
  return sha256Hex(utf8(canonicalText({ id, status, ...found, history })));
}

/** The alert after it was found once more; the first time, and after it was resolved, that is a step. */
export function raised(known: AlertRecord | null, finding: Finding, at: string): AlertRecord {
  const opened: AlertRecord = {
    ...finding,
    id: alertKey(finding),
    openedAt: at,
    lastSeenAt: at,
    occurrences: 0,
    status: "open",
  };
  const before =
    known === null
      ? stepped(opened, { action: "opened", at })
      : isOver(known)
        ? stepped(known, { action: "reopened", at })
        : known;
  const detail = cut(finding.detail, ALERT_DETAIL_CHARACTERS_MAX);
  const evidence = before.evidence ?? finding.evidence;
  return {
    ...before,
    ...(evidence === undefined ? {} : { evidence }),
    ...{ detail, lastSeenAt: at, occurrences: before.occurrences + 1 },
  };
}
