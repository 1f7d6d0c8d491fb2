import { canonical } from "../judge/canonical.js";
import { shown } from "./header.js";

export interface FieldDifference {
  readonly field: string;
  readonly stored?: string;
  readonly expected?: string;
}

/** The smallest values that differ, each with its path. */
export function fieldsThatDiffer(field: string, stored: unknown, expected: unknown): FieldDifference[] {
  if (isParent(stored) && isParent(expected) && Array.isArray(stored) === Array.isArray(expected)) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(stored)])];
    const isList = Array.isArray(expected);
    return names.flatMap((name) =>
      fieldsThatDiffer(pathTo(field, name, isList), own(stored, name), own(expected, name)),
    );
  }
  if (textOf(stored) === textOf(expected)) return [];
  return [
    {
      field,
      ...(stored === undefined ? {} : { stored: shown(stored) }),
      ...(expected === undefined ? {} : { expected: shown(expected) }),
    },
  ];
}

type Parent = Readonly<Record<string, unknown>>;
const isParent = (value: unknown): value is Parent => typeof value === "object" && value !== null;
const own = (value: Parent, name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined);

function textOf(value: unknown): string {
  try {
    return value === undefined ? "" : canonical(value);
  } catch {
    return String(value);
  }
}

function pathTo(field: string, name: string, isList: boolean): string {
  if (isList) return `${field}[${name}]`;
  return /^[\w$-]+$/.test(name) ? `${field}.${name}` : `${field}[${JSON.stringify(name)}]`;
}
