import { BSON } from "mongodb";
import { expect, it } from "vitest";
import { canonicalText } from "../../shared/canonical.js";
import { carried, cut } from "./carried.js";

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

it.each([
  { term: Number.NaN },
  { term: Number.POSITIVE_INFINITY },
  { a: "\ud83d" },
  { a: { "\ud83d": 1 } },
  { a: { $ref: 1 } },
  { a: { "b\0c": 1 } },
  { a: JSON.parse('{"__proto__":1}') },
  { a: deep(600) },
  { a: new BSON.MinKey() },
  { a: new BSON.Binary(new Uint8Array(3)) },
  { a: "x".repeat(20_000_000), ["y".repeat(20_000_000)]: 1 },
  { a: undefined },
])("makes of what somebody has put into a database something that an alert can say", (value) => {
  const shown = { shown: carried<unknown>(value) };
  const text = canonicalText(shown);
  const back = BSON.deserialize(BSON.serialize(shown, { checkKeys: true }));
  expect(canonicalText(back)).toBe(text);
  expect(text.length).toBeLessThan(10_000);
});

it("leaves what can be said as it is", () => {
  const alert = { heights: [[1, 2]], detail: "a 😀", differences: [{ stored: { a: [1, null, true, "é"] } }] };
  expect(carried(alert)).toEqual(alert);
});

it("cuts no character in two", () => {
  expect(cut("ab😀", 3)).toBe("ab\ufffd");
  expect(cut("ab😀", 4)).toBe("ab😀");
});
