import { createHash, randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  type AnyBulkWriteOperation,
  type BSON,
  type Collection,
  type Db,
  type Filter,
  MongoError,
  MongoServerError,
  type WriteConcern,
} from "mongodb";
import type { Height } from "../../../shared/ids.js";
import { differingEntry, entryDiffers, entryOf } from "../entries.js";
import {
  type DifferingEntry,
  type IndexStanding,
  indexLost,
  LEFT_BEHIND_BLOCKS,
  type LogStore,
  type PutOptions,
  type StoredEntry,
  StoreError,
} from "../port.js";
import type { StateMac } from "../state-mac.js";
import type { StoredDocument } from "./documents.js";
import { entriesOf, entryDocument, type FoundDocument, storedEntry, TERMS_INDEX } from "./entries.js";
import { entriesBetween, entryId, heightOf, MARKER_ID } from "./entry-ids.js";
import { isDuplicateKey } from "./errors.js";
import { keepEntry } from "./quarantine.js";
import { makeIndexes } from "./server-indexes.js";
import { type Alerts, NAME, namedSo, type QuarantinedDocument, REDUCED_EVERY_MS, reduceOld } from "./truncation.js";
import { decoded, decodedOrBytes, orEachAlone, RAW } from "./undecoded.js";

/**
 * A term of no value: the marker has it while the index is whole. It stands where the terms stand, so that one look-up
 * sees both, and neither an index whose entries were deleted nor one that the server lost passes for a whole one.
 */
export const MARKER = createHash("sha256").update("quorumlog/index/whole/v1\n").digest().readBigInt64BE();
/** So many entries are listed and deleted in one round. */
const ROUND_ENTRIES_MAX = 1_000;

const INDEXES = [TERMS_INDEX];
/** As the collection of entries is read. */
const WIDE = { useBigInt64: true } as const;

/** The index's own account of itself. */
interface MarkerDocument {
  readonly terms: readonly bigint[];
  readonly paths: readonly string[];
  /** Names the work that may say that it is whole: no other one can, however late it arrives. */
  readonly work?: string;
}

/** Makes what look-ups need. On a large collection it may take longer than a command may: it goes on in the server. */
export const createIndexes = (db: Db): Promise<void> => makeIndexes(entriesOf(db), INDEXES);

/** What is done to entries beside the inserts of blocks: at an opening, and when they are made anew. */
export class IndexWorks {
  private readonly entries: Collection<FoundDocument>;
  /** The work that was begun in this opening; of one that makes all entries anew, the id of the oldest that it has put. */
  private work: { readonly name: string; readonly isLost: boolean; oldest: number | null } | null = null;
  private reducedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly db: Db,
    private readonly from: {
      readonly blocks: Collection<StoredDocument>;
      readonly quarantine: Collection<QuarantinedDocument>;
      readonly alerts: Alerts;
      readonly durable: WriteConcern;
      readonly stateMac: StateMac;
    },
  ) {
    this.entries = entriesOf(db);
  }

  /**
   * Before anything is inserted: entries above the tail go, and so do those near it that another insert than the block's
   * has left. The index of a log without blocks is whole. `proveOurs` is called between what is listed and what is done:
   * whoever is paused in here and has lost the database meanwhile deletes nothing that its successor has stored.
   * A journaled write has to follow.
   */
  async tidy(tail: Height, proveOurs: () => Promise<void>): Promise<void> {
    for (;;) {
      const above = await this.entries
        .find({ _id: entriesBetween(tail + 1) }, { projection: NAME })
        .limit(ROUND_ENTRIES_MAX)
        .toArray();
      if (above.length === 0) break;
      await proveOurs();
      await this.deleteNamed(above);
    }
    const strays = await this.strays(tail);
    const marker = tail > 0 ? null : await this.marker({ _id: MARKER_ID });
    const isNew = tail === 0 && !isWhole(marker);
    if (strays.length === 0 && !isNew) return;
    await proveOurs();
    for (const { _id } of strays) {
      const stray = await this.entries.findOne({ _id }, RAW);
      if (stray !== null) await this.keep([decodedOrBytes<FoundDocument>(stray, _id, WIDE)]);
    }
    await this.deleteNamed(strays);
    if (!isNew) return;
    await createIndexes(this.db);
    if (marker === null) await this.insertFirst({ terms: [MARKER], paths: [] });
    else {
      const filter = { _id: MARKER_ID, work: { $eq: marker.work ?? null } };
      await this.entries.updateOne(filter, { $set: { terms: [MARKER] }, $unset: { work: 1 } });
    }
  }

  /** No insert has the name of another: what stands there since stays. */
  private async deleteNamed(named: readonly FoundDocument[]): Promise<void> {
    const ids = named.map(({ _id }) => _id);
    const writeIds = named.flatMap(({ writeId }) => writeId ?? []);
    await this.entries.deleteMany({ _id: { $in: ids }, $or: [{ writeId: { $in: writeIds } }, namedSo(null)] });
  }

  private async strays(tail: Height): Promise<FoundDocument[]> {
    const from = Math.max(0, tail - LEFT_BEHIND_BLOCKS) + 1;
    const found = await this.entries.find({ _id: entriesBetween(from, tail) }, { projection: NAME }).toArray();
    const named = await this.from.blocks.find({ _id: { $gte: from, $lte: tail } }, { projection: NAME }).toArray();
    const writeIds = new Map(named.map(({ _id, writeId }) => [entryId(_id), writeId]));
    return found.filter(({ _id, writeId }) => writeId !== writeIds.get(_id));
  }

  private async insertFirst(marker: MarkerDocument): Promise<void> {
    try {
      await this.entries.insertOne({ _id: MARKER_ID, ...marker });
    } catch (error) {
      // A successor was faster.
      if (!isDuplicateKey(error)) throw error;
    }
  }

  /** Null: it is not whole, or the server could not look anything up in it. */
  async standing(): Promise<IndexStanding | null> {
    if (!(await this.hasIndexes())) return null;
    const marker = await this.marker({ _id: MARKER_ID, terms: MARKER });
    if (marker === null || !isWhole(marker)) return null;
    const paths: unknown = marker.paths;
    return { paths: Array.isArray(paths) ? paths.filter((path) => typeof path === "string") : [] };
  }

  async begin(isLost: boolean, onTaken: () => void): Promise<void> {
    const name = workName(this.from.stateMac);
    if (isLost) {
      if (isTaken(await this.marker({ _id: MARKER_ID }))) onTaken();
      await this.putMarker({ terms: [], paths: [], work: name });
    } else {
      const { matchedCount } = await this.entries.updateOne(
        { _id: MARKER_ID, terms: MARKER },
        { $set: { work: name } },
      );
      if (matchedCount === 0) throw indexLost();
    }
    this.work = { name, isLost, oldest: null };
  }

  async put(due: Parameters<LogStore["putEntries"]>[0], options: PutOptions): Promise<Height[]> {
    const { work } = this;
    if (work === null) throw noWork();
    const { blocks, durable } = this.from;
    const heights = due.map(({ block }) => block.header.height);
    const stored = await blocks.find({ _id: { $in: heights } }, { projection: { blockHash: 1, writeId: 1 } }).toArray();
    const places = { _id: { $in: heights.map(entryId) } };
    const found = await orEachAlone(this.entries, () => this.entries.find(places).toArray(), places, {}, NAME);
    const there = new Map(found.map((document) => [Number(document._id), document]));
    const names = new Map(stored.map((block) => [block._id, block]));
    const differing: FoundDocument[] = [];
    const told: Omit<DifferingEntry, "kept">[] = [];
    const missing: DifferingEntry[] = [];
    const misplaced: FoundDocument[] = [];
    const writes: AnyBulkWriteOperation<FoundDocument>[] = [];
    for (const { block, entry } of due) {
      const at = block.header.height;
      const _id = entryId(at);
      const name = names.get(at);
      if (name?.blockHash !== block.blockHash) throw changed(at);
      if (entry === null) {
        const stray = there.get(_id);
        if (stray !== undefined) misplaced.push(stray);
        continue;
      }
      if (work.isLost) work.oldest = Math.max(work.oldest ?? _id, _id);
      const fresh = entryOf(block, entry);
      const writeId = typeof name.writeId === "string" ? name.writeId : "";
      const document = entryDocument(fresh, entry, writeId) as unknown as FoundDocument;
      const one = there.get(_id);
      if (one === undefined) {
        writes.push({ insertOne: { document } });
        if (at <= (options.noneMissingThrough ?? 0))
          missing.push({ ...differingEntry(block, undefined, { ...options, due: fresh }), kept: null });
      } else {
        const before: StoredEntry = storedEntry(one);
        if (entryDiffers(before, fresh, options)) {
          differing.push(one);
          told.push(differingEntry(block, before, { ...options, due: fresh }));
        } else if (one.writeId === writeId && !entryDiffers(before, fresh, { ownMayDiffer: false })) continue;
        // A replacement that arrives late must not hit the entry of a block that has been stored there since.
        const filter = { _id, ...namedSo(one.writeId) };
        writes.push({ replaceOne: { filter, replacement: document } });
      }
    }
    const kept = await this.keep([...differing, ...misplaced]);
    const all = [...told.map((one, i) => ({ ...one, kept: kept[i] ?? null })), ...missing];
    if (all.length > 0) options.onDiffering?.(all);
    for (const { _id, writeId } of misplaced)
      await this.entries.deleteOne({ _id, ...namedSo(writeId) }, { writeConcern: durable });
    if (writes.length > 0) await this.write(writes, durable);
    return differing.map(heightOf);
  }

  async end({ paths }: IndexStanding): Promise<void> {
    const { work } = this;
    if (work === null) throw noWork();
    this.work = null;
    // A delete of all entries that goes on beside this work takes from the newest to the oldest: what was made anew as well.
    const { oldest } = work;
    if (oldest !== null && (await this.entries.findOne({ _id: oldest }, { projection: { _id: 1 } })) === null)
      throw indexLost();
    const whole = { $set: { terms: [MARKER], paths }, $unset: { work: 1 } };
    const { matchedCount } = await this.entries.updateOne({ _id: MARKER_ID, work: work.name }, whole);
    if (matchedCount === 0) throw indexLost();
  }

  private async write(writes: AnyBulkWriteOperation<FoundDocument>[], writeConcern: WriteConcern): Promise<void> {
    try {
      const { insertedCount, matchedCount } = await this.entries.bulkWrite(writes, { ordered: false, writeConcern });
      if (insertedCount + matchedCount !== writes.length) throw changed(null);
    } catch (error) {
      throw isDuplicateKey(error) ? changed(null) : error;
    }
  }

  /**
   * Copies to quarantine. It need not wait for the journal: what is written after it does. Whoever alters a database may keep
   * it from taking the evidence too: the index is mended all the same. Answers with the names that they have there.
   */
  private async keep(documents: readonly FoundDocument[]): Promise<(string | null)[]> {
    const names: (string | null)[] = [];
    for (const one of documents) names.push(await keepEntry(this.from.quarantine, one).catch(unlessRefused));
    // To look through all of it for each part of thousands would take longer than the rest.
    if (documents.length > 0 && performance.now() - this.reducedAt >= REDUCED_EVERY_MS) {
      this.reducedAt = performance.now();
      await reduceOld(this.from.quarantine, this.from.alerts).catch(unlessRefused);
    }
    return names;
  }

  /** One that cannot be decoded says nothing, and is not whole. */
  private async marker(there: Filter<FoundDocument>): Promise<FoundDocument | null> {
    const found = await this.entries.findOne(there, { ...RAW, projection: { terms: 1, paths: 1, work: 1 } });
    return found && (decoded<FoundDocument>(found, WIDE) ?? { _id: MARKER_ID });
  }

  private async putMarker(marker: MarkerDocument): Promise<void> {
    await this.entries.replaceOne({ _id: MARKER_ID }, marker, { upsert: true });
  }

  private async hasIndexes(): Promise<boolean> {
    const found = await this.entries.listIndexes().toArray();
    return INDEXES.every((index) => found.some((one) => isSame(one, index)));
  }
}

/** One of the same name may be of other fields, or leave entries out. */
const isSame = (found: BSON.Document, { name, key, partialFilterExpression }: (typeof INDEXES)[number]): boolean =>
  found.name === name &&
  Object.keys(found.key).join() === Object.keys(key).join() &&
  isDeepStrictEqual(found.partialFilterExpression, partialFilterExpression);

/** Read with bigint, which the marker is. */
const isWhole = (marker: FoundDocument | null): boolean =>
  Array.isArray(marker?.terms) && marker.terms.includes(MARKER);

/** Nothing of a node's own leaves it so: it deletes no marker, and what it writes where the index is not whole names a work. */
const isTaken = (marker: FoundDocument | null): boolean =>
  !isWhole(marker) && typeof (marker as Partial<MarkerDocument> | null)?.work !== "string";

/** By the server, or as what cannot be written: everything else may go another way later. */
function unlessRefused(error: unknown): null {
  if (error instanceof MongoError && !(error instanceof MongoServerError)) throw error;
  return null;
}

const WORK_BYTES = 12;
/** By its name this node knows that a work was its own, whichever of its processes began it, however late it arrives. */
const workName = (macOf: StateMac, name = randomBytes(WORK_BYTES).toString("hex")): string =>
  `${name}-${macOf({ indexWork: name })}`;
export const isOwnWork = (work: unknown, macOf: StateMac): boolean =>
  typeof work === "string" && work === workName(macOf, work.slice(0, 2 * WORK_BYTES));

const noWork = (): StoreError => new StoreError("not_stored", "No work on the index was begun.");
const changed = (at: number | null): StoreError =>
  new StoreError("conflict", `The log changed while entries were made${at === null ? "" : ` at height ${at}`}.`);
