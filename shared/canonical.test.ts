import canonicalize from "canonicalize";
import fc from "fast-check";
import { expect, it } from "vitest";
import { canonicalText } from "./canonical.js";

it("writes exactly what the library writes, whether or not the members are in order", () => {
  const keys = fc.oneof(fc.string({ unit: "binary" }), fc.nat(20).map(String), fc.constantFrom("😀", "דּ", "é", "a"));
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.string({ unit: "grapheme" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, true, false, -0, 1e21, 5e-324),
      fc.array(tie("value")),
      fc.dictionary(keys, tie("value"), { noNullPrototype: true }),
    ),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalize(value);
      expect(canonicalText(value)).toBe(text);
      // A second time all is in order: the fast path.
      expect(canonicalText(JSON.parse(text as string))).toBe(text);
    }),
    { numRuns: 2_000 },
  );
});

it("refuses what the library refuses", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [Number.NaN, { a: Number.POSITIVE_INFINITY }, "\ud800", { "\udfff": 1 }, ["\ud800"], 1n, cycle]) {
    expect(() => canonicalText(value)).toThrow();
  }
  expect(() => canonicalText(undefined)).toThrow(TypeError);
  expect(canonicalText({ a: "\\ud800" })).toBe('{"a":"\\\\ud800"}');
});
