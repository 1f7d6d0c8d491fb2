import type { IntegrityStore, StoreChange } from "../storage/integrity-port.js";

/** What this node takes out of old documents in quarantine, as `hasBody` says then. */
const CONTENT = new Set(["records", "payloads", "frontier", "entry", "document"]);

export interface ReductionParts {
  readonly store: Pick<IntegrityStore, "kept">;
  /** Whether an alert that nobody has resolved names this document in quarantine. */
  readonly isOpenEvidence: (id: string) => boolean;
}

/** Evidence is inserted once. All that this node changes of it afterwards is that it takes the content of what is old away. */
export async function isReduction(
  { operation, fields, id }: StoreChange,
  { store, isOpenEvidence }: ReductionParts,
): Promise<boolean> {
  if (operation !== "update" || typeof id !== "string" || !fields.includes("hasBody")) return false;
  if (!fields.every((field) => field === "hasBody" || CONTENT.has(field))) return false;
  if (isOpenEvidence(id)) return false;
  const kept = await store.kept([id]);
  return kept.every(({ isWhole, document }) => !isWhole && Object.keys(document).every((name) => !CONTENT.has(name)));
}
