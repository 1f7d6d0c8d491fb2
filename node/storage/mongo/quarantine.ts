import { createHash } from "node:crypto";
import { BSON, type Collection } from "mongodb";
import { type StoredDocument, storedBytes } from "./documents.js";
import type { QuarantinedDocument } from "./truncation.js";

/** Keeps a document that stands in a block's place and is not what was committed there. The same twice is kept once. */
export async function copyToQuarantine(
  into: Collection<QuarantinedDocument>,
  document: StoredDocument,
): Promise<string> {
  const { _id, ...content } = document;
  const digest = createHash("sha256").update(BSON.serialize(document)).digest("hex").slice(0, 16);
  const name = `${_id}-altered-${digest}`;
  const about = { height: _id, hasBody: true, bytes: storedBytes(document), quarantinedAt: new Date(), by: null };
  await into.updateOne({ _id: name }, { $setOnInsert: { ...content, ...about } }, { upsert: true });
  return name;
}
