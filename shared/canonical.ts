import canonicalize from "canonicalize";
import { utf8 } from "./bytes.js";

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

/** RFC 8785 text. Throws on what JSON cannot carry: NaN, infinities, lone surrogates, cycles. */
export function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return text;
}

export const canonicalBytes = (value: unknown): Uint8Array => utf8(canonicalText(value));
