import { type Collection, type Document, MongoClient, type ObjectId } from "mongodb";
import { type BenchEvent, benchEvent, benchEvents, randomApp } from "./events.js";
import type { Opened } from "./http-operations.js";
import type { Operation } from "./loops.js";
import type { LoadSpec, LoadTarget, Work } from "./spec.js";

const PAGE_EVENTS = 50;
const KEYS_MAX = 20_000;

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
  if (work.kind === "append" && work.batch === 1) {
    return async (n) => {
      await collection.insertOne(documentOf(benchEvent(n)));
      return { events: 1 };
    };
  }
  if (work.kind === "append") {
    return async (n) => {
      await collection.insertMany(benchEvents(n * work.batch, work.batch).map(documentOf), { ordered: true });
      return { events: work.batch };
    };
  }
  if (work.kind === "read-page") {
    return async () => {
      await collection.find({ sourceAppId: randomApp() }).sort({ _id: -1 }).limit(PAGE_EVENTS).toArray();
      return { events: PAGE_EVENTS };
    };
  }
  const sample = [{ $sample: { size: KEYS_MAX } }, { $project: { _id: 1 } }];
  const keys = await collection.aggregate<{ _id: ObjectId }>(sample).toArray();
  return async () => {
    const key = keys[Math.floor(Math.random() * keys.length)];
    if ((await collection.findOne({ _id: key?._id as ObjectId })) === null) throw new Error("a document is missing");
    return { events: 1 };
  };
}

const documentOf = (event: BenchEvent): Document => ({ ...event, timestamp: new Date(event.timestamp) });
