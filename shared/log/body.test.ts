import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromUtf8, toHex, utf8 } from "../bytes.js";
import { canonicalText, type JsonObject } from "../canonical.js";
import { sequence } from "../ids.js";
import { type Body, BodyReader, bodyHash, encodeBody, eventBytesBound } from "./body.js";
import { BodyError } from "./body-bytes.js";
import { type LoggedEvent, logEvent, payloadCommitment } from "./event.js";
import { nameHash, ProvedBodyReader } from "./proved-body.js";

const SEALED_AT = "2026-05-01T12:00:00.000Z";
const FIRST = 7;

const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const timestamp = fc.constantFrom(
  "2026-05-01T12:00:00.000Z",
  "2026-05-01T12:00:00Z",
  "0000-01-01T00:00:00.000Z",
  "9999-12-31T23:59:59.999Z",
  "1969-12-31T23:59:59.9999Z",
  "2026-05-01 12:00:00+02:00",
);
const anyEvent = fc.record({
  id: fc.uint8Array({ minLength: 12, maxLength: 12 }).map(toHex),
  eventType: name,
  sourceAppId: name,
  timestamp,
  key: fc.option(name, { nil: undefined }),
  batch: fc.option(fc.constantFrom([0, 1], [2, 3], [999, 1_000]), { nil: undefined }),
  payload: fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" })),
  salt: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  isErased: fc.boolean(),
});
const anyEvents = fc.array(anyEvent, { maxLength: 12 }).map((made) => {
  const events: LoggedEvent[] = [];
  let previousHash = "";
  for (const { key, batch, payload: value, salt, isErased, ...fields } of made) {
    const payload = utf8(canonicalText(value as JsonObject));
    const event = logEvent(
      {
        ...fields,
        payload,
        payloadSalt: salt,
        payloadHash: payloadCommitment(salt, payload),
        ...(key === undefined ? {} : { idempotencyKey: key }),
        ...(batch === undefined ? {} : { batch: batch as [number, number] }),
      },
      { sequence: sequence(FIRST + events.length), recordedAt: SEALED_AT, previousHash },
    );
    previousHash = event.hash;
    const empty = new Uint8Array(0);
    events.push(isErased ? { ...event, isErased: true, payload: empty, payloadSalt: empty } : event);
  }
  return events;
});
const reader = (body: Body, eventCount: number): BodyReader =>
  new BodyReader(body, { firstSequence: sequence(FIRST), eventCount, sealedAt: SEALED_AT, previousHash: "" });

describe("a body", () => {
  it("gives back the exact record texts, payloads and hashes, from its start or up to any event", () => {
    fc.assert(
      fc.property(anyEvents, fc.nat(11), (events, at) => {
        const body = encodeBody(events);
        const texts = (list: readonly LoggedEvent[]) =>
          list.map(({ recordBytes, hash, payload, payloadSalt, isErased }) => [
            fromUtf8(recordBytes),
            hash,
            toHex(payload),
            toHex(payloadSalt),
            isErased,
          ]);
        expect(texts(reader(body, events.length).all())).toEqual(texts(events));
        if (at >= events.length) return;
        const some = reader(body, events.length);
        expect(texts([some.event(at)])).toEqual(texts([events[at] as LoggedEvent]));
        expect(some.length).toBe(at + 1);
      }),
    );
  });

  it("gives any one event alone, once it is proved", () => {
    fc.assert(
      fc.property(anyEvents, fc.nat(11), (events, at) => {
        fc.pre(at < events.length);
        const place = { firstSequence: sequence(FIRST), eventCount: events.length, sealedAt: SEALED_AT } as const;
        const proved = new ProvedBodyReader(encodeBody(events), { ...place, previousHash: "" });
        const { recordBytes: _bytes, ...event } = events[at] as LoggedEvent;
        const [type, source] = [utf8(event.record.eventType), utf8(event.record.sourceAppId)];
        const where = (names: { type?: Uint8Array; source?: Uint8Array }) =>
          events.flatMap((_, i) => (proved.hasNames(i, names) ? [i] : []));
        const those = (of: (event: LoggedEvent) => boolean) => events.flatMap((one, i) => (of(one) ? [i] : []));
        const hasType = ({ record }: LoggedEvent) => record.eventType === event.record.eventType;
        const hasSource = ({ record }: LoggedEvent) => record.sourceAppId === event.record.sourceAppId;
        expect(where({ type })).toEqual(those(hasType));
        expect(where({ source })).toEqual(those(hasSource));
        expect(where({ type, source })).toEqual(those((one) => hasType(one) && hasSource(one)));
        expect(where({ source: utf8("nobody at all") })).toEqual([]);
        const names = (of: "eventType" | "sourceAppId") => events.map(({ record }) => nameHash(utf8(record[of])));
        expect([...proved.nameHashes()]).toEqual([...names("eventType"), ...names("sourceAppId")]);
        expect(proved.event(at)).toEqual(event);
        expect(() => proved.event(events.length)).toThrow(RangeError);
      }),
    );
  });

  it("has one encoding: of all bodies that differ in a byte none reads as another body of the same events", () => {
    fc.assert(
      fc.property(
        anyEvents,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (events, where, xor, inRecords) => {
          fc.pre(events.length > 0);
          const body = encodeBody(events);
          const bytes = (inRecords ? body.records : body.payloads).slice();
          const at = where % bytes.length;
          bytes[at] = (bytes[at] as number) ^ xor;
          const changed = inRecords ? { ...body, records: bytes } : { ...body, payloads: bytes };
          expect(bodyHash(changed)).not.toBe(bodyHash(body));
          let read: readonly LoggedEvent[];
          try {
            read = reader(changed, events.length).all();
          } catch (error) {
            expect(error).toBeInstanceOf(BodyError);
            return;
          }
          // No alteration passes the hash of its event by chance: what was read is written as it was read.
          expect(encodeBody(read)).toEqual(changed);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each<[string, (body: { records: Uint8Array; payloads: Uint8Array }) => void]>([
    ["a byte is left over", (body) => (body.records = Uint8Array.of(...body.records, 0))],
    ["a byte is missing", (body) => (body.payloads = body.payloads.slice(0, -1))],
    ["a table is cut", (body) => (body.records = body.records.slice(0, 3))],
    ["an unknown flag is set", (body) => (body.records[8] = 0x80)],
    ["a payload's tag is unknown", (body) => (body.payloads[8] = 2)],
    ["the ends do not grow", (body) => body.records.copyWithin(0, 4, 8)],
  ])("is refused where %s", (_, damage) => {
    const events = fc.sample(
      anyEvents.filter((made) => made.length === 2),
      { numRuns: 1, seed: 5 },
    )[0] as LoggedEvent[];
    const body = encodeBody(events);
    const copy = { records: body.records.slice(), payloads: body.payloads.slice() };
    damage(copy);
    expect(() => reader(copy, 2).all()).toThrow(BodyError);
  });

  it("is never larger than the bound that is taken before it is made", () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        const body = encodeBody(events);
        const bound = events.reduce((sum, { record, payload, isErased }) => {
          const kept = isErased === true ? new Uint8Array(32) : payload;
          return sum + eventBytesBound({ ...record, payload: kept });
        }, 0);
        expect(body.records.length + body.payloads.length).toBeLessThanOrEqual(bound);
      }),
    );
  });
});
