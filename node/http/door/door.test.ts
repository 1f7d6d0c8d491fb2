import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromUtf8, utf8 } from "../../../shared/bytes.js";
import { canonicalText, type JsonValue } from "../../../shared/canonical.js";
import { EVENT_BYTES_MAX_DEFAULT } from "../../../shared/limits.js";
import { payloadCommitment } from "../../../shared/log/event.js";
import { type FieldError, PROBLEMS, ProblemError } from "../../problems.js";
import { admitBatch, admitEvent, type DoorApi } from "./door.js";

const options = { eventBytesMax: EVENT_BYTES_MAX_DEFAULT, now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
const json = (body: string | Uint8Array) => ({
  contentType: "application/json",
  body: typeof body === "string" ? utf8(body) : body,
});
const admit = (body: string, api: DoorApi = "own") => admitEvent(json(body), api, options);
const withPayload = (payload: string) => `{"eventType":"INFO","sourceAppId":"app","dataPayload":${payload}}`;
const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;

/** These bodies take milliseconds; with anything quadratic in them, minutes. A busy machine stays far below. */
const QUADRATIC_MS = 8_000;

function problem(work: () => unknown): { code: string; status: number; errors: readonly FieldError[]; detail: string } {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return {
      code: error.code,
      status: PROBLEMS[error.code].status,
      errors: error.errors,
      detail: error.detail,
    };
  }
  throw new Error("it was accepted");
}
const refused = (payload: string) => problem(() => admit(withPayload(payload)));

/** Said again in the plainest way, to hold the door's two paths against. */
function isHostile(value: JsonValue): boolean {
  const isBroken = (text: string): boolean => text !== Buffer.from(text).toString();
  if (typeof value === "string") return isBroken(value);
  if (value === null || typeof value !== "object") return false;
  if (Array.isArray(value)) return value.some(isHostile);
  return Object.entries(value).some(
    ([key, child]) =>
      ["__proto__", "_bsontype"].includes(key) || key.includes("\0") || isBroken(key) || isHostile(child),
  );
}

/** The integer that a double is written as, digit by digit. */
function shownInteger(value: number): bigint {
  const [mantissa = "", power = "0"] = String(value).split("e+");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return BigInt(whole + fraction) * 10n ** BigInt(Number(power) - fraction.length);
}

describe("the door", () => {
  it("prepares an event: id, salt, commitment, canonical payload, the client's own timestamp text", () => {
    const { event } = admit(
      '{"eventType":"INFO","timestamp":"2026-05-01T12:00:00+02:00","sourceAppId":"app","dataPayload":{"b":1,"a":[-0,1e21,5e-324]}}',
    );
    expect(event.id).toMatch(/^[0-9a-f]{24}$/);
    expect(event.timestamp).toBe("2026-05-01T12:00:00+02:00");
    expect(fromUtf8(event.payload)).toBe('{"a":[0,1e+21,5e-324],"b":1}');
    expect(event.payloadSalt).toHaveLength(16);
    expect(event.payloadHash).toBe(payloadCommitment(event.payloadSalt, event.payload));
    expect(event).not.toHaveProperty("idempotencyKey");
  });

  it("takes the node's clock when no timestamp is sent, and an empty payload", () => {
    expect(admit(withPayload("{}")).event.timestamp).toBe("2026-01-02T03:04:05.006Z");
  });

  it("accepts exactly what can be carried, and returns it canonically equal", () => {
    const codeUnits = fc.array(fc.nat(0xffff), { maxLength: 4 }).map((units) => String.fromCharCode(...units));
    const special = fc.constantFrom(
      "__proto__",
      "_bsontype",
      "a\0b",
      "\ud800",
      "\udc00x",
      "constructor",
      "$set",
      "a.b",
    );
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), codeUnits, special);
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const payloads = fc.object({ key: text, values: [text, number, fc.integer(), fc.constant(null)], maxDepth: 4 });
    fc.assert(
      fc.property(payloads, (payload) => {
        const sent = JSON.stringify(payload);
        const meant = JSON.parse(sent) as JsonValue;
        if (isHostile(meant)) {
          expect(refused(sent).code).toBe("cannot_be_carried");
          return;
        }
        const { event } = admit(withPayload(sent));
        expect(fromUtf8(event.payload)).toBe(canonicalText(meant));
        expect(canonicalText(JSON.parse(fromUtf8(event.payload)))).toBe(canonicalText(meant));
      }),
      { numRuns: 1_000 },
    );
  });

  it("never loses a member: a duplicate key anywhere is refused and named", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", "b", "list"), { maxLength: 5 }),
        fc.string({ unit: "grapheme", maxLength: 5 }).filter((key) => key !== "__proto__" && !key.includes("\0")),
        (path, key) => {
          const k = JSON.stringify(key);
          const inner = `{${k}:1 , ${k}:1e2}`;
          const payload = path.reduceRight(
            (body, part) => (part === "list" ? `{"l":[${body}]}` : `{"${part}":${body}}`),
            inner,
          );
          const { code, errors } = refused(payload);
          expect(code).toBe("cannot_be_carried");
          expect(errors).toHaveLength(1);
          expect(errors[0]?.detail).toContain("twice");
        },
      ),
    );
  });

  it("keeps an integer exactly when the double's shortest form still has all its digits", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), (integer) => {
        const payload = `{"n":${integer}}`;
        if (shownInteger(Number(integer)) === integer) admit(withPayload(payload));
        else expect(refused(payload).errors).toMatchObject([{ pointer: "#/dataPayload/n" }]);
      }),
    );
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const { event } = admit(withPayload(`{"n":${JSON.stringify(number)}}`));
        expect(JSON.parse(fromUtf8(event.payload))).toEqual({ n: number + 0 });
      }),
    );
  });

  it.each([
    ["a lone high surrogate", '{"a":"\\ud800"}', "#/dataPayload/a"],
    ["a lone low surrogate in a list", '{"a":["x","\\udc00"]}', "#/dataPayload/a/1"],
    ["a surrogate key", '{"\\ud83d":1}', "#/dataPayload/%EF%BF%BD"],
    ["a NUL in a key", '{"a\\u0000b":1}', "#/dataPayload/a%00b"],
    ["__proto__", '{"__proto__":{"x":1}}', "#/dataPayload/__proto__"],
    ["__proto__ in escapes", '{"__pr\\u006fto__":1}', "#/dataPayload/__proto__"],
    ["_bsontype deep inside", '{"a":[{"_bsontype":"ObjectId"}]}', "#/dataPayload/a/0/_bsontype"],
    ["a duplicate key", '{"a":1,"a":1}', "#/dataPayload/a"],
    ["a duplicate key in escapes", '{"a":1,"\\u0061":2}', "#/dataPayload/a"],
    ["a duplicate masked by a growing number", '{"abcdefghij":0,"abcdefghij":1,"n":1e20}', "#/dataPayload/abcdefghij"],
    ["an overflow", '{"n":1e999}', "#/dataPayload/n"],
    ["a negative overflow", '{"n":[-1e999]}', "#/dataPayload/n/0"],
    ["an underflow", '{"n":1e-400}', "#/dataPayload/n"],
    ["2^53 + 1", '{"n":9007199254740993}', "#/dataPayload/n"],
    ["2^53 + 1 with a point", '{"n":900719925474099.3e1}', "#/dataPayload/n"],
    ["a fraction above 2^53", '{"n":9007199254740993.5}', "#/dataPayload/n"],
    ["pointer escapes", '{"a/b~c":{"d d":1e999}}', "#/dataPayload/a~1b~0c/d%20d"],
  ])("refuses %s and says where", (_name, payload, pointer) => {
    const { status, errors } = refused(payload);
    expect(status).toBe(400);
    expect(errors.map((error) => error.pointer)).toEqual([pointer]);
  });

  it.each([
    '{"n":9007199254740992}',
    '{"n":9007199254740994}',
    '{"n":100000000000000000000000}',
    '{"n":0.1000000000000000055511151231257827}',
    '{"n":4.9E-324}',
    '{"n":1.7976931348623157e308}',
    '{"n":0e999}',
    '{"n":-0.0}',
    '{"n":1.0}',
    '{"n":123456789012345680000}',
    '{"$where":1,"a.b":{"$ref":"x","$id":1},"":0,"constructor":1,"toString":2,"toJSON":3,"10":1,"9":2}',
    '{"s":"\\u0000\\ud83d\\ude00\\u2028\\"\\\\"}',
    '{"a":{"x":1},"b":{"x":1}}',
  ])("accepts %s", (payload) => {
    const { event } = admit(withPayload(payload));
    expect(canonicalText(JSON.parse(payload))).toBe(fromUtf8(event.payload));
  });

  it("takes 64 levels and refuses 65, in events and in batches", () => {
    const batch = (payload: string) => admitBatch(json(`{"events":[${withPayload(payload)}]}`), options);
    admit(withPayload(nested(64)));
    batch(nested(64));
    expect(refused(nested(65)).code).toBe("cannot_be_carried");
    expect(problem(() => batch(nested(65))).code).toBe("cannot_be_carried");
  });

  it("refuses 10,000 and 100,000 levels at once, whatever the brackets", () => {
    const started = performance.now();
    for (const levels of [10_000, 100_000]) {
      expect(refused(nested(levels)).code).toBe("cannot_be_carried");
      expect(refused("[".repeat(levels)).code).toBe("cannot_be_carried");
      expect(refused("[}".repeat(levels)).code).toBe("malformed_json");
      expect(refused(`[${"[1 ".repeat(levels)}`).code).toBe("cannot_be_carried");
    }
    expect(performance.now() - started).toBeLessThan(QUADRATIC_MS);
  });

  it("spends no long time on a long number or a million faults", () => {
    const started = performance.now();
    expect(refused(`{"n":1${"0".repeat(200_000)}1}`).errors).toHaveLength(1);
    expect(refused(`{"n":0.${"0".repeat(200_000)}1}`).errors).toHaveLength(1);
    const { errors } = refused(`[${"1e999,".repeat(100_000)}1]`);
    expect(errors.length).toBeLessThanOrEqual(100);
    expect(performance.now() - started).toBeLessThan(QUADRATIC_MS);
  });

  it.each([
    ["", "empty"],
    ["{", "line 1, column 2"],
    ['{"a":1,}', "line 1, column 8"],
    ['{"a":\n tru}', "line 2, column 2"],
    ["{'a':1}", "line 1, column 2"],
    ['{"a":1}//x', "line 1, column 8"],
    ['{"a":01}', "line 1"],
    ['{"a":NaN}', "line 1"],
    ['{"a":"\t"}', "not JSON"],
    ['{"a":[1}]', "byte 7"],
  ])("answers malformed JSON %j with its place", (body, place) => {
    const { code, detail } = problem(() => admit(body));
    expect(code).toBe("malformed_json");
    expect(detail).toContain(place);
  });

  it("refuses bytes that are not UTF-8, and takes a byte order mark", () => {
    const bytes = utf8(withPayload('{"a":"x"}'));
    expect(
      problem(() => admitEvent(json(Uint8Array.of(...bytes.slice(0, -4), 0xff, ...bytes.slice(-3))), "own", options))
        .code,
    ).toBe("malformed_json");
    admitEvent(json(Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes)), "own", options);
  });

  it.each([
    undefined,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonx",
    "application/json; charset=latin1",
  ])("answers content type %s with 415", (contentType) => {
    expect(problem(() => admitEvent({ contentType, body: utf8("{}") }, "own", options)).status).toBe(415);
  });
  it.each([
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"',
    "application/problem+json",
  ])("takes content type %s", (contentType) => {
    admitEvent({ contentType, body: utf8(withPayload("{}")) }, "own", options);
  });
});
