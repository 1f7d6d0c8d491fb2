import type { BSON, Collection, Db, FindOptions } from "mongodb";
import { type Height, height } from "../../../shared/ids.js";
import {
  type EntryQuery,
  type FoundEntry,
  indexLost,
  type KeyReader,
  type LogReader,
  type StoredBlock,
} from "../port.js";
import { TREE_SIZE_INDEX } from "./blocks.js";
import { PROVED_LATER, type StoredDocument, storedBlock, storedBytes, unprovedBlock } from "./documents.js";
import {
  ENTRY_FIELDS,
  entriesOf,
  type FoundDocument,
  foundEntry,
  hasOneOf,
  projectionOf,
  TERMS_INDEX,
  termsOf,
  termValue,
} from "./entries.js";
import {
  blocksFrom,
  blocksInPlace,
  entriesBetween,
  heightOf,
  inOrder,
  MARKER_ID,
  WHOLE_IDS,
  wholeEntries,
} from "./entry-ids.js";
import { isTimeOver } from "./errors.js";
import { MARKER } from "./index-work.js";
import { LIMITED } from "./options.js";
import type { ReadLink } from "./read-link.js";
import { ALONE_MAX, orEachAlone } from "./undecoded.js";

const BY_ID = { _id: 1 } as const;
/** The size of each block that is read counts so much in what the next is taken to be. */
const SIZE_WEIGHT = 0.05;
const HEADERS_MAX = 1_024;

type StoredHeader = Awaited<ReturnType<LogReader["readHeaders"]>>[number];

interface Command {
  readonly filter: BSON.Document;
  readonly options: FindOptions;
}

/** What `find` asks the server. */
export function findCommand(query: EntryQuery): Command {
  const [driving, ...others] = query.groups;
  return {
    filter: {
      ...(driving === undefined ? {} : { terms: { $in: driving.map(termValue) } }),
      // Only the first group may lead through the index: a second condition on the same array would be the server's to choose.
      ...wholeEntries(query.from, query.to, ...others.map(hasOneOf)),
    },
    options: {
      projection: projectionOf(query),
      hint: driving === undefined ? BY_ID : TERMS_INDEX.name,
      sort: inOrder(query.order),
      limit: Math.max(1, query.limit),
      // All of a page in one answer, as far as that may be 16 MiB.
      batchSize: Math.max(1, query.limit) + 1,
      ...LIMITED,
    },
  };
}

/** What `heights` asks the server: its index alone answers. So it may name what has a fraction for its id. */
export function heightsCommand(group: readonly Uint8Array[], range: EntryRange): Command {
  const { from, to, order, limit } = range;
  return {
    filter: { terms: { $in: group.map(termValue) }, _id: entriesBetween(from, to) },
    options: {
      projection: { _id: 1 },
      hint: TERMS_INDEX.name,
      sort: inOrder(order),
      limit: Math.max(1, limit),
      batchSize: Math.max(1, limit) + 1,
      ...LIMITED,
    },
  };
}
type EntryRange = Pick<EntryQuery, "from" | "to" | "order" | "limit">;

/** What `heightsOfKey` asks the server. */
export function keyCommand(term: Uint8Array, limit: number): Command {
  return {
    filter: { terms: { $in: [MARKER, termValue(term)] } },
    options: {
      projection: { _id: 1 },
      hint: TERMS_INDEX.name,
      sort: inOrder("asc"),
      limit: limit + 1,
      ...LIMITED,
    },
  };
}

/** What `holding` asks the server. */
export function holdingCommand(sequence: number, through: Height): Command {
  return {
    // What says that it is another block than the one whose place it has answers for neither.
    filter: { "header.treeSize": { $gt: sequence }, ...blocksInPlace(1, through) },
    options: { projection: PROVED_LATER, hint: TREE_SIZE_INDEX.name, sort: TREE_SIZE_INDEX.key, limit: 1, ...LIMITED },
  };
}

/** What stands between two heights is nobody's entry: if there is any, the server looks at ids as well. */
async function whole(
  { filter }: Command,
  find: (filter: BSON.Document) => Promise<FoundDocument[]>,
): Promise<FoundDocument[]> {
  const found = await find(filter);
  return found.every(({ _id }) => Number.isInteger(Number(_id))) ? found : find({ $and: [filter, WHOLE_IDS] });
}

/** Throws `index_lost` unless the index says that it is whole. */
async function assertWhole(entries: Collection<FoundDocument>): Promise<void> {
  const marker = await entries.findOne({ _id: MARKER_ID, terms: MARKER }, { projection: { _id: 1 }, ...LIMITED });
  if (marker === null) throw indexLost();
}

export class MongoReader implements LogReader {
  /** About so many bytes has a block. */
  private blockBytes = 64 * 1024;
  /** Headers of one command. */
  private headersMax = HEADERS_MAX;

  constructor(private readonly link: ReadLink) {}

  readBlocks(heights: readonly Height[], bytesMax: number): Promise<StoredBlock[]> {
    return this.reading(async ({ blocks }) => {
      const [first = 0, second = 0] = heights;
      // The server fills a batch up to 16 MiB whatever of it is wanted.
      const batchSize = Math.min(heights.length + 1, Math.max(2, Math.ceil(bytesMax / this.blockBytes)));
      const there = { _id: { $in: [...heights] } };
      const wanted = {
        projection: PROVED_LATER,
        sort: { _id: second < first && heights.length > 1 ? -1 : 1 },
      } as const;
      // What does not come at once is asked for again: a batch more would bring too much.
      const read = (): Promise<StoredDocument[]> =>
        blocks.find(there, { ...wanted, hint: BY_ID, batchSize, singleBatch: true, ...LIMITED }).toArray();
      const documents = await orEachAlone(blocks, read, there, { ...wanted, limit: ALONE_MAX });
      const found: StoredBlock[] = [];
      let bytes = 0;
      for (const document of documents) {
        const size = storedBytes(document);
        this.blockBytes += SIZE_WEIGHT * (size - this.blockBytes);
        bytes += size;
        if (found.length > 0 && bytes > bytesMax) break;
        found.push(unprovedBlock(document));
      }
      return found;
    });
  }

  async readHeaders(from: Height, to: Height): Promise<StoredHeader[]> {
    const found: StoredHeader[] = [];
    for (let at: number = from; at <= to; ) {
      const last = Math.min(to, at + this.headersMax - 1);
      try {
        found.push(...(await this.headersBetween(at, last)));
        at = last + 1;
        if (last < to) this.headersMax = Math.min(HEADERS_MAX, this.headersMax + 1);
      } catch (error) {
        // The server reads whole blocks for their headers: of large ones fewer in a command's time.
        if (last === at || !isTimeOver(error)) throw error;
        this.headersMax = Math.ceil((last - at + 1) / 2);
      }
    }
    return found;
  }

  private headersBetween(from: number, to: number): Promise<StoredHeader[]> {
    return this.reading(async ({ blocks }) => {
      const there = blocksFrom(from, to);
      const wanted = { projection: { header: 1, blockHash: 1 } };
      const read = (): Promise<StoredDocument[]> =>
        blocks.find(there, { ...wanted, hint: BY_ID, sort: BY_ID, ...LIMITED }).toArray();
      return (await orEachAlone(blocks, read, there, wanted)).map((document) => {
        const { header, blockHash } = storedBlock(document).block;
        return { header, blockHash };
      });
    });
  }

  find(query: EntryQuery): Promise<FoundEntry[]> {
    return this.reading(async ({ entries }) => {
      const { filter, options } = findCommand(query);
      const documents = await entries.find(filter, options).toArray();
      // Afterwards: what was lost in the middle of it would be taken for absent.
      await assertWhole(entries);
      return documents.map((document) => foundEntry(document, query));
    });
  }

  heights(group: readonly Uint8Array[], range: EntryRange): Promise<Height[]> {
    return this.reading(async ({ entries }) => {
      const command = heightsCommand(group, range);
      const found = await whole(command, (filter) => entries.find(filter, command.options).toArray());
      await assertWhole(entries);
      return found.map(heightOf);
    });
  }

  estimate(group: readonly Uint8Array[], range: { from: Height; to: Height }, cap: number): Promise<number> {
    const filter = { terms: { $in: group.map(termValue) }, _id: entriesBetween(range.from, range.to) };
    // An estimate: what somebody has put between two heights is in it.
    return this.reading(async ({ entries }) => {
      const options = { limit: Math.max(1, cap), hint: TERMS_INDEX.name, ...LIMITED };
      const count = await entries.countDocuments(filter, options);
      if (count === 0) await assertWhole(entries);
      return count;
    });
  }

  holding(sequence: number, through: Height): Promise<StoredBlock | null> {
    return this.reading(async ({ blocks }) => {
      const { filter, options } = holdingCommand(sequence, through);
      const [document] = await blocks.find(filter, options).toArray();
      return document === undefined ? null : unprovedBlock(document);
    });
  }

  neighbours(from: Height, order: "asc" | "desc", limit: number): Promise<FoundEntry[]> {
    return this.reading(async ({ entries }) => {
      const documents = entries.find(order === "asc" ? wholeEntries(from) : wholeEntries(1, from), {
        projection: ENTRY_FIELDS,
        hint: BY_ID,
        sort: inOrder(order),
        limit: Math.max(1, limit),
        ...LIMITED,
      });
      return (await documents.toArray()).map((document) => foundEntry(document));
    });
  }

  private reading<T>(operation: (from: Source) => Promise<T>): Promise<T> {
    return this.link.reading("Reading the log", (db) => operation(sourceOf(db)));
  }
}

export class MongoKeys implements KeyReader {
  constructor(private readonly link: ReadLink) {}

  heightsOfKey(term: Uint8Array, limit: number): Promise<Height[]> {
    return this.reading(async (entries) => {
      const wanted = Math.max(1, limit);
      const command = keyCommand(term, wanted);
      const found = await whole(command, (filter) => entries.find(filter, command.options).toArray());
      // The marker comes last: one answer says both that the index is whole and all that it holds of the key.
      if (found.at(-1)?._id === MARKER_ID) return found.slice(0, -1).map(heightOf);
      if (found.length <= wanted) throw indexLost();
      // There is more of the key than was asked for, and before the marker.
      await assertWhole(entries);
      return found.slice(0, wanted).map(heightOf);
    });
  }

  keyTerms(from: Height, limit: number): Promise<{ readonly terms: Uint8Array[]; readonly next: Height | null }> {
    return this.reading(async (entries) => {
      const [names, keys] = [0, 1].map((i) => ({ $arrayElemAt: ["$runs", i] }));
      const documents = await entries
        .find(wholeEntries(from), {
          projection: { terms: { $cond: [{ $eq: [keys, 0] }, [], { $slice: ["$terms", names, keys] }] } },
          hint: BY_ID,
          sort: inOrder("asc"),
          limit: Math.max(1, limit),
          ...LIMITED,
        })
        .toArray();
      await assertWhole(entries);
      const last = documents.at(-1);
      return {
        terms: documents.flatMap(termsOf),
        next: last === undefined || documents.length < limit ? null : height(heightOf(last) + 1),
      };
    });
  }

  private reading<T>(operation: (entries: Collection<FoundDocument>) => Promise<T>): Promise<T> {
    return this.link.reading("Looking up a key", (db) => operation(entriesOf(db)));
  }
}

interface Source {
  readonly blocks: Collection<StoredDocument>;
  readonly entries: Collection<FoundDocument>;
}
const sourceOf = (db: Db): Source => ({ blocks: db.collection<StoredDocument>("blocks"), entries: entriesOf(db) });
