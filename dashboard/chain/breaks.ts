/** Patterns that tell one sort of break from another; the tiles and the bars have one for each. */
export type BreakPattern = "changed" | "rewritten" | "gone" | "foreign" | "altered";

/** How a break is shown: by a sign, a word and a pattern, never by a colour alone. */
export interface Break {
  readonly sign: string;
  readonly word: string;
  readonly pattern: BreakPattern;
}

const changed = (word: string): Break => ({ sign: "✎", word, pattern: "changed" });
const gone = (word: string): Break => ({ sign: "∅", word, pattern: "gone" });
const foreign = (word: string): Break => ({ sign: "⚑", word, pattern: "foreign" });

/** By the kind of the alert that names the event. */
const BREAKS: ReadonlyMap<string, Break> = new Map([
  ["payload_modified", changed("payload")],
  ["record_modified", changed("record")],
  ["header_modified", changed("header")],
  ["hash_rewritten", { sign: "⇄", word: "hashes", pattern: "rewritten" }],
  ["link_broken", { sign: "╳", word: "link", pattern: "rewritten" }],
  ["missing", gone("deleted")],
  ["truncated_tail", gone("tail")],
  ["forged", foreign("forged")],
  ["signature_invalid", foreign("seal")],
  ["fork", foreign("fork")],
]);
/** It stands in an altered block, and no alert names it: not yet, or only others of that block. */
const ALTERED: Break = { sign: "!", word: "altered", pattern: "altered" };

export const breakOf = (kind: string | undefined): Break => BREAKS.get(kind ?? "") ?? ALTERED;
