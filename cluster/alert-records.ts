import type { AlertRecords } from "../shared/log/control.js";
import type { Core } from "./core.js";
import { trySeal } from "./sealing.js";

/** Steps of a node's alerts are control records like admissions, which they must not keep out: half of the places are theirs. */
export function logAlerts(core: Core, records: AlertRecords): void {
  const { leader } = core;
  if (leader === null) return;
  const isWaiting = leader.controls.some(
    (control) => control.kind === "alert_records" && control.node === records.node,
  );
  if (isWaiting || 2 * leader.controls.length >= core.config.limits.waitingAdmissionsMax) return;
  leader.controls.push(records);
  trySeal(core);
}
