import { ALERT_DETAIL_CHARACTERS_MAX, ALERTS_MAX, alertKey, withoutPlace } from "../../node/storage/alert-key.js";
import type { AlertRecord, AlertStore } from "../../node/storage/port.js";
import type { MemoryDatabase } from "./memory-database.js";

type Finding = Parameters<AlertStore["raise"]>[0];

/** Alerts in memory. */
export class MemoryAlertStore implements AlertStore {
  constructor(private readonly database: MemoryDatabase) {}

  private get open(): AlertRecord[] {
    return [...this.database.alerts.values()].filter(({ status }) => status !== "ended");
  }

  async raise(finding: Finding, at: string): Promise<AlertRecord> {
    const { alerts } = this.database;
    let known = alerts.get(alertKey(finding));
    let same = finding;
    if (known === undefined && alerts.size >= ALERTS_MAX) {
      same = withoutPlace(finding);
      known = alerts.get(alertKey(same));
    }
    const alert: AlertRecord = {
      ...(known ?? { ...same, id: alertKey(same), openedAt: at, status: "open" }),
      detail: same.detail.slice(0, ALERT_DETAIL_CHARACTERS_MAX),
      lastSeenAt: at,
      occurrences: (known?.occurrences ?? 0) + 1,
    };
    return this.database.write(() => {
      alerts.set(alert.id, alert);
      return alert;
    });
  }

  async save(alert: AlertRecord): Promise<void> {
    await this.database.write(() => this.database.alerts.set(alert.id, alert));
  }

  async get(id: string): Promise<AlertRecord | null> {
    return this.database.alerts.get(id) ?? null;
  }

  async count(): Promise<number> {
    return this.open.length;
  }

  async list(limit: number): Promise<AlertRecord[]> {
    const newestFirst = (a: AlertRecord, b: AlertRecord): number =>
      b.lastSeenAt === a.lastSeenAt ? (a.id < b.id ? -1 : 1) : b.lastSeenAt < a.lastSeenAt ? -1 : 1;
    return this.open.sort(newestFirst).slice(0, Math.max(1, limit));
  }
}
