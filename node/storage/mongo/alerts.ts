import type { Collection, Db, WriteConcern } from "mongodb";
import { ALERT_DETAIL_CHARACTERS_MAX, ALERTS_MAX, alertKey, withoutPlace } from "../alert-key.js";
import { type AlertRecord, type AlertStore, StoreError } from "../port.js";
import { isDuplicateKey, readError, storeError } from "./errors.js";

type AlertDocument = { _id: string } & Omit<AlertRecord, "id">;
type Finding = Parameters<AlertStore["raise"]>[0];

const IS_OPEN = { status: { $ne: "ended" } } as const;

/** Alerts in the collection `alerts`, one document each. */
export class MongoAlertStore implements AlertStore {
  private alerts: Collection<AlertDocument> | null = null;
  private durable: WriteConcern | null = null;

  open(db: Db, durable: WriteConcern): void {
    this.alerts = db.collection<AlertDocument>("alerts");
    this.durable = durable;
  }

  close(): void {
    this.alerts = null;
  }

  async raise(finding: Finding, at: string): Promise<AlertRecord> {
    const alerts = this.opened();
    try {
      let key = alertKey(finding);
      if ((await alerts.estimatedDocumentCount()) >= ALERTS_MAX && (await alerts.findOne({ _id: key })) === null) {
        finding = withoutPlace(finding);
        key = alertKey(finding);
      }
      // Two that find the same thing at once may both try to make it; the second then finds it made.
      return await this.upsert(key, finding, at).catch((error: unknown) => {
        if (isDuplicateKey(error)) return this.upsert(key, finding, at);
        throw error;
      });
    } catch (error) {
      throw storeError(error, "Writing an alert");
    }
  }

  async save({ id, ...alert }: AlertRecord): Promise<void> {
    try {
      const { durable } = this;
      const options = { upsert: true, ...(durable === null ? {} : { writeConcern: durable }) };
      await this.opened().replaceOne({ _id: id }, alert, options);
    } catch (error) {
      throw storeError(error, "Writing an alert");
    }
  }

  async get(id: string): Promise<AlertRecord | null> {
    try {
      const found = await this.opened().findOne({ _id: id });
      return found === null ? null : alertOf(found);
    } catch (error) {
      throw readError(error, "Reading an alert");
    }
  }

  async list(limit: number): Promise<AlertRecord[]> {
    try {
      const found = this.opened().find(IS_OPEN).sort({ lastSeenAt: -1, _id: 1 }).limit(Math.max(1, limit));
      return (await found.toArray()).map(alertOf);
    } catch (error) {
      throw readError(error, "Reading the alerts");
    }
  }

  async count(): Promise<number> {
    try {
      return await this.opened().countDocuments(IS_OPEN);
    } catch (error) {
      throw readError(error, "Counting the alerts");
    }
  }

  private async upsert(key: string, finding: Finding, at: string): Promise<AlertRecord> {
    const { detail, ...same } = finding;
    const document = await this.opened().findOneAndUpdate(
      { _id: key },
      {
        $setOnInsert: { ...same, openedAt: at, status: "open" },
        $set: { detail: detail.slice(0, ALERT_DETAIL_CHARACTERS_MAX), lastSeenAt: at },
        $inc: { occurrences: 1 },
      },
      { upsert: true, returnDocument: "after", ...(this.durable === null ? {} : { writeConcern: this.durable }) },
    );
    if (document === null) throw new StoreError("unknown", "The alert was not found after it was written.");
    return alertOf(document);
  }

  private opened(): Collection<AlertDocument> {
    if (this.alerts === null) throw new StoreError("not_stored", "The store is not open.");
    return this.alerts;
  }
}

function alertOf({ _id, ...alert }: AlertDocument): AlertRecord {
  return { id: _id, ...alert };
}
