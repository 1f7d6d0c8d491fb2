import { Binary, type Collection, type Db, type Document } from "mongodb";
import { hashHeader } from "../../../shared/log/block.js";
import { bodyHash } from "../../../shared/log/body.js";

/** Whatever stands in a node's database. */
export type Blocks = Collection<Document & { _id: number | string }>;

export const blocksOf = (db: Db): Blocks => db.collection("blocks");

export async function stored(blocks: Blocks, _id: number): Promise<Document> {
  const document = await blocks.findOne({ _id });
  if (document === null) throw new Error(`nothing stands at ${_id}`);
  return document;
}

/** Replaces text in a stored part by another of the same length. */
export function edit(part: Binary, from: string, to: string): Binary {
  const bytes = Buffer.from(part.value());
  const at = bytes.indexOf(from);
  if (at === -1 || from.length !== to.length) throw new Error(`${from} is not there`);
  bytes.write(to, at);
  return new Binary(bytes);
}

/** An event as the edits below expect it: each finds one of its values, and puts another in its place. */
export const editableEvent = (amount: number, sourceAppId: string) => ({
  eventType: "paid",
  sourceAppId,
  dataPayload: { amount, by: { name: "ada" } },
});

/** What somebody does to the stored block at a height, and as what it has to be found. */
export interface BlockEdit {
  readonly what: string;
  readonly kind: string;
  /** All of those that an alert names. */
  readonly fields: readonly string[];
  readonly act: (blocks: Blocks, at: number) => Promise<unknown>;
}

async function withPayloads(blocks: Blocks, at: number): Promise<Binary> {
  const { payloads } = await stored(blocks, at);
  return edit(payloads, '"ada"', '"eve"');
}

export async function editPayload(blocks: Blocks, at: number): Promise<void> {
  await blocks.updateOne({ _id: at }, { $set: { payloads: await withPayloads(blocks, at) } });
}

export const BLOCK_EDITS: readonly BlockEdit[] = [
  {
    what: "a payload that is edited",
    kind: "payload_modified",
    fields: ["dataPayload.by.name"],
    act: editPayload,
  },
  {
    what: "a record that is edited",
    kind: "record_modified",
    fields: ["eventType"],
    act: async (blocks, at) => {
      const { records } = await stored(blocks, at);
      await blocks.updateOne({ _id: at }, { $set: { records: edit(records, "paid", "kept") } });
    },
  },
  {
    what: "a header with another leader",
    kind: "header_modified",
    fields: ["header.leaderId"],
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { "header.leaderId": "n9" } }),
  },
  {
    what: "a header of another type",
    kind: "header_modified",
    fields: ["header.eventCount"],
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { "header.eventCount": "1" } }),
  },
  {
    what: "a link to another block",
    kind: "link_broken",
    fields: ["header.previousBlockHash"],
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { "header.previousBlockHash": "0".repeat(64) } }),
  },
  {
    what: "a payload whose hashes were made anew",
    kind: "hash_rewritten",
    fields: ["header.bodyHash", "blockHash", "dataPayload.by.name"],
    act: async (blocks, at) => {
      const document = await stored(blocks, at);
      const payloads = edit(document.payloads, '"ada"', '"eve"');
      const body = { records: document.records.value(), payloads: payloads.value() };
      const header = { ...document.header, bodyHash: bodyHash(body) };
      await blocks.updateOne({ _id: at }, { $set: { payloads, header, blockHash: hashHeader(header) } });
    },
  },
  {
    what: "a signature that is another one",
    kind: "signature_invalid",
    fields: ["signature"],
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { signature: new Binary(new Uint8Array(64)) } }),
  },
  {
    what: "hashes that a restart begins with",
    kind: "header_modified",
    fields: ["frontier"],
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { frontier: [] } }),
  },
  {
    what: "a whole document in the place of another",
    kind: "hash_rewritten",
    fields: ["header.height", "dataPayload.amount"],
    act: async (blocks, at) => {
      const { _id, ...other } = await stored(blocks, at - 1);
      await blocks.replaceOne({ _id: at }, other);
    },
  },
  {
    what: "a change that is put back at once",
    kind: "payload_modified",
    fields: [],
    act: async (blocks, at) => {
      const { payloads } = await stored(blocks, at);
      const edited = edit(payloads, '"ada"', '"eve"');
      await blocks.bulkWrite([
        { updateOne: { filter: { _id: at }, update: { $set: { payloads: edited } } } },
        { updateOne: { filter: { _id: at }, update: { $set: { payloads } } } },
      ]);
    },
  },
  {
    what: "a block that is deleted",
    kind: "missing",
    fields: [],
    act: (blocks, at) => blocks.deleteOne({ _id: at }),
  },
];

type Heights = readonly [first: number, last: number];

const within = ([first, last]: Heights) => ({ _id: { $gte: first, $lte: last } });

/** Changes each of the events of these blocks. */
export async function editAll(blocks: Blocks, heights: Heights): Promise<void> {
  const found = await blocks.find(within(heights), { projection: { payloads: 1 } }).toArray();
  const writes = found.map(({ _id, payloads }) => {
    const bytes = Buffer.from(payloads.value());
    for (let at = bytes.indexOf('"ada"'); at !== -1; at = bytes.indexOf('"ada"', at + 1)) bytes.write('"eve"', at);
    return { updateOne: { filter: { _id }, update: { $set: { payloads: new Binary(bytes) } } } };
  });
  await blocks.bulkWrite(writes, { ordered: false });
}

export const editHeaders = (blocks: Blocks, heights: Heights) =>
  blocks.updateMany(within(heights), { $set: { "header.leaderId": "n9" } });

export const deleteAll = (blocks: Blocks, heights: Heights) => blocks.deleteMany(within(heights));
