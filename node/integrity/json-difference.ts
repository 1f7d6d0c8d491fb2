import { canonicalText, type JsonValue } from "../../shared/canonical.js";
import { cut, textOfAny } from "../storage/carried.js";

export interface ValueDifference {
  readonly field: string;
  readonly stored?: JsonValue;
  readonly expected?: JsonValue;
}

/** A longer value is shown as a text that is cut. */
export const VALUE_CHARACTERS_MAX = 1_024;
const DEPTH_MAX = 64;

/** The smallest values that differ, each with its path below `field`. */
export function jsonDifferences(
  field: string,
  stored: JsonValue | undefined,
  expected: JsonValue | undefined,
  depth = 0,
): ValueDifference[] {
  if (
    isParent(stored) &&
    isParent(expected) &&
    Array.isArray(stored) === Array.isArray(expected) &&
    depth < DEPTH_MAX
  ) {
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(stored)])];
    return keys.flatMap((key) =>
      jsonDifferences(pathOf(field, key, Array.isArray(expected)), own(stored, key), own(expected, key), depth + 1),
    );
  }
  if (stored === undefined && expected === undefined) return [];
  if (textOf(stored) === textOf(expected)) return [];
  return [
    {
      field,
      ...(stored === undefined ? {} : { stored: shown(stored) }),
      ...(expected === undefined ? {} : { expected: shown(expected) }),
    },
  ];
}

type Parent = JsonValue & object;
const isParent = (value: JsonValue | undefined): value is Parent => typeof value === "object" && value !== null;

const own = (value: Parent, key: string): JsonValue | undefined =>
  Object.hasOwn(value, key) ? (value as { readonly [key: string]: JsonValue })[key] : undefined;

const pathOf = (field: string, key: string, isArray: boolean): string =>
  isArray ? `${field}[${key}]` : /^[\w$-]+$/.test(key) ? `${field}.${key}` : `${field}[${JSON.stringify(key)}]`;

/** The text of what a database holds in a place of ours, whatever it is. */
function textOf(value: JsonValue | undefined): string {
  if (value === undefined) return "";
  return canonicalOrNull(value) ?? textOfAny(value);
}

function canonicalOrNull(value: JsonValue): string | null {
  try {
    return canonicalText(value);
  } catch {
    return null;
  }
}

function shown(value: JsonValue): JsonValue {
  const text = textOf(value);
  const isPlain = typeof value !== "object" || canonicalOrNull(value) !== null;
  if (text.length <= VALUE_CHARACTERS_MAX && isPlain) return value;
  return `${cut(text, VALUE_CHARACTERS_MAX)}${text.length > VALUE_CHARACTERS_MAX ? "…" : ""}`;
}
