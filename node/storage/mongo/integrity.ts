import { BSON, type Collection, type Db, MaxKey, MinKey } from "mongodb";
import type { JsonObject } from "../../../shared/canonical.js";
import type { HashHex, Height } from "../../../shared/ids.js";
import type { FoundBlock, IntegrityStore, KeptDocument, Stranger } from "../integrity-port.js";
import { type StoredEntry, StoreError } from "../port.js";
import type { StateMac } from "../state-mac.js";
import { MongoAnchors } from "./anchors.js";
import { readAlertHeights } from "./blocks.js";
import { watchChanges } from "./changes.js";
import { READ_BATCH_BLOCKS, type StoredDocument, storedBlock, storedBytes } from "./documents.js";
import { entriesOf, type FoundDocument, storedEntry } from "./entries.js";
import { entriesBetween, inOrder, MARKER_ID } from "./entry-ids.js";
import { MARKER } from "./index-work.js";
import { copyToQuarantine } from "./quarantine.js";
import type { ReadLink } from "./read-link.js";
import { MongoState } from "./state.js";
import { type QuarantinedDocument, reduceOld } from "./truncation.js";

const STRANGERS_MAX = 16;
const REDUCED_EVERY_MS = 2_000;
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
      const found = blocksOf(db).find({ _id: { $in: [...heights] } }, { hint: BY_ID, sort: BY_ID });
      return (await found.batchSize(READ_BATCH_BLOCKS).toArray()).map(foundBlock);
    });
  }

  blocksFrom(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<FoundBlock[]> {
    return this.reading(async (db) => {
      const cursor = blocksOf(db)
        .find({ _id: { $gte: Math.max(1, from) } }, { hint: BY_ID, sort: BY_ID })
        .limit(Math.max(1, limit.blocksMax))
        .batchSize(READ_BATCH_BLOCKS);
      const found: FoundBlock[] = [];
      let bytes = 0;
      for await (const document of cursor) {
        bytes += storedBytes(document);
        if (found.length > 0 && bytes > limit.bytesMax) break;
        found.push(foundBlock(document));
      }
      return found;
    });
  }

  entriesBetween(from: Height, through: Height): Promise<StoredEntry[]> {
    return this.reading(async (db) => {
      const found = entriesOf(db).find({ _id: entriesBetween(from, through) }, { hint: BY_ID, sort: inOrder("asc") });
      return (await found.toArray()).map((document: FoundDocument) => storedEntry(document));
    });
  }

  strangers(above: Height): Promise<Stranger[]> {
    return this.reading(async (db) => {
      // Whatever somebody has taken for an id.
      const blocks = db.collection("blocks");
      const options = { hint: BY_ID, limit: STRANGERS_MAX };
      const found = await Promise.all([
        blocksOf(db)
          .find({ _id: { $gt: above } }, options)
          .toArray(),
        // In the order of ids all numbers stand together: what is before the first and behind the last one has another type.
        blocks.find({}, { ...options, min: { _id: new MinKey() }, max: { _id: Number.NEGATIVE_INFINITY } }).toArray(),
        blocks.find({}, { ...options, min: { _id: "" }, max: { _id: new MaxKey() } }).toArray(),
      ]);
      return found.flat().map((document: BSON.Document) => ({
        id: String(document._id),
        rawId: document._id,
        block: Number.isSafeInteger(document._id) ? foundBlock(document as StoredDocument) : null,
      }));
    });
  }

  keep(id: number): Promise<string | null> {
    return this.reading(async (db) => {
      // As it stands: a number that is read as another type would be another document.
      const document = await blocksOf(db).findOne({ _id: id }, { promoteLongs: false });
      if (document === null) return null;
      const into = db.collection<QuarantinedDocument>("quarantine");
      const name = await copyToQuarantine(into, document);
      // To look through all of it for each of thousands would take longer than the rest.
      if (performance.now() - this.reducedAt < REDUCED_EVERY_MS) return name;
      this.reducedAt = performance.now();
      await reduceOld(into);
      return name;
    });
  }

  kept(names: readonly string[]): Promise<KeptDocument[]> {
    return this.reading(async (db) => {
      const from = db.collection<QuarantinedDocument>("quarantine");
      const found = from.find({ _id: { $in: [...names] } }, { sort: { quarantinedAt: 1, _id: 1 }, ...AS_STORED });
      return (await found.batchSize(READ_BATCH_BLOCKS).toArray()).map(keptDocument);
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
      return state.isAltered ? "term and vote in this node's state are not what it wrote" : null;
    });
  }

  isMarked(): Promise<boolean> {
    return this.reading(async (db) => (await entriesOf(db).findOne({ _id: MARKER_ID, terms: MARKER })) !== null);
  }

  anchorStanding(page: number, clusterId: HashHex): Promise<"ours" | "absent" | "altered"> {
    return this.reading(async (db) => {
      const pages = db.collection<{ _id: number }>("anchors");
      if ((await pages.findOne({ _id: page }, { projection: BY_ID })) === null) return "absent";
      return (await new MongoAnchors(pages, {}, this.macOf).read(page, clusterId)) === null ? "altered" : "ours";
    });
  }

  alertHeights(through: Height, countMax: number): Promise<Height[]> {
    return this.reading((db) => readAlertHeights(blocksOf(db), through, countMax));
  }

  changes(from: string | null) {
    return this.reading((db) => watchChanges(db, from));
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
    id: String(_id),
    height: Number.isSafeInteger(at) ? at : null,
    keptAt: quarantinedAt instanceof Date ? quarantinedAt.toISOString() : new Date(0).toISOString(),
    isWhole: hasBody === true,
    document: BSON.EJSON.serialize(document, { relaxed: false }) as JsonObject,
  };
}

const blocksOf = (db: Db): Blocks => db.collection<StoredDocument>("blocks");

const foundBlock = (document: StoredDocument): FoundBlock => ({
  ...storedBlock(document),
  at: document._id,
  rawHeader: document.header,
});
