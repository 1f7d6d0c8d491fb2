import type { Event } from "./body.js";
import { sha256, sha256Hex, u32 } from "./bytes.js";

/** Terms in their order, and beside each the places of its values. */
export interface Run {
  readonly terms: readonly Buffer[];
  readonly places: readonly Buffer[];
}

/** What a block's header commits to of its index entry. */
export interface CommittedIndex {
  readonly names: Run;
  readonly keys: Run;
  readonly times: Buffer;
}

type Indexed = Pick<Event, "eventType" | "sourceAppId" | "idempotencyKey" | "millis">;
type ValueHash = (kind: string, value: string) => Buffer;

/** Types and sources come again and again. */
const KNOWN_MAX = 4_096;
const known = new Map<string, Buffer>();
function valueHash(kind: string, value: string): Buffer {
  const name = `${kind}\0${value}`;
  const found = known.get(name);
  if (found !== undefined) return found;
  const hashed = sha256(`quorumlog/term/v1\n${name}`);
  if (kind === "key") return hashed;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(name, hashed);
  return hashed;
}

export function indexOf(events: readonly Indexed[], hash: ValueHash = valueHash): CommittedIndex {
  const names = new Map<string, Value>();
  const keys = new Map<string, Value>();
  const add = (values: Map<string, Value>, kind: string, value: string, position: number): void => {
    const name = `${kind}\0${value}`;
    const there = values.get(name);
    if (there === undefined) values.set(name, { hash: hash(kind, value), positions: [position] });
    else there.positions.push(position);
  };
  for (const [i, { eventType, sourceAppId, idempotencyKey }] of events.entries()) {
    add(names, "type", eventType, i);
    add(names, "source", sourceAppId, i);
    if (idempotencyKey !== undefined) add(keys, "key", `${sourceAppId}\0${idempotencyKey}`, i);
  }
  return { names: runOf(names), keys: runOf(keys), times: timesOf(events.map(({ millis }) => millis)) };
}

interface Value {
  readonly hash: Buffer;
  readonly positions: number[];
}

function runOf(values: Map<string, Value>): Run {
  const sorted = [...values.values()].sort((a, b) => Buffer.compare(a.hash, b.hash));
  const terms: Buffer[] = [];
  const places: Buffer[] = [];
  for (const { hash, positions } of sorted) {
    const group = Buffer.alloc(10 + 2 * positions.length);
    hash.copy(group, 0, 8, 16);
    group.writeUInt16BE(positions.length, 8);
    for (const [i, position] of positions.entries()) group.writeUInt16BE(position, 10 + 2 * i);
    const term = hash.subarray(0, 8);
    if (terms.at(-1)?.equals(term)) places.push(Buffer.concat([places.pop() as Buffer, group]));
    else {
      terms.push(term);
      places.push(group);
    }
  }
  return { terms, places };
}

function timesOf(millis: readonly number[]): Buffer {
  if (millis.length === 0) return Buffer.alloc(0);
  const smallest = millis.reduce((a, b) => Math.min(a, b));
  const largest = millis.reduce((a, b) => Math.max(a, b)) - smallest;
  let width = 0;
  while (largest >= 256 ** width && largest > 0) width += 1;
  const bytes = Buffer.alloc(9 + width * millis.length);
  bytes.writeBigInt64BE(BigInt(smallest));
  bytes[8] = width;
  for (const [i, ms] of millis.entries()) {
    let left = ms - smallest;
    for (let at = 8 + width * (i + 1); left > 0; at--, left = Math.floor(left / 256)) bytes[at] = left % 256;
  }
  return bytes;
}

const DOMAIN = Buffer.from("quorumlog/index/v1\n");

export const indexHashOf = ({ names, keys, times }: CommittedIndex): string =>
  sha256Hex(Buffer.concat([DOMAIN, ...runHash(names), ...runHash(keys), sha256(times)]));

const runHash = ({ terms, places }: Run): [Buffer, Buffer] => [
  sha256(Buffer.concat(terms)),
  sha256(Buffer.concat(places.flatMap((one) => [u32(one.length), one]))),
];
