import { ALERTS_MAX, alertKey, withoutPlace } from "../../node/storage/alert-key.js";
import { isOver, raised } from "../../node/storage/alert-steps.js";
import type { Range } from "../../node/storage/incident.js";
import type { AlertRecord, AlertStore, AlertsWanted } from "../../node/storage/port.js";
import { canonicalText } from "../../shared/canonical.js";
import type { MemoryDatabase } from "./memory-database.js";

type Finding = Parameters<AlertStore["raise"]>[0];

/** Alerts in memory. */
export class MemoryAlertStore implements AlertStore {
  constructor(private readonly database: MemoryDatabase) {}

  private of(wanted: AlertsWanted): AlertRecord[] {
    const all = [...this.database.alerts.values()];
    return wanted === "all" ? all : all.filter((alert) => isOver(alert) === (wanted === "resolved"));
  }

  async raise(finding: Finding, at: string): Promise<AlertRecord> {
    const { alerts } = this.database;
    let known = alerts.get(alertKey(finding));
    let same = finding;
    if (known === undefined && alerts.size >= ALERTS_MAX) {
      same = withoutPlace(finding);
      known = alerts.get(alertKey(same));
    }
    const alert = raised(known ?? null, same, at);
    return this.database.write(() => {
      alerts.set(alert.id, alert);
      return alert;
    });
  }

  async save(alert: AlertRecord, found?: readonly Range[]): Promise<void> {
    // As the real one: what its HMAC cannot be made of is not stored.
    canonicalText(alert);
    await this.database.write(() => {
      this.database.alerts.set(alert.id, alert);
      if (found === undefined) this.database.foundHeights.delete(alert.id);
      else this.database.foundHeights.set(alert.id, found);
    });
  }

  async foundHeights(id: string): Promise<readonly Range[] | null> {
    return this.database.foundHeights.get(id) ?? null;
  }

  async get(id: string): Promise<AlertRecord | null> {
    return this.database.alerts.get(id) ?? null;
  }

  async standing(id: string): Promise<"ours" | "absent" | "altered"> {
    return this.database.alerts.has(id) ? "ours" : "absent";
  }

  async count(wanted: AlertsWanted = "unresolved"): Promise<number> {
    return this.of(wanted).length;
  }

  async list(limit: number, wanted: AlertsWanted = "unresolved"): Promise<AlertRecord[]> {
    const newestFirst = (a: AlertRecord, b: AlertRecord): number =>
      b.lastSeenAt === a.lastSeenAt ? (a.id < b.id ? -1 : 1) : b.lastSeenAt < a.lastSeenAt ? -1 : 1;
    return this.of(wanted).sort(newestFirst).slice(0, Math.max(1, limit));
  }
}
