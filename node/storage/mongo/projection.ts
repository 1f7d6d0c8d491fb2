import type { Collection, Db, Filter, WriteConcern } from "mongodb";
import { type Height, height } from "../../../shared/ids.js";
import type { EventView } from "../../../shared/log/event.js";
import { type EventFilter, endsBelow, type KeyHit, type Projection, type ProjectionPage, StoreError } from "../port.js";
import { readError, storeError } from "./errors.js";
import { type EventRow, eventOf, eventRow, ROW_FIELDS } from "./event-row.js";
import type { MongoLink } from "./link.js";
import { firstMissing, insertRows, type OnRefused } from "./rows.js";

/** A batch costs a leader that is busy a wait for its event loop, so fewer are better. */
const BATCH_EVENTS_MAX = 1_000;
/** Payloads, encoded: half of what a command may be. What stands beside a thousand of them is 4 MB at the most. */
const BATCH_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024;
/**
 * How many bytes a payload's character can be in its row, which holds the payload as text and in native types. A CJK
 * character is three in each. What grows most is an array of digits: two characters, "1,", are up to thirteen bytes as
 * BSON, most of them the index, beside the two as text. Measuring each row would take as long as encoding it.
 */
const BYTES_A_CHARACTER_MAX = 8;
/** How far the journaled bookmark may lag: after a crash at most so many rows are counted again. */
const BOOKMARK_EVERY_EVENTS = 10_000;
const FIRST_COLLECTION = "events_1";

/** In the collection `state`: everything below `through` was in the journal when this was written. */
interface Bookmark {
  readonly _id: "projection";
  readonly collection: string;
  readonly through: number;
}

interface Opened {
  readonly link: MongoLink;
  readonly rows: Collection<EventRow>;
  readonly bookmarks: Collection<Bookmark>;
  readonly durable: WriteConcern;
  bookmarked: number;
}

/** The projection in MongoDB, in the collection that the bookmark names. */
export class MongoProjection implements Projection {
  private opened: Opened | null = null;
  private end = 0;
  /** The last write failed: before the next one it is seen whether the rows that were there still are. */
  private isUnsure = false;

  constructor(private readonly onRefused: OnRefused) {}

  get through(): number {
    return this.end;
  }

  /** Makes the indexes, finds how far the rows reach without a hole, and goes on from there. */
  async open(link: MongoLink, durable: WriteConcern): Promise<number> {
    const bookmarks = link.db.collection<Bookmark>("state");
    const bookmark = await bookmarks.findOne({ _id: "projection" });
    const name = bookmark?.collection ?? FIRST_COLLECTION;
    const rows = await rowsIn(link.db, name);
    const from = bookmark?.through ?? 0;
    // A bookmark beyond the rows means that rows below it are gone: then all are counted.
    const isKept = from === 0 || (await rows.findOne({ _id: from - 1 }, { projection: { _id: 1 } })) !== null;
    this.end = await firstMissing(rows, isKept ? from : 0);
    this.opened = { link, rows, bookmarks, durable, bookmarked: from };
    if (bookmark === null || !isKept) await this.bookmark(this.opened, name);
    return this.end;
  }

  async apply(events: readonly EventView[]): Promise<void> {
    const opened = this.alive();
    const fresh = events.filter(({ sequence }) => sequence >= this.end);
    for (const [i, { sequence }] of fresh.entries())
      if (sequence !== this.end + i) throw new RangeError(`event ${sequence} where ${this.end + i} was expected`);
    try {
      for (const batch of batches(fresh.map(eventRow))) {
        if (this.isUnsure) await this.assertNoHole(opened);
        await insertRows(opened.rows, batch, { db: opened.link.db, onRefused: this.onRefused });
        await opened.link.verifyProcess();
        this.end += batch.length;
      }
      if (this.end - opened.bookmarked >= BOOKMARK_EVERY_EVENTS)
        await this.bookmark(opened, opened.rows.collectionName);
    } catch (error) {
      this.isUnsure = true;
      throw storeError(error, "Writing to the projection");
    }
  }

  get(sequence: number): Promise<EventView | null> {
    return this.reading(async ({ rows }) => {
      if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence >= this.end) return null;
      const row = await rows.findOne({ _id: sequence }, { projection: ROW_FIELDS });
      return row === null ? null : eventOf(row);
    });
  }

  list(filter: EventFilter, page: ProjectionPage): Promise<EventView[]> {
    return this.reading(async ({ rows }) => {
      const { through = 0 } = page;
      if (this.end < through) throw endsBelow(through);
      const range = await this.range(rows, filter);
      const low = Math.max(range.low, (page.after ?? -1) + 1);
      const high = Math.min(range.high, page.before ?? range.high);
      if (low >= high || page.limit < 1) return [];
      const found = rows
        .find({ ...fieldsOf(filter), _id: { $gte: low, $lt: high } }, { projection: ROW_FIELDS })
        .sort({ _id: page.order === "asc" ? 1 : -1 })
        .skip(page.skip ?? 0)
        .limit(page.limit);
      return (await found.toArray()).map(eventOf);
    });
  }

  count(filter: EventFilter, cap: number): Promise<{ total: number; isCapped: boolean }> {
    return this.reading(async ({ rows }) => {
      const { low, high } = await this.range(rows, filter);
      const fields = fieldsOf(filter);
      if (low >= high) return { total: 0, isCapped: false };
      if (Object.keys(fields).length === 0) return { total: high - low, isCapped: false };
      const total = await rows.countDocuments({ ...fields, _id: { $gte: low, $lt: high } }, { limit: cap + 1 });
      return { total: Math.min(total, cap), isCapped: total > cap };
    });
  }

  findByKey(sourceAppId: string, idempotencyKey: string): Promise<KeyHit | null> {
    return this.reading(async ({ rows }) => {
      const row = await rows.findOne(
        { sourceAppId, idempotencyKey, _id: { $gte: 0, $lt: this.end } },
        { sort: { _id: 1 }, projection: { id: 1, hash: 1, height: 1 } },
      );
      if (row === null) return null;
      const at: Height = height(row.height);
      return { sequence: row._id, id: row.id, hash: row.hash, height: at };
    });
  }

  /** Writes the bookmark, so that the next start counts nothing again. Never throws. */
  async close(): Promise<void> {
    const { opened } = this;
    this.opened = null;
    if (opened === null) return;
    try {
      await opened.link.verifyProcess();
      await this.bookmark(opened, opened.rows.collectionName);
    } catch {
      // Then the next start counts the rows above the last bookmark.
    }
  }

  /** Closes without another word to the server. */
  drop(): void {
    this.opened = null;
  }

  /**
   * A mongod that crashed may have lost the newest rows while this process lived on. Only a suffix is ever lost, so the
   * newest row speaks for all before it. While one mongod process answers, which is verified after each write, none is.
   */
  private async assertNoHole({ rows }: Opened): Promise<void> {
    const isThere = async (): Promise<boolean> =>
      this.end === 0 || (await rows.findOne({ _id: this.end - 1 }, { projection: { _id: 1 } })) !== null;
    const wasThere = await isThere();
    this.isUnsure = false;
    if (wasThere) return;
    this.end = await firstMissing(rows, 0);
    throw new StoreError("unknown", `The projection has lost its newest rows; it holds all events below ${this.end}.`);
  }

  private async bookmark(opened: Opened, collection: string): Promise<void> {
    const through = this.end;
    await opened.bookmarks.updateOne(
      { _id: "projection" },
      { $set: { collection, through } },
      { upsert: true, writeConcern: opened.durable },
    );
    opened.bookmarked = through;
  }

  /** Sequences that a filter leaves: `recordedAt` never decreases with the sequence, so its bounds are searched. */
  private async range(rows: Collection<EventRow>, filter: EventFilter): Promise<{ low: number; high: number }> {
    const end = this.end;
    const { recordedSince, recordedUntil } = filter;
    const low = recordedSince === undefined ? 0 : await firstRecordedAt(rows, recordedSince, end);
    const high = recordedUntil === undefined ? end : await firstRecordedAt(rows, recordedUntil, end);
    return { low, high };
  }

  private async reading<T>(operation: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = this.alive();
    try {
      const result = await operation(opened);
      await opened.link.verifyProcess();
      return result;
    } catch (error) {
      throw readError(error, "Reading the projection");
    }
  }

  private alive(): Opened {
    if (this.opened === null) throw new StoreError("not_stored", "The store is not open.");
    this.opened.link.assertAlive();
    return this.opened;
  }
}

async function rowsIn(db: Db, name: string): Promise<Collection<EventRow>> {
  const rows = db.collection<EventRow>(name);
  // On a collection that lost an index the build may outlast the connection: it goes on in the server, and the next
  // `open` finds it done.
  await rows.createIndexes([
    { key: { eventType: 1, _id: 1 } },
    { key: { sourceAppId: 1, _id: 1 } },
    { key: { twin: 1, _id: 1 } },
    { key: { sourceAppId: 1, idempotencyKey: 1 }, partialFilterExpression: { idempotencyKey: { $exists: true } } },
  ]);
  return rows;
}

/** A row that is larger than a batch may be is one by itself. */
function* batches(rows: readonly EventRow[]): Generator<EventRow[]> {
  let batch: EventRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const rowBytes = row.payload.length * BYTES_A_CHARACTER_MAX;
    if (batch.length === BATCH_EVENTS_MAX || (batch.length > 0 && bytes + rowBytes > BATCH_PAYLOAD_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += rowBytes;
  }
  if (batch.length > 0) yield batch;
}

function fieldsOf(filter: EventFilter): Filter<EventRow> {
  const { eventType, sourceAppId, timestampFrom, timestampTo } = filter;
  const twin = {
    ...(timestampFrom === undefined ? {} : { $gte: dateOf(timestampFrom) }),
    ...(timestampTo === undefined ? {} : { $lte: dateOf(timestampTo) }),
  };
  return {
    ...(eventType === undefined ? {} : { eventType: { $eq: eventType } }),
    ...(sourceAppId === undefined ? {} : { sourceAppId: { $eq: sourceAppId } }),
    ...(Object.keys(twin).length === 0 ? {} : { twin }),
  };
}

/** The widest that a Date can be; a bound beyond it means the same as the bound. */
const DATE_MAX_MS = 8.64e15;
const dateOf = (millis: number): Date => new Date(Math.max(-DATE_MAX_MS, Math.min(DATE_MAX_MS, millis)));

/** The first sequence whose `recordedAt` is at or after `bound`; `end` if none is. */
async function firstRecordedAt(rows: Collection<EventRow>, bound: string, end: number): Promise<number> {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = await rows.findOne({ _id: middle }, { projection: { recordedAt: 1 } });
    if (row === null) throw new StoreError("not_stored", `Event ${middle} is missing in the projection.`);
    if (row.recordedAt < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
