/**
 * One cheap pass over the raw bytes, before anything is parsed. It stops hostile nesting before a recursive function
 * could see it, and finds out whether the parsed value can be trusted to hold all that the text said:
 * `JSON.parse` drops duplicate keys and rounds numbers without a word.
 */
export type Scan =
  | {
      readonly ok: true;
      /** Colons outside strings: exactly one for each object member. Fewer members after parsing: keys were lost. */
      readonly members: number;
      /** A literal whose digits or exponent may not survive as a double. */
      readonly hasRiskyNumber: boolean;
      /** Without an escape, strict UTF-8 holds neither a lone surrogate nor (in a JSON string) a NUL. */
      readonly hasUnicodeEscape: boolean;
    }
  | { readonly ok: false; readonly fault: "too_deep" | "unbalanced"; readonly offset: number };

/** Up to 15 significant digits always come back from a double. */
const SAFE_DIGITS = 15;
/** Below 16 digits, an exponent of two digits can neither overflow nor underflow. */
const SAFE_EXPONENT_DIGITS = 2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

export function scanJson(bytes: Uint8Array, depthMax: number): Scan {
  const closers = new Uint8Array(depthMax);
  let depth = 0;
  let members = 0;
  let digits = 0;
  let exponentDigits = -1;
  let hasRiskyNumber = false;
  let hasUnicodeEscape = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x30 && byte <= 0x39) {
      if (exponentDigits >= 0) exponentDigits++;
      else digits++;
      if (digits > SAFE_DIGITS || exponentDigits > SAFE_EXPONENT_DIGITS) hasRiskyNumber = true;
      continue;
    }
    // A point continues a number, an "e" after digits opens its exponent, a sign may follow there.
    if (byte === 0x2e || ((byte === 0x2b || byte === 0x2d) && exponentDigits === 0)) continue;
    if ((byte === 0x65 || byte === 0x45) && digits > 0) {
      exponentDigits = 0;
      continue;
    }
    digits = 0;
    exponentDigits = -1;
    if (byte === QUOTE) {
      for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) {
        if (bytes[i] === BACKSLASH && bytes[++i] === LETTER_U) hasUnicodeEscape = true;
      }
    } else if (byte === 0x3a) members++;
    else if (byte === 0x7b || byte === 0x5b) {
      if (depth === depthMax) return { ok: false, fault: "too_deep", offset: i };
      closers[depth++] = byte + 2;
    } else if (byte === 0x7d || byte === 0x5d) {
      // Stopping here also bounds every later parser: what it nests, this pass has counted.
      if (depth === 0 || closers[--depth] !== byte) return { ok: false, fault: "unbalanced", offset: i };
    }
  }
  return { ok: true, members, hasRiskyNumber, hasUnicodeEscape };
}
