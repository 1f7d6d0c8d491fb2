import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TIMESTAMP_CHARACTERS_MAX } from "./limits.js";
import {
  compareInstants,
  exactMillis,
  type Instant,
  instantOf,
  isTimestamp,
  millisText,
  timestampMillis,
} from "./timestamp.js";

describe("timestampMillis", () => {
  it.each([
    ["1970-01-01T00:00:00Z", 0],
    ["2024-02-29T12:34:56.789Z", Date.UTC(2024, 1, 29, 12, 34, 56, 789)],
    ["2024-02-29t12:34:56.7z", Date.UTC(2024, 1, 29, 12, 34, 56, 700)],
    ["2024-02-29 12:34:56", Date.UTC(2024, 1, 29, 12, 34, 56)],
    ["2024-01-01T00:00:00.9999999999999999Z", Date.UTC(2024, 0, 1, 0, 0, 0, 999)],
    ["1969-12-31T23:59:59.9999Z", -1],
    ["0000-01-01T00:00:00.000Z", -62167219200000],
    ["2024-01-01T01:30:00+01:30", Date.UTC(2024, 0, 1)],
    ["2023-12-31T19:00:00-05:00", Date.UTC(2024, 0, 1)],
    ["2024-01-01T00:00:00-00:00", Date.UTC(2024, 0, 1)],
    ["0000-01-01T00:00:00Z", -62167219200000],
    ["0099-12-31T23:59:59Z", -59011459201000],
    ["9999-12-31T23:59:59.999Z", 253402300799999],
  ])("reads %s", (text, millis) => {
    expect(timestampMillis(text)).toBe(millis);
  });

  it.each([
    "2023-02-29T00:00:00Z",
    "2023-02-29T00:00:00.000Z",
    "2024-01-01T24:00:00.000Z",
    "2016-12-31T23:59:60.000Z",
    "1900-02-29T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-00-01T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-01-00T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T23:60:00Z",
    "2016-12-31T23:59:60Z",
    "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00+01:60",
    "2024-01-01T00:00:00+0100",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00Z",
    "2024-01-01",
    " 2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00Z\n",
    "+002024-01-01T00:00:00Z",
    "２024-01-01T00:00:00Z",
    "now",
    "",
  ])("refuses %j", (text) => {
    expect(timestampMillis(text)).toBeNull();
  });

  it("reads any number of digits at once", () => {
    const startedAt = performance.now();
    const text = `2024-01-01T00:00:00.${"0".repeat(1_000_000)}1`;
    expect(instantOf(`${text}Z`)?.rest).toHaveLength(999_998);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

it("a timestamp is an instant of at most 64 characters, with a year of four digits in UTC", () => {
  const long = (characters: number): string => `2024-01-01T00:00:00.${"1".repeat(characters - 21)}Z`;
  const texts = [
    long(TIMESTAMP_CHARACTERS_MAX),
    long(TIMESTAMP_CHARACTERS_MAX + 1),
    "9999-12-31T23:59:59-00:01",
    "now",
  ];
  expect(texts.map(isTimestamp)).toEqual([true, false, false, false]);
});

it("exactMillis reads just the texts that millisText writes, whatever else is like them", () => {
  const millis = fc.integer({ min: -62167219200000, max: 253402300799999 }).map((ms) => millisText(ms) as string);
  const put = fc.constantFrom(..."0123456789", " ", "-", ":", ".", "T", "t", "Z", "z", "+", "/", "\uff11", "\n", "");
  fc.assert(
    fc.property(millis, fc.nat(23), put, (text, at, put) => {
      const changed = text.slice(0, at) + put + text.slice(at + 1);
      const isForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(changed);
      const read = isForm ? (instantOf(changed)?.millis ?? null) : null;
      expect(exactMillis(changed)).toBe(read);
      if (read !== null) expect(millisText(read)).toBe(changed);
      expect(timestampMillis(changed)).toBe(instantOf(changed)?.millis ?? null);
    }),
    { numRuns: 5_000 },
  );
});

describe("millisText", () => {
  it("writes what a Date writes, and reads it back, from year 0000 to 9999", () => {
    const millis = fc.integer({ min: -62167219200000, max: 253402300799999 });
    fc.assert(
      fc.property(millis, (ms) => {
        expect(millisText(ms)).toBe(new Date(ms).toISOString());
        expect(exactMillis(millisText(ms) as string)).toBe(ms);
      }),
      { numRuns: 2_000 },
    );
    expect(millisText(-62167219200001)).toBeNull();
    expect(millisText(253402300800000)).toBeNull();
    expect(millisText(0.5)).toBeNull();
  });

  it("calls exact only the one form that it writes", () => {
    for (const text of [
      "2024-01-01T00:00:00Z",
      "2024-01-01t00:00:00.000Z",
      "2024-01-01T00:00:00.000+00:00",
      "2023-02-29T00:00:00.000Z",
    ])
      expect(exactMillis(text)).toBeNull();
  });
});

describe("compareInstants", () => {
  const at = (text: string) => instantOf(text) as Instant;
  it.each([
    ["2024-01-01T00:00:00.0005Z", "2024-01-01T00:00:00Z", 1],
    ["2024-01-01T00:00:00.00050Z", "2024-01-01T00:00:00.0005Z", 0],
    ["2024-01-01T00:00:00.00049Z", "2024-01-01T00:00:00.0005Z", -1],
    ["9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z", 1],
    ["2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000Z", 0],
  ])("compares %s with %s by all their digits", (a, b, sign) => {
    expect(Math.sign(compareInstants(at(a), at(b)))).toBe(sign);
  });
});
