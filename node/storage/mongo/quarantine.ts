import { createHash } from "node:crypto";
import { BSON, type Collection } from "mongodb";
import type { KeptHeader } from "../integrity-port.js";
import type { FoundDocument } from "./entries.js";
import { heightOf } from "./entry-ids.js";
import { DOCUMENT_BYTES_MAX, insertOnce, noteFoundAgain, type QuarantinedDocument } from "./truncation.js";
import { decodedOrBytes } from "./undecoded.js";

/** The same document is kept so often, if its content is taken away in between; somebody may have put others under its names. */
const COPIES_MAX = 64;

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Keeps a document that stands in a block's place and is not what was committed there. The same twice is kept once. */
export async function copyToQuarantine(
  into: Collection<QuarantinedDocument>,
  document: BSON.Document & { readonly _id: number },
): Promise<string> {
  const { _id, ...content } = document;
  const bytes = BSON.serialize(document);
  const name = `${_id}-altered-${digestOf(bytes).slice(0, 16)}`;
  return keepOnce(into, name, { height: _id, content, bytes });
}

/** The same of one that somebody planted: its names are its own. Of one that is larger than `bytesMax` the hash is kept. */
export async function keepPlanted(
  into: Collection<QuarantinedDocument>,
  id: unknown,
  { found, bytesMax = DOCUMENT_BYTES_MAX }: { readonly found: unknown; readonly bytesMax?: number },
): Promise<string> {
  const document = decodedOrBytes<BSON.Document>(found, id, { promoteValues: false });
  const bytes = BSON.serialize(document);
  const name = `forged-${digestOf(bytes).slice(0, 32)}`;
  const at = typeof id === "number" && Number.isSafeInteger(id) && id > 0 ? id : null;
  return keepOnce(into, name, { height: at, content: { document }, bytes, bytesMax });
}

/** An index entry that is not its block's. */
export async function keepEntry(into: Collection<QuarantinedDocument>, entry: FoundDocument): Promise<string> {
  const bytes = BSON.serialize(entry);
  const at = heightOf(entry);
  return keepOnce(into, `${at}-entry-${digestOf(bytes).slice(0, 16)}`, { height: at, content: { entry }, bytes });
}

/** Headers that prove who has signed them: they stood in no place of this database. */
export async function keepSigned(
  into: Collection<QuarantinedDocument>,
  headers: readonly KeptHeader[],
): Promise<string> {
  const document = { headers: headers.map(({ header, signature }) => ({ header, signature })) };
  const bytes = BSON.serialize(document);
  const name = `signed-${digestOf(bytes).slice(0, 32)}`;
  return keepOnce(into, name, { height: null, content: { document }, bytes });
}

/**
 * An insert, since an update takes names with dots and dollars for orders. Of one that leaves no room for what is said about
 * it, the hash is kept: a document that cannot be kept must not keep its alert from being told. Where the content of the very same
 * was taken away since, it is kept beside that one.
 */
async function keepOnce(
  into: Collection<QuarantinedDocument>,
  name: string,
  {
    height,
    content,
    bytes,
    bytesMax = DOCUMENT_BYTES_MAX,
  }: {
    readonly height: number | null;
    readonly content: BSON.Document;
    readonly bytes: Uint8Array;
    readonly bytesMax?: number;
  },
): Promise<string> {
  const hasBody = bytes.length <= bytesMax;
  const about = { height, hasBody, bytes: bytes.length, quarantinedAt: new Date(), by: null };
  const kept = hasBody ? content : { sha256: digestOf(bytes) };
  for (let copies = 1; ; copies++) {
    const _id = copies === 1 ? name : `${name}-${copies}`;
    if ((await insertOnce(into, { ...kept, ...about, _id })) || !hasBody || copies === COPIES_MAX) return _id;
    // Before it is read, so that nothing reduces it from now on.
    noteFoundAgain(_id);
    if ((await into.findOne({ _id }, { projection: { hasBody: 1 } }))?.hasBody !== false) return _id;
  }
}
