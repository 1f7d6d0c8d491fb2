import { expect, it } from "vitest";
import { breakOf } from "./breaks.js";

/** Kinds of alerts that can name an event. */
const KINDS = [
  ...["payload_modified", "record_modified", "header_modified", "hash_rewritten", "link_broken"],
  ...["missing", "truncated_tail", "forged", "signature_invalid", "fork"],
];
const WORD_MAX = "! altered".length;

it("tells each kind of break by its word and sign, and fits a tile", () => {
  const shown = [...KINDS, undefined].map((kind) => `${breakOf(kind).sign} ${breakOf(kind).word}`);
  expect(new Set(shown).size).toBe(KINDS.length + 1);
  for (const text of shown) expect(text.length).toBeLessThanOrEqual(WORD_MAX);
});
