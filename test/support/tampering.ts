import { Binary, type Collection, type Document } from "mongodb";
import type { AlertRecord } from "../../node/storage/port.js";
import type { ClusterNode } from "../../scripts/cluster/cluster.js";
import { call } from "../integration/api-support.js";
import { withDatabase } from "./stored-blocks.js";

/** Whatever stands in the database. */
export type Blocks = Collection<Document & { _id: number | string }>;

/** Does something to one node's blocks behind its back. */
export const tamper = (node: ClusterNode, act: (blocks: Blocks) => Promise<unknown>): Promise<unknown> =>
  withDatabase(node.mongodbUri, (db) => act(db.collection("blocks")));

/** Replaces text in the payloads of stored blocks by another of the same length. */
export async function editPayload(blocks: Blocks, at: number, from: string, to: string): Promise<void> {
  const document = await blocks.findOne({ _id: at });
  if (document === null) throw new Error(`no block stands at ${at}`);
  const bytes = Buffer.from((document.payloads as Binary).value());
  const place = bytes.indexOf(from);
  if (place === -1 || from.length !== to.length) throw new Error(`${from} is not there`);
  bytes.write(to, place);
  await blocks.updateOne({ _id: at }, { $set: { payloads: new Binary(bytes) } });
}

export const alertsOf = async (node: ClusterNode, query = ""): Promise<AlertRecord[]> =>
  (await call(`${node.url}/api/v1/alerts?limit=500${query}`)).body.alerts;

export const covers = ({ heights = [] }: AlertRecord, at: number): boolean =>
  heights.some(([a, b]) => a <= at && at <= b);
