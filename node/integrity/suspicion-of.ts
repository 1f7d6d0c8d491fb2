import type { StoreChange } from "../storage/integrity-port.js";
import type { Suspicion } from "./inspector.js";
import { WHOLE_DOCUMENT } from "./own-difference.js";

/** Why the block is looked at that was changed so. */
export function suspicionOf({ operation, fields, at }: StoreChange): Suspicion {
  const written = operation === "update" ? fields : operation === "replace" ? [WHOLE_DOCUMENT] : [];
  return {
    ...{ foundBy: "watch", changedAt: at },
    ...(written.length === 0 ? {} : { written }),
    ...(operation === "delete" ? { isSealInDoubt: true } : {}),
  };
}

/** What is known of a block that is suspected again: by whom it was found first, and all that was seen of it. */
export function bothOf(before: Suspicion | undefined, suspicion: Suspicion): Suspicion {
  const written = [...(before?.written ?? []), ...(suspicion.written ?? [])];
  return { ...suspicion, ...before, ...(written.length === 0 ? {} : { written }) };
}
