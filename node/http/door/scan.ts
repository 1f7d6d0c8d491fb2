import { numberSurvives } from "./numbers.js";

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
      /** A literal that does not survive as a double. */
      readonly losesNumber: boolean;
      /** Without an escape, strict UTF-8 holds neither a lone surrogate nor (in a JSON string) a NUL. */
      readonly hasUnicodeEscape: boolean;
    }
  | { readonly ok: false; readonly fault: "too_deep" | "too_many" | "unbalanced"; readonly offset: number };

export interface ScanLimits {
  readonly depthMax: number;
  /** Commas, colons and opening brackets: what parsing costs goes by these, not by bytes. */
  readonly partsMax: number;
}

/** Up to 15 significant digits without an exponent always come back from a double. */
const SAFE_CHARACTERS = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const MINUS = 0x2d;

export function scanJson(bytes: Uint8Array, { depthMax, partsMax }: ScanLimits): Scan {
  const closers = new Uint8Array(depthMax);
  let depth = 0;
  let members = 0;
  let parts = 0;
  let losesNumber = false;
  let hasUnicodeEscape = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) {
      for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) {
        if (bytes[i] === BACKSLASH && bytes[++i] === LETTER_U) hasUnicodeEscape = true;
      }
    } else if (isDigit(byte) || byte === MINUS) {
      const end = numberEnd(bytes, i);
      losesNumber ||=
        mayBeLost(bytes, i, end) && !numberSurvives(Buffer.from(bytes.subarray(i, end)).toString("latin1"));
      i = end - 1;
    } else if (byte === 0x3a || byte === 0x2c) {
      if (byte === 0x3a) members++;
      if (++parts > partsMax) return { ok: false, fault: "too_many", offset: i };
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++parts > partsMax) return { ok: false, fault: "too_many", offset: i };
      if (depth === depthMax) return { ok: false, fault: "too_deep", offset: i };
      closers[depth++] = byte + 2;
    } else if (byte === 0x7d || byte === 0x5d) {
      // Stopping here also bounds every later parser: what it nests, this pass has counted.
      if (depth === 0 || closers[--depth] !== byte) return { ok: false, fault: "unbalanced", offset: i };
    }
  }
  return { ok: true, members, losesNumber, hasUnicodeEscape };
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isExponent = (byte: number): boolean => byte === 0x65 || byte === 0x45;

/** Past everything that a number can be written with; whether it is one, the parser decides. */
function numberEnd(bytes: Uint8Array, start: number): number {
  let end = start + 1;
  for (; end < bytes.length; end++) {
    const byte = bytes[end] as number;
    if (!isDigit(byte) && !isExponent(byte) && byte !== 0x2e && byte !== 0x2b && byte !== MINUS) break;
  }
  return end;
}

function mayBeLost(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > SAFE_CHARACTERS) return true;
  for (let i = start; i < end; i++) if (isExponent(bytes[i] as number)) return true;
  return false;
}
