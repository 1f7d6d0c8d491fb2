import { Binary, type BSON, MongoClient } from "mongodb";
import { fromUtf8, utf8 } from "../../../shared/bytes.js";
import { SALT_BYTES } from "../../../shared/limits.js";
import { Table } from "../../../shared/log/body-bytes.js";
import { messageOf } from "../../lib/project.js";

const ANSWER_MS_MAX = 5_000;
/** Blocks that are looked through for an event with a value that can be changed. */
const BLOCKS_MAX = 50;
/** Before a payload's text in its entry: a tag and the salt. */
const BEFORE_PAYLOAD = 1 + SALT_BYTES;

/** The first character of a number or of a text: what comes in its place is as long, so nothing else moves. */
const VALUE = /":(\d)|":"([A-Za-z0-9])/;

type Stored = BSON.Document & { readonly _id: number };

/** The change was sent, and nobody has said what became of it. */
export class OutcomeUnknown extends Error {}

/** Changes one value in the newest event of a node's own database, as somebody with access to it could; its sequence. */
export async function alterNewestEvent(uri: string): Promise<number> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: ANSWER_MS_MAX, socketTimeoutMS: ANSWER_MS_MAX });
  try {
    const blocks = client.db().collection<Stored>("blocks");
    const newest = blocks.find(
      { _id: { $gte: 1 }, "header.eventCount": { $gt: 0 } },
      { sort: { _id: -1 }, limit: BLOCKS_MAX },
    );
    for await (const block of newest) {
      const found = altered(new Uint8Array((block.payloads as Binary).value()), Number(block.header.eventCount));
      if (found === null) continue;
      const sequence = Number(block.header.firstSequence) + found.place;
      const { matchedCount } = await blocks
        .updateOne({ _id: block._id }, { $set: { payloads: new Binary(found.payloads) } })
        .catch((error: unknown) => {
          throw new OutcomeUnknown(`MongoDB has not said whether event ${sequence} is altered: ${messageOf(error)}`);
        });
      if (matchedCount === 0) continue;
      return sequence;
    }
  } finally {
    await client.close();
  }
  throw new Error("No event has a value that can be changed: log one first.");
}

/** A block's payload part with one character of its last fitting event changed. */
function altered(payloads: Uint8Array, count: number): { payloads: Uint8Array; place: number } | null {
  const table = new Table(payloads, count);
  for (let place = count - 1; place >= 0; place--) {
    // A view of the same bytes: what is changed in it is changed in the part.
    const payload = table.entry(place).subarray(BEFORE_PAYLOAD);
    const text = fromUtf8(payload);
    const match = VALUE.exec(text);
    if (match === null) continue;
    const at = utf8(text.slice(0, match.index + match[0].length - 1)).length;
    payload[at] = anotherOf(payload[at] as number);
    return { payloads, place };
  }
  return null;
}

/** The next digit or letter, and of the last one that before it: a number does not begin with 0. */
function anotherOf(code: number): number {
  return "9Zz".includes(String.fromCharCode(code)) ? code - 1 : code + 1;
}
