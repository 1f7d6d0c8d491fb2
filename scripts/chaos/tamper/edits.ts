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

const NO_BLOCK = "0".repeat(64);
const NO_SIGNATURE = new Binary(new Uint8Array(64));

/** Other payloads, with hashes to match. */
function rehashed({ records, header: before }: Document, payloads: Binary): Document {
  const header = { ...before, bodyHash: bodyHash({ records: records.value(), payloads: payloads.value() }) };
  return { payloads, header, blockHash: hashHeader(header) };
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
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { "header.previousBlockHash": NO_BLOCK } }),
  },
  {
    what: "a payload whose hashes were made anew",
    kind: "hash_rewritten",
    fields: ["header.bodyHash", "blockHash", "dataPayload.by.name"],
    act: async (blocks, at) => {
      const document = await stored(blocks, at);
      await blocks.updateOne({ _id: at }, { $set: rehashed(document, edit(document.payloads, '"ada"', '"eve"')) });
    },
  },
  {
    what: "a signature that is another one",
    kind: "signature_invalid",
    fields: ["signature"],
    act: (blocks, at) => blocks.updateOne({ _id: at }, { $set: { signature: NO_SIGNATURE } }),
  },
  {
    what: "a block that is deleted, and inserted with another signature",
    kind: "signature_invalid",
    fields: ["signature"],
    act: async (blocks, at) => {
      const document = await stored(blocks, at);
      await blocks.bulkWrite([
        { deleteOne: { filter: { _id: at } } },
        { insertOne: { document: { ...document, _id: at, signature: NO_SIGNATURE } } },
      ]);
    },
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

/** What somebody does to all stored blocks of a range, each of their events included. */
export interface RangeEdit {
  readonly what: string;
  readonly kind: string;
  readonly fields: readonly string[];
  readonly act: (blocks: Blocks, heights: Heights) => Promise<unknown>;
}

type Heights = readonly [first: number, last: number];

const within = ([first, last]: Heights) => ({ _id: { $gte: first, $lte: last } });

/** Replaces each such text in a stored part by another of the same length. */
function editEach(part: Binary, from: string, to: string): Binary {
  const bytes = Buffer.from(part.value());
  for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, at + 1)) bytes.write(to, at);
  return new Binary(bytes);
}

async function setEach(blocks: Blocks, heights: Heights, changed: (found: Document) => Document): Promise<void> {
  const found = await blocks.find(within(heights)).toArray();
  const writes = found.map((one) => ({ updateOne: { filter: { _id: one._id }, update: { $set: changed(one) } } }));
  await blocks.bulkWrite(writes, { ordered: false });
}

export const RANGE_EDITS: readonly RangeEdit[] = [
  {
    what: "thousands of payloads",
    kind: "payload_modified",
    fields: ["dataPayload.by.name"],
    act: (blocks, heights) =>
      setEach(blocks, heights, ({ payloads }) => ({ payloads: editEach(payloads, '"ada"', '"eve"') })),
  },
  {
    what: "thousands of records",
    kind: "record_modified",
    fields: ["eventType"],
    act: (blocks, heights) =>
      setEach(blocks, heights, ({ records }) => ({ records: editEach(records, "paid", "kept") })),
  },
  {
    what: "thousands of payloads whose hashes were made anew",
    kind: "hash_rewritten",
    fields: ["dataPayload.by.name"],
    act: (blocks, heights) =>
      setEach(blocks, heights, (found) => rehashed(found, editEach(found.payloads, '"ada"', '"eve"'))),
  },
  {
    what: "thousands of events' headers",
    kind: "header_modified",
    fields: ["header.leaderId"],
    act: (blocks, heights) => blocks.updateMany(within(heights), { $set: { "header.leaderId": "n9" } }),
  },
  {
    what: "thousands of events' links",
    kind: "link_broken",
    fields: ["header.previousBlockHash"],
    act: (blocks, heights) => blocks.updateMany(within(heights), { $set: { "header.previousBlockHash": NO_BLOCK } }),
  },
  {
    what: "thousands of events' signatures",
    kind: "signature_invalid",
    fields: ["signature"],
    act: (blocks, heights) => blocks.updateMany(within(heights), { $set: { signature: NO_SIGNATURE } }),
  },
  {
    what: "thousands of events that are deleted",
    kind: "missing",
    fields: [],
    act: (blocks, heights) => blocks.deleteMany(within(heights)),
  },
  {
    what: "thousands of events' index entries",
    kind: "index_differs",
    fields: ["entry.terms"],
    act: (blocks, [first, last]) => blocks.updateMany(within([-last, -first]), { $set: { terms: [] } }),
  },
  {
    what: "thousands of events' index entries that are deleted",
    kind: "index_differs",
    fields: ["entry"],
    act: (blocks, [first, last]) => blocks.deleteMany(within([-last, -first])),
  },
];
