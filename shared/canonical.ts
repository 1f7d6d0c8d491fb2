import canonicalize from "canonicalize";
import { utf8 } from "./bytes.js";

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

const FAST_DEPTH_MAX = 128;

/**
 * Whether JSON.stringify writes this value as RFC 8785 wants it, lone surrogates aside: members already in the order of
 * their UTF-16 code units (integer-like keys come first whatever was written), nothing that JSON has no word for, and
 * no -0, which is written as 0.
 */
function isInOrder(value: unknown, depth: number): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
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

/** A key that an object keeps where it is put: integer-like ones it moves to the front, `__proto__` it does not keep. */
const isKept = (key: string): boolean => {
  const first = key.charCodeAt(0);
  return !(first >= 0x30 && first <= 0x39) && key !== "__proto__";
};

/** Few are put in order in place: sorting copies them twice. */
const FEW_KEYS = 16;
function sorted(keys: string[]): string[] {
  if (keys.length > FEW_KEYS) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string;
    let at = i;
    for (; at > 0 && (keys[at - 1] as string) > key; at--) keys[at] = keys[at - 1] as string;
    keys[at] = key;
  }
  return keys;
}

/** The same value with members in order; undefined where only the library knows what to do. */
function inOrder(value: unknown, depth: number): JsonValue | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : undefined;
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value !== "object" || depth > FAST_DEPTH_MAX) return undefined;
  if (Array.isArray(value)) {
    const items: JsonValue[] = [];
    for (const item of value) {
      const ordered = inOrder(item, depth + 1);
      if (ordered === undefined) return undefined;
      items.push(ordered);
    }
    return items;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const members: JsonObject = {};
  for (const key of sorted(Object.keys(value))) {
    const ordered = isKept(key) ? inOrder((value as Record<string, unknown>)[key], depth + 1) : undefined;
    if (ordered === undefined) return undefined;
    members[key] = ordered;
  }
  return members;
}

/**
 * RFC 8785 text, and the value that it stands for, as parsing it would give it. Throws on what JSON cannot carry: NaN,
 * infinities, lone surrogates, cycles.
 */
export function canonicalForm(value: unknown): { readonly text: string; readonly value: JsonValue } {
  // The same text, several times as fast as the library's: most payloads, and all that were stored once.
  const ordered = isInOrder(value, 0) ? (value as JsonValue) : inOrder(value, 0);
  if (ordered !== undefined) {
    const fast = JSON.stringify(ordered);
    if (!fast.includes("\\ud")) return { text: fast, value: ordered };
  }
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return { text, value: JSON.parse(text) as JsonValue };
}

/** RFC 8785 text. Throws like `canonicalForm`. */
export const canonicalText = (value: unknown): string => canonicalForm(value).text;

export const canonicalBytes = (value: unknown): Uint8Array => utf8(canonicalText(value));
