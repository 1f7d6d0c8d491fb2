import { Binary, type Collection, type Document } from "mongodb";
import { type BlockHeader, hashHeader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { withDatabase } from "../support/stored-blocks.js";

/** Whatever stands in the database. */
type Blocks = Collection<Document & { _id: number | string }>;

const onBlocks = <T>(uri: string, work: (blocks: Blocks) => Promise<T>): Promise<T> =>
  withDatabase(uri, (db) => work(db.collection("blocks")));

async function stored(blocks: Blocks, _id: number): Promise<Document> {
  const document = await blocks.findOne({ _id });
  if (document === null) throw new Error(`nothing stands at ${_id}`);
  return document;
}

interface Edit {
  /** Texts of the same length. */
  readonly from: string;
  readonly to: string;
  /** The hashes are made anew, so that they agree with what is written. */
  readonly isRehashed?: boolean;
}

/** Edits a payload in a node's own MongoDB, as somebody with access to it could. */
export const editPayload = (uri: string, height: number, { from, to, isRehashed = false }: Edit): Promise<void> =>
  onBlocks(uri, async (blocks) => {
    const document = await stored(blocks, height);
    const bytes = Buffer.from(document.payloads.value());
    const at = bytes.indexOf(from);
    if (at === -1 || from.length !== to.length) throw new Error(`${from} is not there`);
    bytes.write(to, at);
    const payloads = new Binary(bytes);
    const header: BlockHeader = isRehashed
      ? { ...document.header, bodyHash: bodyHash({ records: document.records.value(), payloads: bytes }) }
      : document.header;
    const hashes = isRehashed ? { header, blockHash: hashHeader(header) } : {};
    await blocks.updateOne({ _id: height }, { $set: { payloads, ...hashes } });
  });

export const deleteBlocks = (uri: string, first: number, last = Number.MAX_SAFE_INTEGER): Promise<unknown> =>
  onBlocks(uri, (blocks) => blocks.deleteMany({ _id: { $gte: first, $lte: last } }));

/** A document that no node of the log wrote. */
export const insertForged = (uri: string, like: number, _id: string): Promise<unknown> =>
  onBlocks(uri, async (blocks) => blocks.insertOne({ ...(await stored(blocks, like)), _id }));
