import fc from "fast-check";
import { expect, it } from "vitest";
import { toHex, utf8 } from "../../../shared/bytes.js";
import { canonicalText, type JsonObject } from "../../../shared/canonical.js";
import { height, sequence, term } from "../../../shared/ids.js";
import { encodeBody } from "../../../shared/log/body.js";
import { type LoggedEvent, logEvent, payloadCommitment, shownEvent } from "../../../shared/log/event.js";
import { ProvedBodyReader } from "../../../shared/log/proved-body.js";
import { StoredEvent } from "../../../shared/log/stored-event.js";
import { JsonBytes } from "./json-bytes.js";
import { OWN, REFERENCE_A, REFERENCE_B } from "./shapes.js";

const SEALED_AT = "2026-05-01T12:00:00.000Z";
const name = fc.oneof(fc.string({ unit: "grapheme", minLength: 1 }), fc.constantFrom('a"b\\c', "\u007f\u2028é", "x"));
const timestamp = fc.oneof(
  fc.constantFrom("2026-05-01T12:00:00Z", "2026-05-01 12:00:00+02:00", "1969-12-31T23:59:59.9999Z", "never"),
  fc
    .date({ min: new Date(-62_167_219_200_000), max: new Date(253_402_300_799_999), noInvalidDate: true })
    .map((date) => date.toISOString()),
);
const anyEvents = fc
  .array(
    fc.record({
      id: fc.uint8Array({ minLength: 12, maxLength: 12 }).map(toHex),
      eventType: name,
      sourceAppId: name,
      timestamp,
      key: fc.option(name, { nil: undefined }),
      batch: fc.option(fc.constantFrom([0, 1], [999, 1_000]), { nil: undefined }),
      payload: fc.dictionary(name, fc.oneof(name, fc.double({ noNaN: true, noDefaultInfinity: true }))),
      salt: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      isErased: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((made) => {
    const events: LoggedEvent[] = [];
    for (const { key, batch, payload: value, salt, isErased, ...fields } of made) {
      const payload = utf8(canonicalText(value as JsonObject));
      const event = logEvent(
        {
          ...{ ...fields, payload, payloadSalt: salt, payloadHash: payloadCommitment(salt, payload) },
          ...(key === undefined ? {} : { idempotencyKey: key }),
          ...(batch === undefined ? {} : { batch: batch as [number, number] }),
        },
        { sequence: sequence(events.length), recordedAt: SEALED_AT, previousHash: events.at(-1)?.hash ?? "" },
      );
      const empty = new Uint8Array(0);
      events.push(isErased ? { ...event, isErased: true, payload: empty, payloadSalt: empty } : event);
    }
    return events;
  });

const block = { height: height(3), term: term(2), sealedAt: SEALED_AT };
const storedOf = (events: readonly LoggedEvent[]): StoredEvent[] => {
  const place = { firstSequence: sequence(0), eventCount: events.length, sealedAt: SEALED_AT, previousHash: "" };
  const body = new ProvedBodyReader(encodeBody(events), place);
  return events.map((_, i) => new StoredEvent(body, i, block));
};

it("an event is shown from its block's bytes as it is when it is decoded", () => {
  const out = new JsonBytes();
  fc.assert(
    fc.property(anyEvents, fc.constantFrom(OWN, REFERENCE_A, REFERENCE_B), (events, shape) => {
      const texts = events.map((event) => shape.text(shownEvent(event, block)));
      // The second time texts may be kept, and each event has memory of its own.
      for (const time of [1, 2]) {
        for (const event of storedOf(events)) shape.write(out, time === 1 ? event : event.detached());
        expect(out.take().toString()).toBe(texts.join(""));
      }
    }),
    { numRuns: 1_000 },
  );
});

it("each shape has the members of its API, in their order", () => {
  fc.assert(
    fc.property(anyEvents, (events) => {
      for (const logged of events.filter(({ isErased }) => isErased !== true)) {
        const event = shownEvent(logged, block);
        const { id, eventType, sourceAppId, payload, previousHash, hash, ...rest } = event;
        const { idempotencyKey, batch, payloadSalt, payloadHash, recordedAt } = rest;
        const dataPayload = JSON.parse(payload) as JsonObject;
        const isOrdered = JSON.stringify(dataPayload) === payload;
        const own = { v: 1, sequence: event.sequence, id, eventType, timestamp: event.timestamp, sourceAppId };
        const commitment = { payloadSalt, payloadHash, recordedAt };
        const chained = { previousHash, hash, height: 3, term: 2 };
        const a = { _id: id, eventType, timestamp: event.timestamp, sourceAppId, dataPayload, previousHash, hash };
        if (!isOrdered) continue;
        expect(OWN.text(event)).toBe(
          JSON.stringify({ ...own, dataPayload, ...commitment, idempotencyKey, batch, ...chained }),
        );
        expect(REFERENCE_A.text(event)).toBe(JSON.stringify({ ...a, sequence: event.sequence }));
        const b = JSON.parse(REFERENCE_B.text(event)) as Record<string, unknown>;
        expect(Object.keys(b)).toEqual([
          ...["_id", "eventType", "sourceAppId", "dataPayload", "timestamp", "previousHash", "currentHash"],
        ]);
        expect(b).toMatchObject({ _id: id, eventType, sourceAppId, dataPayload, previousHash, currentHash: hash });
      }
    }),
  );
});

it("what does not fit its memory gets more, and the texts before it stay", () => {
  const out = new JsonBytes();
  const long = "é".repeat(300_000);
  out.ascii("[");
  out.quoted(utf8(long), 0, utf8(long).length);
  out.copy(utf8(long), 0, utf8(long).length);
  expect(out.take().toString()).toBe(`["${long}"${long}`);
  out.text("lost");
  out.begin();
  out.hex(Uint8Array.of(0, 171, 255), 0, 3);
  expect(out.take().toString()).toBe("00abff");
});
