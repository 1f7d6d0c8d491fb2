import { Binary, BSON, type Collection } from "mongodb";
import type { StoredDocument } from "../../node/storage/mongo/documents.js";
import { withDatabase } from "../../scripts/chaos/tamper/places.js";

export { withDatabase };

const withBlocks = <T>(uri: string, work: (blocks: Collection<StoredDocument>) => Promise<T>): Promise<T> =>
  withDatabase(uri, (db) => work(db.collection<StoredDocument>("blocks")));

export interface StoredText {
  readonly height: number;
  /** Whether events are in it, so that there are payload bytes to alter. */
  readonly hasPayloads: boolean;
  readonly treeSize: number;
  /** All of the document, to compare. */
  readonly text: string;
}

/** Every stored block, the genesis first. */
export function readStoredBlocks(uri: string): Promise<StoredText[]> {
  return withBlocks(uri, async (blocks) =>
    (await blocks.find({ _id: { $gte: 1 } }, { sort: { _id: 1 } }).toArray()).map((document) => ({
      height: document._id,
      hasPayloads: payloadsOf(document).length > 0,
      treeSize: document.header.treeSize,
      text: BSON.EJSON.stringify(document),
    })),
  );
}

/** Alters one byte of the payloads of a stored block: what somebody with access to the database could do. */
export function alterPayloads(uri: string, height: number): Promise<void> {
  return withBlocks(uri, async (blocks) => {
    const document = await blocks.findOne({ _id: height });
    if (document === null) throw new Error(`There is no block ${height}.`);
    const payloads = Buffer.from(payloadsOf(document));
    const last = payloads.length - 2;
    payloads[last] = (payloads[last] as number) ^ 1;
    await blocks.updateOne({ _id: height }, { $set: { payloads: new Binary(payloads) } });
  });
}

const payloadsOf = (document: StoredDocument): Uint8Array => (document.payloads as Binary).value();
