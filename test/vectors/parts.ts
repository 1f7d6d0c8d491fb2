import { fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import { type HashHex, sequence } from "../../shared/ids.js";
import { bodyHash, encodeBody } from "../../shared/log/body.js";
import { type LoggedEvent, logEvent, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import {
  blockIndex,
  indexHash,
  keyValue,
  type Run,
  type TermHash,
  type TermKind,
  termHash,
} from "../../shared/log/index.js";
import { timestampMillis } from "../../shared/timestamp.js";

/** What a text is as a time, and how a record part holds it. */
export interface TimestampVector {
  readonly text: string;
  /** Whole milliseconds since 1970, rounded down; null for a text that is no instant. */
  readonly millis: number | null;
  readonly form: "millis" | "text";
  readonly encoded: string;
}

export interface TermVector {
  readonly kind: TermKind;
  readonly value: string;
  readonly term: string;
  /** The same 8 bytes as a signed number. */
  readonly int64: string;
  readonly check: string;
}

export interface RunVector {
  readonly terms: string[];
  readonly places: string[];
}

export interface IndexVector {
  readonly what: string;
  /** The 16 bytes of each value where they are not SHA-256's: no two names are known whose real terms collide. */
  readonly given?: { readonly kind: TermKind; readonly value: string; readonly hash: string }[];
  readonly events: { eventType: string; sourceAppId: string; idempotencyKey?: string; timestamp: string }[];
  readonly names: RunVector;
  readonly keys: RunVector;
  readonly times: string;
  readonly indexHash: HashHex;
}

/** A body without its block: of erased payloads, which a new block may not have. */
export interface BodyVector {
  readonly what: string;
  readonly firstSequence: number;
  readonly previousHash: HashHex | "";
  readonly sealedAt: string;
  readonly records: string;
  readonly payloads: string;
  readonly bodyHash: HashHex;
  readonly events: { recordText: string; hash: HashHex; payload: string | null; payloadSalt: string | null }[];
}

/** Every form that is taken; those of the first line have the short form. */
export const TIMESTAMPS = [
  ...["2026-05-01T12:00:00.000Z", "0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"],
  ...["2024-02-29T00:00:00.000Z", "1970-01-01T00:00:00.000Z"],
  "2026-05-01T12:00:00Z",
  "2026-05-01T12:00:00.0000Z",
  "2026-05-01T12:00:00.0009999Z",
  "2026-05-01T12:00:00.000z",
  "2026-05-01t12:00:00.000Z",
  "2026-05-01 12:00:00.000Z",
  "2026-05-01T12:00:00.000",
  "2026-05-01T12:00:00.000+00:00",
  "2026-05-01T12:00:00.000-00:00",
  "2026-05-01T14:00:00+02:00",
  "1969-12-31T23:59:59.9999Z",
  "2026-05-01T23:00:00.5-23:59",
];
const NO_INSTANTS = [
  "2026-02-29T00:00:00.000Z",
  "2026-05-01T24:00:00.000Z",
  "2016-12-31T23:59:60.000Z",
  "2026-05-01T12:00:00.Z",
  "2026-05-01T12:00Z",
  "2026-05-01T12:00:00+0200",
  "1 May 2026",
];

const SEALED_AT = "2026-05-01T12:00:00.000Z";
const payload = utf8("{}");
const payloadSalt = new Uint8Array(16);
const plain: PreparedEvent = {
  id: "0".repeat(24),
  eventType: "t",
  timestamp: SEALED_AT,
  sourceAppId: "s",
  payload,
  payloadSalt,
  payloadHash: payloadCommitment(payloadSalt, payload),
};
const logged = (event: Partial<PreparedEvent>, i = 0): LoggedEvent =>
  logEvent({ ...plain, ...event }, { sequence: sequence(i), recordedAt: SEALED_AT, previousHash: "" });

export function timestampVectors(): TimestampVector[] {
  return [...TIMESTAMPS, ...NO_INSTANTS].map((timestamp) => {
    const { records } = encodeBody([logged({ timestamp })]);
    // Behind table, flags, id, and two names of one byte each; before the hash.
    const encoded = records.subarray(4 + 1 + 12 + 3 + 3, -32);
    const form = ((records[4] as number) & 1) === 0 ? "millis" : "text";
    return { text: timestamp, millis: timestampMillis(timestamp), form, encoded: toHex(encoded) };
  });
}

const TERMS: readonly [TermKind, string][] = [
  ["type", "invoice.approved"],
  ["source", "invoice.approved"],
  ["type", "é😀"],
  ["type", "note"],
  ["source", "billing"],
  ["source", "büro"],
  ["key", keyValue("billing", 'order "17"')],
  ["key", keyValue("büro", "batch-9")],
];

export function termVectors(): TermVector[] {
  return TERMS.map(([kind, value]) => {
    const hash = termHash(kind, value);
    const int64 = new DataView(hash.buffer, hash.byteOffset).getBigInt64(0).toString();
    return { kind, value, term: toHex(hash.subarray(0, 8)), int64, check: toHex(hash.subarray(8)) };
  });
}

export const runVector = ({ terms, places }: Run): RunVector => ({
  terms: terms.map((bytes) => toHex(bytes)),
  places: places.map((bytes) => toHex(bytes)),
});

function indexVector(what: string, events: IndexVector["events"], given?: IndexVector["given"]): IndexVector {
  const hashOf: TermHash = (kind, value) => {
    const one = given?.find((other) => other.kind === kind && other.value === value);
    return one === undefined ? termHash(kind, value) : fromHex(one.hash);
  };
  const index = blockIndex(
    events.map((event, i) => logged(event, i)),
    hashOf,
  );
  return {
    what,
    ...(given === undefined ? {} : { given }),
    events,
    names: runVector(index.names),
    keys: runVector(index.keys),
    times: toHex(index.times),
    indexHash: indexHash(index),
  };
}

export function indexVectors(): IndexVector[] {
  const at = (seconds: string): string => `2026-05-01T12:00:${seconds}Z`;
  const one = { eventType: "a", sourceAppId: "s", timestamp: at("00") };
  return [
    indexVector("no events", []),
    indexVector("one event without a key: the times have no differences", [one]),
    indexVector("type and source of the same text are two names", [{ ...one, sourceAppId: "a" }]),
    indexVector("a batch with one key; times that need two bytes, the earliest in the middle", [
      { ...one, idempotencyKey: "k", timestamp: at("00.300") },
      { ...one, idempotencyKey: "k", eventType: "b", timestamp: at("00") },
      { ...one, idempotencyKey: "k", timestamp: at("00.1019") },
    ]),
    indexVector("one key of two sources is two keys", [
      { ...one, idempotencyKey: "k" },
      { ...one, idempotencyKey: "k", sourceAppId: "r" },
    ]),
    indexVector("the widest times", [
      { ...one, timestamp: "9999-12-31T23:59:59.999Z" },
      { ...one, timestamp: "0000-01-01T00:00:00Z" },
    ]),
    indexVector(
      "two names whose terms collide share a term, and each has its group; terms are sorted as unsigned bytes",
      [
        { ...one, eventType: "b" },
        { ...one, eventType: "a" },
        { ...one, eventType: "b", timestamp: at("01") },
      ],
      [
        { kind: "type", value: "a", hash: "8000000000000000ffffffffffffffff" },
        { kind: "type", value: "b", hash: "80000000000000000000000000000001" },
        { kind: "source", value: "s", hash: "7fffffffffffffff0000000000000002" },
      ],
    ),
  ];
}

export function bodyVectors(prepared: readonly PreparedEvent[]): BodyVector[] {
  const events: LoggedEvent[] = [];
  for (const event of prepared) {
    const previousHash = events.at(-1)?.hash ?? "";
    events.push(logEvent(event, { sequence: sequence(events.length), recordedAt: SEALED_AT, previousHash }));
  }
  const nothing = new Uint8Array(0);
  const erased = events.map(
    (event, i): LoggedEvent => (i === 0 ? { ...event, isErased: true, payload: nothing, payloadSalt: nothing } : event),
  );
  return [bodyVector("two events", events), bodyVector("the same, the first one's payload erased", erased)];
}

function bodyVector(what: string, events: readonly LoggedEvent[]): BodyVector {
  const body = encodeBody(events);
  return {
    what,
    firstSequence: 0,
    previousHash: "",
    sealedAt: SEALED_AT,
    records: toHex(body.records),
    payloads: toHex(body.payloads),
    bodyHash: bodyHash(body),
    events: events.map((event) => ({
      recordText: fromUtf8(event.recordBytes),
      hash: event.hash,
      payload: event.isErased === true ? null : fromUtf8(event.payload),
      payloadSalt: event.isErased === true ? null : toHex(event.payloadSalt),
    })),
  };
}
