import { createHash } from "node:crypto";
import { BSON, type Collection } from "mongodb";
import type { KeptHeader } from "../integrity-port.js";
import { insertOnce, type QuarantinedDocument } from "./truncation.js";

/** The server takes 16 MiB; what is said about a document has its place beside it. */
const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 - 64 * 1024;

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Keeps a document that stands in a block's place and is not what was committed there. The same twice is kept once. */
export async function copyToQuarantine(
  into: Collection<QuarantinedDocument>,
  document: BSON.Document & { readonly _id: number },
): Promise<string> {
  const { _id, ...content } = document;
  const bytes = BSON.serialize(document);
  const name = `${_id}-altered-${digestOf(bytes).slice(0, 16)}`;
  await keepOnce(into, name, { height: _id, content, bytes });
  return name;
}

/** The same of one that somebody planted: its names are its own. */
export async function keepPlanted(
  into: Collection<QuarantinedDocument>,
  document: BSON.Document,
  at: number | null,
): Promise<string> {
  const bytes = BSON.serialize(document);
  const name = `forged-${digestOf(bytes).slice(0, 32)}`;
  await keepOnce(into, name, { height: at, content: { document }, bytes });
  return name;
}

/** Headers that prove who has signed them: they stood in no place of this database. */
export async function keepSigned(
  into: Collection<QuarantinedDocument>,
  headers: readonly KeptHeader[],
): Promise<string> {
  const document = { headers: headers.map(({ header, signature }) => ({ header, signature })) };
  const bytes = BSON.serialize(document);
  const name = `signed-${digestOf(bytes).slice(0, 32)}`;
  await keepOnce(into, name, { height: null, content: { document }, bytes });
  return name;
}

/**
 * An insert, since an update takes names with dots and dollars for orders. Of one that leaves no room for what is said about
 * it, the hash is kept: a document that cannot be kept must not keep its alert from being told.
 */
async function keepOnce(
  into: Collection<QuarantinedDocument>,
  name: string,
  {
    height,
    content,
    bytes,
  }: { readonly height: number | null; readonly content: BSON.Document; readonly bytes: Uint8Array },
): Promise<void> {
  const hasBody = bytes.length <= DOCUMENT_BYTES_MAX;
  const about = { height, hasBody, bytes: bytes.length, quarantinedAt: new Date(), by: null };
  const kept = hasBody ? content : { sha256: digestOf(bytes) };
  await insertOnce(into, { ...kept, ...about, _id: name });
}
