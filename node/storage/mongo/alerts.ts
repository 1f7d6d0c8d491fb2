import type { Collection, Db, Filter, WriteConcern } from "mongodb";
import pLimit from "p-limit";
import { ALERTS_MAX, alertKey, withoutPlace } from "../alert-key.js";
import { raised } from "../alert-steps.js";
import type { AlertStatus, Range } from "../incident.js";
import { type AlertRecord, type AlertStore, type AlertsWanted, StoreError } from "../port.js";
import type { StateMac } from "../state-mac.js";
import { readError, storeError } from "./errors.js";
import { type AlertDocument, isOutOfTime, newestAlerts } from "./newest-alerts.js";
import { LIMITED } from "./options.js";
import { decoded, RAW } from "./undecoded.js";

type Finding = Parameters<AlertStore["raise"]>[0];

/** Documents of others among the newest alerts that a list looks past: in its first round, and in its last one. */
const OTHERS = 1_000;
const OTHERS_MAX = 64_000;
const OVER: AlertStatus[] = ["ended", "resolved"];
const FILTERS: Readonly<Record<AlertsWanted, Filter<AlertDocument>>> = {
  unresolved: { status: { $nin: OVER } },
  resolved: { status: { $in: OVER } },
  all: {},
};

/** Alerts in the collection `alerts`, one document each, under an HMAC of this node's. */
export class MongoAlertStore implements AlertStore {
  private alerts: Collection<AlertDocument> | null = null;
  private durable: WriteConcern | null = null;
  /** One change at a time: each is made from what was read. */
  private readonly turn = pLimit(1);

  constructor(private readonly macOf: StateMac) {}

  open(db: Db, durable: WriteConcern): void {
    this.alerts = db.collection<AlertDocument>("alerts");
    this.durable = durable;
  }

  close(): void {
    this.alerts = null;
  }

  raise(finding: Finding, at: string): Promise<AlertRecord> {
    return this.changing(async (alerts) => {
      let same = finding;
      let known = await this.find(alerts, alertKey(same));
      if (known === null && (await alerts.estimatedDocumentCount()) >= ALERTS_MAX) {
        same = withoutPlace(finding);
        known = await this.find(alerts, alertKey(same));
      }
      const alert = raised(known, same, at);
      await this.put(alerts, alert);
      return alert;
    });
  }

  save(alert: AlertRecord, found?: readonly Range[]): Promise<void> {
    return this.changing((alerts) => this.put(alerts, alert, found));
  }

  foundHeights(id: string): Promise<readonly Range[] | null> {
    return this.reading(async (alerts) => {
      const document = decoded<AlertDocument>(await alerts.findOne({ _id: id }, RAW));
      return document === null || this.alertOf(document) === null ? null : (document.found ?? null);
    });
  }

  get(id: string): Promise<AlertRecord | null> {
    return this.reading((alerts) => this.find(alerts, id));
  }

  list(limit: number, wanted: AlertsWanted = "unresolved"): Promise<AlertRecord[]> {
    return this.reading(async (alerts) => {
      const most = Math.max(1, limit);
      // Documents that somebody else has put there must not take the places of alerts, nor the server's time.
      for (let others = OTHERS; ; others *= 8) {
        const ours: AlertRecord[] = [];
        let looked = 0;
        for await (const document of newestAlerts(alerts, FILTERS[wanted], most + others)) {
          looked += 1;
          const alert = this.alertIn(document);
          if (alert !== null) ours.push(alert);
          if (ours.length === most) break;
        }
        if (ours.length === most || looked < most + others || others >= OTHERS_MAX) return ours;
      }
    });
  }

  count(wanted: AlertsWanted = "unresolved"): Promise<number> {
    return this.reading(async (alerts) => {
      try {
        return await alerts.countDocuments(FILTERS[wanted], LIMITED);
      } catch (error) {
        // To count large documents the server reads them all; how many there are in all it knows by itself.
        if (wanted === "all" && isOutOfTime(error)) return alerts.estimatedDocumentCount(LIMITED);
        throw error;
      }
    });
  }

  standing(id: string): Promise<"ours" | "absent" | "altered"> {
    return this.reading(async (alerts) => {
      const found = await alerts.findOne({ _id: id }, RAW);
      return found === null ? "absent" : this.alertIn(found) === null ? "altered" : "ours";
    });
  }

  private async find(alerts: Collection<AlertDocument>, id: string): Promise<AlertRecord | null> {
    return this.alertIn(await alerts.findOne({ _id: id }, RAW));
  }

  private async put(alerts: Collection<AlertDocument>, alert: AlertRecord, found?: readonly Range[]): Promise<void> {
    const { durable } = this;
    const { id, ...content } = alert;
    const options = { upsert: true, ...(durable === null ? {} : { writeConcern: durable }) };
    const beside = found === undefined ? {} : { found };
    await alerts.replaceOne({ _id: id }, { ...content, ...beside, mac: this.macOf({ alert, ...beside }) }, options);
  }

  /** In what was read as bytes. Null: nothing was, or somebody else has written it. */
  private alertIn(bytes: unknown): AlertRecord | null {
    const document = decoded<AlertDocument>(bytes);
    return document === null ? null : this.alertOf(document);
  }

  private alertOf({ _id, mac, found, ...content }: AlertDocument): AlertRecord | null {
    const alert = { id: _id, ...content };
    try {
      return mac === this.macOf({ alert, ...(found === undefined ? {} : { found }) }) ? alert : null;
    } catch {
      // What JSON cannot carry is none of ours.
      return null;
    }
  }

  private changing<T>(change: (alerts: Collection<AlertDocument>) => Promise<T>): Promise<T> {
    return this.turn(async () => {
      try {
        return await change(this.opened());
      } catch (error) {
        throw storeError(error, "Writing an alert");
      }
    });
  }

  private async reading<T>(read: (alerts: Collection<AlertDocument>) => Promise<T>): Promise<T> {
    try {
      return await read(this.opened());
    } catch (error) {
      throw readError(error, "Reading the alerts");
    }
  }

  private opened(): Collection<AlertDocument> {
    if (this.alerts === null) throw new StoreError("not_stored", "The store is not open.");
    return this.alerts;
  }
}
