import { Binary, BSON, type Collection, type Db, type FindCursor, MaxKey, MinKey } from "mongodb";
import type { JsonObject } from "../../../shared/canonical.js";
import type { HashHex, Height } from "../../../shared/ids.js";
import { textOfAny } from "../carried.js";
import type {
  FoundBlock,
  FoundIndexEntry,
  IndexAccount,
  IntegrityStore,
  KeptDocument,
  KeptEntry,
  KeptHeader,
  Stranger,
  ToldControl,
} from "../integrity-port.js";
import { NEWEST_HEIGHTS, StoreError } from "../port.js";
import type { StateMac } from "../state-mac.js";
import { MongoAnchors } from "./anchors.js";
import { readControlHeights } from "./blocks.js";
import { watchChanges } from "./changes.js";
import { READ_BATCH_BLOCKS, type StoredDocument, storedBlock, storedBytes } from "./documents.js";
import { entriesOf, type FoundDocument, storedEntry } from "./entries.js";
import { entriesBetween, entryId, inOrder, MARKER_ID } from "./entry-ids.js";
import { isOwnWork, MARKER } from "./index-work.js";
import { copyToQuarantine, keepEntry, keepPlanted, keepSigned } from "./quarantine.js";
import type { ReadLink } from "./read-link.js";
import { MongoState } from "./state.js";
import { type QuarantinedDocument, REDUCED_EVERY_MS, reduceOld } from "./truncation.js";
import { ALONE_MAX, decoded, decodedOrBytes, orEachAlone, RAW } from "./undecoded.js";

const STRANGERS_MAX = 16;
/** A planted document stays where it is until somebody has it taken out, and is kept whole then. */
const PLANTED_BYTES_MAX = 1024 * 1024;
/** Stands for an id that nothing decodes. */
const UNDECODED = "(it cannot be decoded)";
const BY_ID = { _id: 1 } as const;

type Blocks = Collection<StoredDocument>;

/** What watch and scrub look at. */
export class MongoIntegrity implements IntegrityStore {
  private reducedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly link: ReadLink,
    private readonly macOf: StateMac,
  ) {}

  blocksAt(heights: readonly Height[]): Promise<FoundBlock[]> {
    return this.reading(async (db) => {
      const there = { _id: { $in: [...heights] } };
      const read = (): Promise<StoredDocument[]> =>
        blocksOf(db).find(there, { hint: BY_ID, sort: BY_ID }).batchSize(READ_BATCH_BLOCKS).toArray();
      return (await orEachAlone(blocksOf(db), read, there)).map(foundBlock);
    });
  }

  blocksFrom(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<FoundBlock[]> {
    return this.reading(async (db) => {
      const there = { _id: { $gte: Math.max(1, from) } };
      const blocksMax = Math.max(1, limit.blocksMax);
      const read = async (): Promise<StoredDocument[]> => {
        const cursor = blocksOf(db).find(there, { hint: BY_ID, sort: BY_ID }).limit(blocksMax);
        const found: StoredDocument[] = [];
        let bytes = 0;
        for await (const document of cursor.batchSize(READ_BATCH_BLOCKS)) {
          bytes += storedBytes(document);
          if (found.length > 0 && bytes > limit.bytesMax) break;
          found.push(document);
        }
        return found;
      };
      return (await orEachAlone(blocksOf(db), read, there, { limit: Math.min(blocksMax, ALONE_MAX) })).map(foundBlock);
    });
  }

  entriesBetween(from: Height, through: Height): Promise<FoundIndexEntry[]> {
    return this.reading(async (db) => {
      const there = { _id: entriesBetween(from, through) };
      const read = (): Promise<FoundDocument[]> =>
        entriesOf(db)
          .find(there, { hint: BY_ID, sort: inOrder("asc") })
          .toArray();
      return (await orEachAlone(entriesOf(db), read, there)).map((document) => ({
        ...storedEntry(document),
        at: 0 - Number(document._id),
      }));
    });
  }

  strangers(above: Height): Promise<Stranger[]> {
    return this.reading(async (db) => {
      // Whatever somebody has taken for an id.
      const blocks = db.collection("blocks");
      const options = { hint: BY_ID, limit: STRANGERS_MAX };
      const idsOnly = { ...options, ...RAW, projection: BY_ID };
      const higher = { _id: { $gt: above } };
      const idsOf = async (found: FindCursor): Promise<BSON.Document[]> =>
        (await found.toArray()).map((bytes) => decoded<BSON.Document>(bytes) ?? { _id: UNDECODED });
      const found = await Promise.all([
        orEachAlone(blocksOf(db), () => blocksOf(db).find(higher, options).toArray(), higher, { limit: STRANGERS_MAX }),
        // An entry is there before its block: what is near the end may be one's on its way.
        idsOf(blocks.find({ _id: { $lt: 0 - above - NEWEST_HEIGHTS, $ne: MARKER_ID } } as never, idsOnly)),
        // In the order of ids all numbers stand together: what is before the first and behind the last one has another type.
        idsOf(blocks.find({}, { ...idsOnly, min: { _id: new MinKey() }, max: { _id: Number.NEGATIVE_INFINITY } })),
        idsOf(blocks.find({}, { ...idsOnly, min: { _id: "" }, max: { _id: new MaxKey() } })),
      ]);
      return found.flat().map((document: BSON.Document) => ({
        id: textOfAny(document._id),
        rawId: document._id,
        block: Number.isSafeInteger(document._id) && document._id > 0 ? foundBlock(document as StoredDocument) : null,
      }));
    });
  }

  keep(id: number): Promise<string | null> {
    return this.keeping(async (db, into) => {
      // As it stands: a number that is read as another type would be another document.
      const found = await blocksOf(db).findOne({ _id: id }, RAW);
      if (found === null) return null;
      const bytes = { _id: id, document: { bson: new Binary(found as unknown as Uint8Array) } };
      return copyToQuarantine(into, decoded<StoredDocument>(found, { promoteLongs: false }) ?? bytes);
    });
  }

  keepEntry(at: Height): Promise<KeptEntry | null> {
    return this.keeping(async (db, into) => {
      const _id = entryId(at);
      const found = await entriesOf(db).findOne({ _id }, RAW);
      if (found === null) return null;
      // As it is read where it is made anew: so the same is kept once.
      const document = decodedOrBytes<FoundDocument>(found, _id, { useBigInt64: true });
      return { name: await keepEntry(into, document), entry: storedEntry(document) };
    });
  }

  keepPlanted(id: unknown): Promise<string | null> {
    return this.keeping(async (db, into) => {
      const there = { _id: { $eq: id } as never };
      const found = await db.collection("blocks").findOne(there, RAW);
      return found && keepPlanted(into, id, { found, bytesMax: PLANTED_BYTES_MAX });
    });
  }

  keepHeaders(headers: readonly KeptHeader[]): Promise<string> {
    return this.reading((db) => keepSigned(db.collection<QuarantinedDocument>("quarantine"), headers));
  }

  kept(names: readonly string[]): Promise<KeptDocument[]> {
    return this.reading(async (db) => {
      const from = db.collection<QuarantinedDocument>("quarantine");
      const there = { _id: { $in: [...names] } };
      const read = (): Promise<QuarantinedDocument[]> =>
        from
          .find(there, { sort: { quarantinedAt: 1, _id: 1 }, ...AS_STORED })
          .batchSize(READ_BATCH_BLOCKS)
          .toArray();
      return (await orEachAlone(from, read, there, AS_STORED)).map(keptDocument);
    });
  }

  stateFault(): Promise<string | null> {
    return this.reading(async (db) => {
      const state = new MongoState(db.collection("state"), {}, this.macOf);
      const read = await state.read().catch((error: unknown) => {
        if (error instanceof StoreError && error.failure === "unfit") return error;
        throw error;
      });
      if (read instanceof StoreError) return read.message;
      if (read === null) return "the document of this node's state is gone";
      return state.fault;
    });
  }

  indexAccount(): Promise<IndexAccount> {
    return this.reading(async (db) => {
      const marker = { _id: MARKER_ID };
      const isWhole = await entriesOf(db).findOne({ ...marker, terms: MARKER }, { projection: BY_ID });
      if (isWhole !== null) return "whole";
      const found = await entriesOf(db).findOne(
        { ...marker, terms: { $size: 0 } },
        { ...RAW, projection: { work: 1 } },
      );
      return isOwnWork(decoded<FoundDocument>(found)?.work, this.macOf) ? "own work" : "other";
    });
  }

  anchorStanding(page: number, clusterId: HashHex): Promise<"ours" | "absent" | "altered"> {
    return this.reading(async (db) => {
      const pages = db.collection<{ _id: number }>("anchors");
      if ((await pages.findOne({ _id: page }, { projection: BY_ID })) === null) return "absent";
      return (await new MongoAnchors(pages, {}, this.macOf).read(page, clusterId)) === null ? "altered" : "ours";
    });
  }

  controlHeights(kind: ToldControl, through: Height, countMax: number): Promise<Height[]> {
    return this.reading((db) => readControlHeights(blocksOf(db), kind, through, countMax));
  }

  changes(from: string | null) {
    return this.reading((db) => watchChanges(db, from));
  }

  private keeping<T>(keep: (db: Db, into: Collection<QuarantinedDocument>) => Promise<T>): Promise<T> {
    return this.reading(async (db) => {
      const into = db.collection<QuarantinedDocument>("quarantine");
      const kept = await keep(db, into);
      // To look through all of it for each of thousands would take longer than the rest.
      if (kept === null || performance.now() - this.reducedAt < REDUCED_EVERY_MS) return kept;
      this.reducedAt = performance.now();
      await reduceOld(into, db.collection("alerts"));
      return kept;
    });
  }

  private reading<T>(operation: (db: Db) => Promise<T>): Promise<T> {
    return this.link.reading("Looking for alterations", operation);
  }
}

/** Each value with its own type. */
const AS_STORED = { promoteValues: false, promoteLongs: false, promoteBuffers: false } as const;

function keptDocument(document: BSON.Document): KeptDocument {
  const { _id, height, hasBody, quarantinedAt } = document;
  const at = Number(height);
  return {
    id: textOfAny(_id),
    height: Number.isSafeInteger(at) ? at : null,
    keptAt: isoOf(quarantinedAt),
    isWhole: hasBody === true,
    document: asJson(document),
  };
}

/** What says of itself that it is a type of BSON's, and is none, has no JSON. */
function asJson(document: BSON.Document): JsonObject {
  try {
    return BSON.EJSON.serialize(document, { relaxed: false }) as JsonObject;
  } catch {
    return { unreadable: true };
  }
}

/** A date in BSON may be one that no `Date` can be. */
const isoOf = (at: unknown): string =>
  new Date(at instanceof Date && !Number.isNaN(at.getTime()) ? at.getTime() : 0).toISOString();

const blocksOf = (db: Db): Blocks => db.collection<StoredDocument>("blocks");

const foundBlock = (document: StoredDocument): FoundBlock => ({
  ...storedBlock(document),
  at: document._id,
  rawHeader: document.header,
});
