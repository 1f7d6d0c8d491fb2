import { type Collection, type Document, MongoClient, type ObjectId } from "mongodb";
import { type BenchEvent, benchEvent, benchEvents, drawnNames } from "./events.js";
import type { Opened } from "./http.js";
import type { Operation } from "./loops.js";
import { below, randomOf } from "./random.js";
import { HOT_EVENTS, type LoadSpec, type LoadTarget, type Part, type Work } from "./spec.js";

const PAGE_EVENTS = 50;
/** Enough to lie on more pages of the storage engine than its cache holds. */
const COLD_KEYS = 20_000;
const READ_SEED = 1;

/** The driver's own client with a connection for each client of the load; writes are acknowledged by a majority. */
export async function openMongodb(
  target: LoadTarget & { kind: "mongodb" },
  { work, clients }: LoadSpec,
): Promise<Opened> {
  const client = new MongoClient(target.uri, { maxPoolSize: clients, writeConcern: { w: "majority" } });
  await client.connect();
  const operation = await operationOf(client.db().collection(target.collection), work);
  return { operation, close: () => client.close() };
}

async function operationOf(collection: Collection, work: Work): Promise<Operation> {
  switch (work.kind) {
    case "append":
      return async (n) => {
        if (work.batch === 1) await collection.insertOne(documentOf(benchEvent(n, work)));
        else await collection.insertMany(benchEvents(n * work.batch, work.batch, work).map(documentOf));
        return { events: work.batch };
      };
    case "read-one":
      return readsOfOne(collection, await keysOf(collection, work.part));
    case "page":
      return pages(collection, await keysOf(collection, work.part));
    default:
      throw new Error(`The replica set is not measured for ${work.kind}.`);
  }
}

function readsOfOne(collection: Collection, keys: readonly ObjectId[]): Operation {
  const random = randomOf(READ_SEED);
  return async () => {
    const _id = keys[below(keys.length, random)] as ObjectId;
    if ((await collection.findOne({ _id })) === null) throw new Error("a document is missing");
    return { events: 1 };
  };
}

function pages(collection: Collection, keys: readonly ObjectId[]): Operation {
  const random = randomOf(READ_SEED);
  return async () => {
    const { sourceAppId } = drawnNames(random, { meet: true });
    const _id = { $lte: keys[below(keys.length, random)] as ObjectId };
    const found = await collection.find({ sourceAppId, _id }).sort({ _id: -1 }).limit(PAGE_EVENTS).toArray();
    return { events: found.length };
  };
}

/** Keys of the newest, with a whole page of each application before the oldest of them; or of any. */
async function keysOf(collection: Collection, part: Part): Promise<ObjectId[]> {
  const newest = collection
    .find({}, { projection: { _id: 1 } })
    .sort({ _id: -1 })
    .limit((HOT_EVENTS * 3) / 4);
  const any = collection.aggregate([{ $sample: { size: COLD_KEYS } }, { $project: { _id: 1 } }]);
  return (await (part === "hot" ? newest : any).toArray()).map(({ _id }) => _id as ObjectId);
}

const documentOf = (event: BenchEvent): Document => ({ ...event, timestamp: new Date(event.timestamp) });
