import canonicalize from "canonicalize";
import { utf8 } from "./bytes.js";

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

const FAST_DEPTH_MAX = 128;

/**
 * Whether JSON.stringify writes this value as RFC 8785 wants it, lone surrogates aside: members already in the order of
 * their UTF-16 code units (integer-like keys come first whatever was written), nothing that JSON has no word for.
 */
function isInOrder(value: unknown, depth: number): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object") return typeof value === "string" || typeof value === "boolean";
  if (value === null) return true;
  // Cycles and what is deeper than any event are left to the library.
  if (depth > FAST_DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((item) => isInOrder(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  let previous: string | null = null;
  for (const key of Object.keys(value)) {
    if (previous !== null && previous >= key) return false;
    previous = key;
    if (!isInOrder((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

/** RFC 8785 text. Throws on what JSON cannot carry: NaN, infinities, lone surrogates, cycles. */
export function canonicalText(value: unknown): string {
  // The same text, several times as fast, where nothing has to be sorted: most payloads, and all that were stored once.
  if (isInOrder(value, 0)) {
    const fast = JSON.stringify(value);
    if (!fast.includes("\\ud")) return fast;
  }
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return text;
}

export const canonicalBytes = (value: unknown): Uint8Array => utf8(canonicalText(value));
