import { canonicalText, type JsonObject, type JsonValue } from "../../shared/canonical.js";

/** A text of an alert: whoever alters a database chooses it. */
const TEXT_CHARACTERS_MAX = 4_096;
/** MongoDB takes no document that is much deeper than 100. */
const DEPTH_MAX = 32;
/** Names that a document of MongoDB cannot have, or gives a meaning of its own; and one that an object does not keep. */
const isNotCarried = (name: string): boolean =>
  name.includes("\0") || name.startsWith("$") || name === "__proto__" || cut(name, TEXT_CHARACTERS_MAX) !== name;

/** The first characters of a text, without half of one that takes two. */
export const cut = (text: string, charactersMax: number): string =>
  text.slice(0, charactersMax).replace(/\p{Cs}/gu, "\ufffd");

/**
 * What an alert says, as JSON, BSON and an HMAC over JSON can carry it. It has values, names and texts from a database that
 * somebody altered: one that cannot be stored would keep every later alert from being stored.
 */
export function carried<T>(value: T, depth = 0): T {
  return (value === undefined ? undefined : carriedValue(value, depth)) as T;
}

function carriedValue(value: unknown, depth: number): JsonValue {
  if (typeof value === "string") return cut(value, TEXT_CHARACTERS_MAX);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "boolean" || value === null) return value;
  if (typeof value !== "object") return String(value);
  if (depth >= DEPTH_MAX) return asText(value);
  if (Array.isArray(value)) return value.map((item) => carriedValue(item, depth + 1));
  const names = Object.keys(value);
  const isPlain = Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain || names.some(isNotCarried)) return asText(value);
  const members: JsonObject = {};
  for (const name of names) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    if (member !== undefined) members[name] = carriedValue(member, depth + 1);
  }
  return members;
}

function asText(value: object): string {
  try {
    return cut(canonicalText(value), TEXT_CHARACTERS_MAX);
  } catch {
    return cut(textOfAny(value), TEXT_CHARACTERS_MAX);
  }
}

/** An object from a database may have a member `toString` that is no function. */
export function textOfAny(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
