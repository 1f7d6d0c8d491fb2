import { type BSON, type ChangeStream, type Db, MongoServerError, ReadConcern } from "mongodb";
import { type StoreChange, type StoreChanges, WatchError } from "../integrity-port.js";
import { StoreError } from "../port.js";
import { placeOfId } from "./entry-ids.js";
import { messageOf, readError } from "./errors.js";

/**
 * The server does not wait for a change: a question that waits is woken by every block that is stored, and costs more than
 * one that is asked again and again.
 */
const AWAIT_MS = 1;
/** Not on a standalone server; these events are not kept any more, or a place that is none. */
const UNSUPPORTED = new Set([40573, 40324]);
const LOST = new Set([286, 280, 260, 50811, 136]);

/** Inserts would wake the watch for each block; whatever else happens to documents or collections is told. */
const WATCHED = ["update", "replace", "delete", "drop", "rename", "dropDatabase", "invalidate"];

const keysOf = (object: string): BSON.Document => ({
  $map: { input: { $objectToArray: object }, in: "$$this.k" },
});

/** Names and ids without bodies: a block has up to 4 MiB. */
const PIPELINE: BSON.Document[] = [
  { $match: { operationType: { $in: WATCHED } } },
  {
    $project: {
      operationType: 1,
      ns: 1,
      to: 1,
      documentKey: 1,
      clusterTime: 1,
      wallTime: 1,
      set: keysOf("$updateDescription.updatedFields"),
      removed: "$updateDescription.removedFields",
    },
  },
];

interface ChangeDocument extends BSON.Document {
  readonly operationType: string;
  readonly ns?: { readonly coll?: string };
  readonly to?: { readonly coll?: string };
  readonly documentKey?: { readonly _id: unknown };
  readonly clusterTime?: BSON.Timestamp;
  readonly wallTime?: Date;
  readonly set?: readonly string[] | null;
  readonly removed?: readonly string[] | null;
}

/** Changes of all collections of this database. */
export async function watchChanges(db: Db, from: string | null): Promise<StoreChanges> {
  const stream = db.watch<ChangeDocument, ChangeDocument>(PIPELINE, {
    maxAwaitTimeMS: AWAIT_MS,
    readConcern: new ReadConcern("majority"),
    // Also goes on behind what ended a stream: the drop of a collection or a database.
    ...(from === null ? {} : { startAfter: { _data: from } }),
  });
  return new Changes(stream, from);
}

class Changes implements StoreChanges {
  constructor(
    private readonly stream: ChangeStream<ChangeDocument, ChangeDocument>,
    private lastPlace: string | null,
  ) {}

  get place(): string | null {
    return this.lastPlace;
  }

  async next(): Promise<StoreChange | null> {
    let document: ChangeDocument | null;
    try {
      document = await this.stream.tryNext();
    } catch (error) {
      throw faultOf(error);
    }
    // What was given last, or, where nothing came, how far the server has looked.
    const { _data } = (document?._id ?? this.stream.resumeToken ?? {}) as { readonly _data?: unknown };
    if (typeof _data === "string") this.lastPlace = _data;
    if (document === null && this.stream.closed) throw new StoreError("unknown", "The stream of changes has ended.");
    return document === null ? null : changeOf(document);
  }

  async close(): Promise<void> {
    await this.stream.close().catch(() => undefined);
  }
}

function changeOf(document: ChangeDocument): StoreChange {
  const { operationType, ns, to, documentKey, set, removed, wallTime, clusterTime } = document;
  const seconds = clusterTime === undefined ? 0 : clusterTime.getHighBits();
  return {
    operation: operationType,
    collection: ns?.coll ?? "",
    ...(to?.coll === undefined ? {} : { to: to.coll }),
    ...(documentKey === undefined ? {} : { id: documentKey._id }),
    ...(documentKey === undefined || ns?.coll !== "blocks" ? {} : { place: placeOfId(documentKey._id) }),
    fields: [...(set ?? []), ...(removed ?? [])],
    at: (wallTime instanceof Date ? wallTime : new Date(seconds * 1_000)).toISOString(),
  };
}

function faultOf(error: unknown): Error {
  if (error instanceof MongoServerError) {
    const code = Number(error.code);
    if (UNSUPPORTED.has(code)) return new WatchError("unsupported", messageOf(error));
    if (LOST.has(code)) return new WatchError("lost", messageOf(error));
  }
  return readError(error, "Watching for changes");
}
