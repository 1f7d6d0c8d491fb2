import { fromHex, utf8 } from "../../shared/bytes.js";
import { canonicalText, type JsonObject, type JsonValue } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import { type EventRecord, type EventView, payloadCommitment, recordText } from "../../shared/log/event.js";
import type { DifferenceView } from "../api/types.js";
import { unturned } from "../lib/format.js";

/** An event's two hashes, as this browser computes them from its content. */
export interface Recomputed {
  readonly payloadHash: string;
  readonly hash: string;
}

/** Null where the content is none that can be hashed. */
export function recompute(event: EventView): Recomputed | null {
  try {
    const payloadHash = payloadCommitment(fromHex(event.payloadSalt), utf8(canonicalText(event.dataPayload)));
    const { dataPayload: _payload, payloadSalt: _salt, hash: _hash, height: _height, term: _term, ...record } = event;
    return { payloadHash, hash: sha256Hex(utf8(recordText({ ...record, payloadHash } as unknown as EventRecord))) };
  } catch {
    return null;
  }
}

const IN_RECORD = /^(?:id|eventType|timestamp|sourceAppId|idempotencyKey|payloadSalt|hash)$/;

/**
 * The event as it stands in the altered database: the committed one, with each value that was found in the place of the
 * committed value. Null where the finding does not say enough: values that were cut, bytes that are no event.
 */
export function alteredEvent(committed: EventView, differences: readonly DifferenceView[]): EventView | null {
  const altered = structuredClone(committed) as EventView & Record<string, unknown>;
  for (const { field, stored } of differences) {
    if (isCut(stored)) return null;
    if (IN_RECORD.test(field)) put(altered as unknown as Parent, field, stored);
    else if (/^(?:dataPayload|batch)(?=[.[]|$)/.test(field)) {
      const path = pathOf(field);
      if (path === null || !putAt(altered as unknown as Parent, path, stored)) return null;
    } else return null;
  }
  return altered;
}

/** So many characters of a long value are told. */
const isCut = (value: JsonValue | undefined): boolean => typeof value === "string" && value.endsWith("…");

type Parent = { [key: string]: JsonValue };

function put(parent: Parent, key: string, value: JsonValue | undefined): void {
  if (value === undefined) delete parent[key];
  else Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

function putAt(root: Parent, path: readonly string[], value: JsonValue | undefined): boolean {
  let parent: Parent = root;
  for (const key of path.slice(0, -1)) {
    const next: JsonValue | undefined = Object.hasOwn(parent, key) ? parent[key] : undefined;
    if (typeof next !== "object" || next === null) return false;
    parent = next as unknown as Parent;
  }
  put(parent, path.at(-1) as string, value);
  return true;
}

/** `dataPayload.order["a b"][0]` to its keys; null for what is no path. */
export function pathOf(field: string): string[] | null {
  const path: string[] = [];
  let rest = field;
  while (rest !== "") {
    const [step, plain, quoted, index] = /^\.?([\w$-]+)|^\[("(?:[^"\\]|\\.)*")\]|^\[(\d+)\]/.exec(rest) ?? [""];
    if (step === "") return null;
    path.push(plain ?? index ?? (JSON.parse(quoted as string) as string));
    rest = rest.slice(step.length);
  }
  return path;
}

export interface FieldRow {
  readonly field: string;
  readonly committed: string;
  readonly stored: string;
  readonly isOther: boolean;
}

const FIELDS_MAX = 60;
const WORD_OF_NOTHING = "not there";

/** The fields of an event beside each other: those that differ, and around them those that do not. */
export function rowsOf(committed: EventView | null, differences: readonly DifferenceView[]): FieldRow[] {
  const other = new Map(differences.map((one) => [one.field, one]));
  const row = ({ field, stored, expected }: DifferenceView): FieldRow => ({
    field,
    committed: textOf(expected),
    stored: textOf(stored),
    isOther: true,
  });
  if (committed === null) return differences.map(row);
  const same = [
    ...(["eventType", "sourceAppId", "timestamp"] as const).map((name) => [name, committed[name]] as const),
    ...leavesOf("dataPayload", committed.dataPayload),
  ];
  const shown = same.slice(0, FIELDS_MAX).flatMap(([field, value]): FieldRow[] => {
    const found = other.get(field);
    if (found !== undefined) return [];
    // A value whose parent was replaced as a whole stands in the parent's row.
    const isWithin = differences.some((one) => field.startsWith(`${one.field}.`) || field.startsWith(`${one.field}[`));
    return isWithin ? [] : [{ field, committed: textOf(value), stored: textOf(value), isOther: false }];
  });
  const order = new Map(same.map(([field], i) => [field, i]));
  const placeOf = (field: string): number => order.get(field) ?? same.length;
  return [...shown, ...differences.map(row)].sort((a, b) => placeOf(a.field) - placeOf(b.field));
}

function leavesOf(field: string, value: JsonValue): [string, JsonValue][] {
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) return [[field, value]];
  if (Array.isArray(value)) return value.flatMap((item, i) => leavesOf(`${field}[${i}]`, item));
  return Object.entries(value as JsonObject).flatMap(([key, inner]) =>
    leavesOf(/^[\w$-]+$/.test(key) ? `${field}.${key}` : `${field}[${JSON.stringify(key)}]`, inner),
  );
}

const textOf = (value: JsonValue | undefined): string =>
  value === undefined ? WORD_OF_NOTHING : unturned(JSON.stringify(value));
