import { canonicalBytes, canonicalText } from "../shared/canonical.js";
import { ALERT_RECORDS_BYTES_MAX } from "../shared/limits.js";
import type { AlertRecords, Control, Maintenance } from "../shared/log/control.js";
import type { Core } from "./core.js";
import { trySeal } from "./sealing.js";

/** Steps of a node's alerts are control records like admissions, which they must not keep out: half of the places are theirs. */
export function logAlerts(core: Core, records: AlertRecords): void {
  const { leader } = core;
  if (leader === null || !isSealable(core, records)) return;
  const isWaiting = leader.controls.some(
    (control) => control.kind === "alert_records" && control.node === records.node,
  );
  if (!isWaiting) putInLine(core, records);
}

/** A person's word, which the door has judged. The same one again waits in one place. */
export function logMaintenance(core: Core, { node, from, until, actor, reason }: Maintenance): void {
  const window = { kind: "maintenance", node, from, until, actor, reason } as const;
  const text = canonicalText(window);
  if (core.leader?.controls.some((control) => canonicalText(control) === text) === false) putInLine(core, window);
}

function putInLine(core: Core, control: Control): void {
  const { leader } = core;
  if (leader === null || 2 * leader.controls.length >= core.config.limits.waitingAdmissionsMax) return;
  leader.controls.push(control);
  trySeal(core);
}

/**
 * A block that followers must refuse would never be committed, and nor would any after it. Its header must be one that they
 * parse; and their log must name the key by which the records were checked, which an admission before them may change.
 */
function isSealable(core: Core, records: AlertRecords): boolean {
  const { leader, log } = core;
  const { node } = records;
  const key = core.members.get(node)?.keys.block;
  const isKeyWaiting = leader?.controls.some((control) => control.kind === "node_admitted" && control.node === node);
  return (
    key !== undefined &&
    log.tail.members.get(node)?.keys.block === key &&
    isKeyWaiting !== true &&
    canonicalBytes(records).length <= ALERT_RECORDS_BYTES_MAX
  );
}
