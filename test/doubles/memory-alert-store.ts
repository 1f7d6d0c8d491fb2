import { ALERT_DETAIL_CHARACTERS_MAX, ALERTS_MAX, alertKey } from "../../node/storage/alert-key.js";
import type { AlertRecord, AlertStore } from "../../node/storage/port.js";
import type { MemoryDatabase } from "./memory-database.js";

type Finding = Parameters<AlertStore["raise"]>[0];

/** Open alerts in memory. */
export class MemoryAlertStore implements AlertStore {
  constructor(private readonly database: MemoryDatabase) {}

  async raise(finding: Finding, at: string): Promise<AlertRecord> {
    const { alerts } = this.database;
    let known = alerts.get(alertKey(finding));
    let same = finding;
    if (known === undefined && alerts.size >= ALERTS_MAX) {
      const { height: _height, sequence: _sequence, ...general } = finding;
      same = general;
      known = alerts.get(alertKey(general));
    }
    const alert: AlertRecord = {
      ...(known ?? { ...same, id: alertKey(same), openedAt: at, status: "open" }),
      detail: finding.detail.slice(0, ALERT_DETAIL_CHARACTERS_MAX),
      lastSeenAt: at,
      occurrences: (known?.occurrences ?? 0) + 1,
    };
    return this.database.write(() => {
      alerts.set(alert.id, alert);
      return alert;
    });
  }

  /** The newest first. */
  async list(limit: number): Promise<AlertRecord[]> {
    const newestFirst = (a: AlertRecord, b: AlertRecord): number =>
      b.lastSeenAt === a.lastSeenAt ? (a.id < b.id ? -1 : 1) : b.lastSeenAt < a.lastSeenAt ? -1 : 1;
    return [...this.database.alerts.values()].sort(newestFirst).slice(0, Math.max(1, limit));
  }
}
