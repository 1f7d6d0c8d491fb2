import type { IntegrityStore, StoreChange } from "../storage/integrity-port.js";

/** What this node takes out of old documents in quarantine, as `hasBody` says then. */
const CONTENT = new Set(["records", "payloads", "frontier", "entry", "document"]);
/** Documents whose changes wait until it is known what is open. */
const WAITING_MAX = 10_000;

export interface ReductionParts {
  readonly store: Pick<IntegrityStore, "kept">;
  /** Whether an alert that nobody has resolved names this document in quarantine; null: what is open is not known yet. */
  readonly isOpenEvidence: (id: string) => boolean | null;
}

/**
 * Evidence is inserted once. All that this node changes of it afterwards is that it takes the content of what is old away. Null:
 * it cannot be said yet.
 */
export async function isReduction(
  { operation, fields, id }: StoreChange,
  { store, isOpenEvidence }: ReductionParts,
): Promise<boolean | null> {
  if (operation !== "update" || typeof id !== "string" || !fields.includes("hasBody")) return false;
  if (!fields.every((field) => field === "hasBody" || CONTENT.has(field))) return false;
  const isOpen = isOpenEvidence(id);
  if (isOpen !== false) return isOpen === null ? null : false;
  const kept = await store.kept([id]);
  return kept.every(({ isWhole, document }) => !isWhole && Object.keys(document).every((name) => !CONTENT.has(name)));
}

/** Judges changes of evidence. What cannot be judged before it is known what is open waits until then. */
export class EvidenceChanges {
  private waiting: ReadonlyMap<unknown, StoreChange> = new Map();

  constructor(private readonly parts: ReductionParts) {}

  /** One of these, or of those that waited, that is somebody else's; it stands for all that follow. Null: there is none. */
  async othersIn(changes: readonly StoreChange[]): Promise<StoreChange | null> {
    const waiting = new Map<unknown, StoreChange>();
    let other: StoreChange | null = null;
    for (const change of [...this.waiting.values(), ...changes]) {
      const isOwn = await isReduction(change, this.parts);
      if (isOwn === false) other = change;
      if (other !== null) break;
      // More is found by a pass, which compares all evidence of what is open.
      if (isOwn === null && waiting.size < WAITING_MAX) waiting.set(change.id, change);
    }
    this.waiting = waiting;
    return other;
  }
}
