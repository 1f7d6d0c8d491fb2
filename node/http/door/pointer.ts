import type { FieldError } from "../../problems.js";

/** Field errors in one answer; beyond this a last line says how many more there are. */
export const FIELD_ERRORS_MAX = 100;
/** Keys are the client's: a pointer longer than this ends at the last whole ancestor. */
const POINTER_CHARACTERS_MAX = 1_000;

/** A JSON pointer as a URI fragment (RFC 6901 section 6). */
export function pointerTo(path: readonly PropertyKey[]): string {
  let pointer = "#";
  for (const part of path) {
    // Cut first: a cut through a surrogate pair leaves a half, which cannot be percent-encoded either.
    const text = String(part)
      .slice(0, POINTER_CHARACTERS_MAX)
      .replaceAll(/\p{Cs}/gu, "\ufffd");
    const next = `${pointer}/${encodeURIComponent(text.replaceAll("~", "~0").replaceAll("/", "~1"))}`;
    if (next.length > POINTER_CHARACTERS_MAX) break;
    pointer = next;
  }
  return pointer;
}

/** What is told of a list of errors that a client can make as long as it likes. */
export function boundErrors(errors: readonly FieldError[], found: number = errors.length): FieldError[] {
  if (found <= FIELD_ERRORS_MAX) return [...errors];
  const shown = errors.slice(0, FIELD_ERRORS_MAX - 1);
  return [...shown, { pointer: "#", detail: `and ${found - shown.length} more errors` }];
}
