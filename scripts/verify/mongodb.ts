import { createHash } from "node:crypto";
import { Binary, type Collection, type Document, type FindCursor, MongoClient, type MongoClientOptions } from "mongodb";
import { UsageError } from "../lib/usage.js";
import type { FoundBlock } from "./block.js";
import type { FoundEntry } from "./entry.js";

const DEFAULT_DATABASE = "eventLogs";
const CONNECT_MS = 10_000;
/** Documents of one answer of the server: it fills 16 MiB otherwise. */
const BATCH = 128;
const NOTE_BYTES = 64;
export const PAGE_HEIGHTS = 256;
/** A whole index says so by this term: the first 8 bytes of the hash. */
const WHOLE_TERM = createHash("sha256").update("quorumlog/index/whole/v1\n").digest().readBigInt64BE();

export interface StoredBlock extends FoundBlock {
  /** Its id: of a block a whole number from 1. */
  readonly at: number;
  readonly blockHash: unknown;
  readonly frontier: Buffer[] | null;
}

export interface StoredEntry extends FoundEntry {
  readonly at: number;
}

/** What is noted of a committed block: its hash, and the hash of the newest event. */
export interface Note {
  readonly blockHash: string;
  readonly headHash: string;
}

type AnyDocument = Document & { readonly _id: number };

/** One node's database as its documents stand there: nothing is written, and nothing of them is believed. */
export class NodeDatabase {
  #page: { readonly number: number; readonly hashes: Buffer | null } | null = null;

  private constructor(
    private readonly client: MongoClient,
    readonly name: string,
    private readonly blocks: Collection<AnyDocument>,
    /** Terms are 64-bit integers. */
    private readonly entries: Collection<AnyDocument>,
  ) {}

  static async open(uri: string): Promise<NodeDatabase> {
    const hasDatabase = /^mongodb(?:\+srv)?:\/\/[^/?]+\/[^?]/.test(uri);
    const options = { appName: "quorumlog-verify", directConnection: true, serverSelectionTimeoutMS: CONNECT_MS };
    const client = clientOf(uri, options);
    await client.connect();
    const db = client.db(hasDatabase ? undefined : DEFAULT_DATABASE);
    const entries = db.collection<AnyDocument>("blocks", { useBigInt64: true });
    return new NodeDatabase(client, db.databaseName, db.collection<AnyDocument>("blocks"), entries);
  }

  close(): Promise<void> {
    return this.client.close();
  }

  /** Whose database it says that it is. */
  async nodeId(): Promise<string | null> {
    const state = await this.collection("state").findOne({});
    const id: unknown = state?.owner?.nodeId;
    return typeof id === "string" ? id : null;
  }

  /** The document with the highest id. */
  async tail(): Promise<StoredBlock | null> {
    const [last] = await this.blocks
      .find({ _id: { $gt: 0 } })
      .sort({ _id: -1 })
      .limit(1)
      .toArray();
    return last === undefined ? null : blockOf(last);
  }

  async *blocksBetween(from: number, through: number): AsyncGenerator<StoredBlock> {
    yield* mapped(this.blocks.find({ _id: { $gte: from, $lte: through } }).sort({ _id: 1 }), blockOf);
  }

  /** Those of the heights, ascending. */
  async *entriesBetween(from: number, through: number): AsyncGenerator<StoredEntry> {
    yield* mapped(this.entries.find({ _id: { $lte: -from, $gte: -through } }).sort({ _id: -1 }), entryOf);
  }

  /** The stored hashes of blocks, to see whether they are still the same. */
  async hashesFrom(from: number): Promise<string> {
    const found = this.blocks.find({ _id: { $gte: from } }, { projection: { blockHash: 1 } }).sort({ _id: 1 });
    // A forged end may say that nothing below it was committed: then this is the whole log.
    const hash = createHash("sha256");
    for await (const document of found.batchSize(BATCH)) hash.update(JSON.stringify(document));
    return hash.digest("hex");
  }

  /** Ids that are no number, as texts. */
  async strangers(): Promise<string[]> {
    const found = await this.blocks
      .find({ _id: { $not: { $type: "number" } } } as never, { projection: { _id: 1 } })
      .limit(100)
      .toArray();
    const zero = await this.blocks.countDocuments({ _id: 0 });
    return [...found.map(({ _id }) => String(_id)), ...(zero > 0 ? ["0"] : [])];
  }

  /**
   * What the index says of itself: that it is whole; that a work makes it so, and entries may be missing by right; or nothing that
   * a node leaves there, which deletes no such document, and names the work where it is not whole.
   */
  async indexAccount(): Promise<"whole" | "work" | "altered" | "missing"> {
    const marker = await this.entries.findOne({ _id: Number.MIN_SAFE_INTEGER });
    if (marker === null) return "missing";
    const { terms, work } = marker;
    if (!Array.isArray(terms)) return "altered";
    if (terms.length === 1 && terms[0] === WHOLE_TERM) return "whole";
    return terms.length === 0 && typeof work === "string" ? "work" : "altered";
  }

  /** Whether the node says that it works on entries. */
  async isIndexWork(): Promise<boolean> {
    return (await this.collection("state").findOne({}))?.indexWork != null;
  }

  /** Whether there is a page of anchors for this height or one above it. */
  async isNotedFrom(height: number): Promise<boolean> {
    const page = await this.collection("anchors").findOne({
      _id: { $gte: Math.floor(height / PAGE_HEIGHTS) },
    } as never);
    return page !== null;
  }

  /** What the node has noted of a committed block; null: nothing, or not yet. */
  async noteOf(height: number): Promise<Note | null> {
    const number = Math.floor(height / PAGE_HEIGHTS);
    if (this.#page?.number !== number) {
      const page = await this.collection("anchors").findOne({ _id: number as never });
      this.#page = { number, hashes: bytesOf(page?.hashes) };
    }
    const hashes = this.#page.hashes?.subarray((height % PAGE_HEIGHTS) * NOTE_BYTES).subarray(0, NOTE_BYTES);
    if (hashes?.length !== NOTE_BYTES || hashes.every((byte) => byte === 0)) return null;
    const head = hashes.subarray(32);
    const headHash = head.every((byte) => byte === 0) ? "" : head.toString("hex");
    return { blockHash: hashes.toString("hex", 0, 32), headHash };
  }

  private collection(name: string): Collection {
    return this.client.db(this.name).collection(name);
  }
}

/** The driver's message may quote the URI, and with it a password. */
function clientOf(uri: string, options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(uri, options);
  } catch {
    throw new UsageError(
      "--mongodb-uri is no connection string for one server, such as mongodb://127.0.0.1:27017/eventLogs.",
    );
  }
}

async function* mapped<T>(cursor: FindCursor<AnyDocument>, map: (document: AnyDocument) => T): AsyncGenerator<T> {
  try {
    for await (const document of cursor.batchSize(BATCH)) yield map(document);
  } finally {
    await cursor.close();
  }
}

function bytesOf(value: unknown): Buffer | null {
  if (!(value instanceof Binary)) return null;
  const bytes = value.value();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const NOTHING = Buffer.alloc(0);

function blockOf(document: AnyDocument): StoredBlock {
  const { _id, header, blockHash, signature, records, payloads, frontier } = document;
  const hashes = Array.isArray(frontier) ? frontier.map(bytesOf) : [null];
  return {
    at: _id,
    header,
    blockHash,
    signature: bytesOf(signature) ?? NOTHING,
    records: bytesOf(records) ?? NOTHING,
    payloads: bytesOf(payloads) ?? NOTHING,
    frontier: hashes.every((one) => one !== null) ? hashes : null,
  };
}

export function entryOf(document: AnyDocument): StoredEntry {
  const { _id, first, count, sealedAt, blockHash, terms, runs, places, times } = document;
  return {
    at: -Number(_id),
    first,
    count,
    sealedAt,
    blockHash,
    terms,
    runs,
    places: bytesOf(places),
    times: bytesOf(times),
  };
}
