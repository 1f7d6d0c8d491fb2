import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "../bytes.js";
import type { JsonObject } from "../canonical.js";
import { canonicalText } from "../canonical.js";
import { sequence } from "../ids.js";
import { compareInstants, type Instant, instantOf, millisText } from "../timestamp.js";
import { type LoggedEvent, loggedEvent, payloadCommitment } from "./event.js";
import { type EntryView, type EventFilter, hitsOf, matches, payloadTexts, planOf } from "./filter.js";
import {
  type BlockIndex,
  blockIndex,
  coverOf,
  decodeTimes,
  encodeTimes,
  indexHash,
  OWN_TERMS_MAX,
  ownRun,
  prefixesOf,
  type Run,
  type TermHash,
  TIME_TERMS_MAX,
  termHash,
  valuesAt,
} from "./index.js";

const PATHS = ["user", "order.id", "tags"];
const SALT = new Uint8Array(16);

function eventAt(
  i: number,
  with_: { eventType: string; sourceAppId: string; timestamp: string; key?: string | undefined; payload: JsonObject },
): LoggedEvent {
  const payload = utf8(canonicalText(with_.payload));
  return loggedEvent(
    {
      v: 1,
      sequence: sequence(i),
      id: "00".repeat(12),
      eventType: with_.eventType,
      timestamp: with_.timestamp,
      sourceAppId: with_.sourceAppId,
      payloadHash: payloadCommitment(SALT, payload),
      recordedAt: "2026-01-01T00:00:00.000Z",
      ...(with_.key === undefined ? {} : { idempotencyKey: with_.key }),
      previousHash: "",
    },
    { payload, payloadSalt: SALT },
  );
}

/** An entry as a store gives it back. */
function viewOf(index: BlockIndex, own: Run, count: number): EntryView {
  const places = { names: new Map<string, Uint8Array>(), own: new Map<string, Uint8Array>() };
  for (const [name, run] of [
    ["names", index.names],
    ["own", own],
  ] as const)
    for (const [i, term] of run.terms.entries()) places[name].set(toHex(term), run.places[i] as Uint8Array);
  return {
    count,
    isWide: places.own.has(toHex(termHash("wide", "").subarray(0, 8))),
    placesOf: (term, run) => places[run].get(toHex(term)) ?? null,
    times: index.times,
  };
}

/** Every value of a kind has the same term, and is told apart by the other eight bytes alone. */
const colliding: TermHash = (kind, value) => {
  const hash = termHash(kind, value).slice();
  hash.fill(kind.length, 0, 8);
  return hash;
};

const TYPES = ["a", "a.b", "a.b.c", "b", "é😀.x"];
const SOURCES = ["s1", "s2", "a"];
const base = Date.UTC(2026, 4, 1);
const instant = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.constantFrom("", "5", "49", "500"))
  .map(([ms, rest]) => `${(millisText(base + ms * 7) as string).slice(0, -1)}${rest}Z`);
const anyEvent = fc.record({
  eventType: fc.constantFrom(...TYPES),
  sourceAppId: fc.constantFrom(...SOURCES),
  timestamp: fc.oneof(instant, fc.constantFrom("0000-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00")),
  key: fc.option(fc.constantFrom("k1", "k2"), { nil: undefined }),
  payload: fc.constantFrom<JsonObject>(
    {},
    { user: "ada" },
    { user: "42", order: { id: 42 } },
    { user: 42, tags: ["x", 1, null, true] },
    { order: { id: "42" }, tags: "x" },
    { user: null },
  ),
});
const bound = fc.option(
  instant.map((text) => instantOf(text) as Instant),
  { nil: undefined },
);
const anyFilter: fc.Arbitrary<EventFilter> = fc
  .record({
    eventType: fc.option(fc.constantFrom(...TYPES, "none"), { nil: undefined }),
    sourceAppId: fc.option(fc.constantFrom(...SOURCES, "none"), { nil: undefined }),
    typePrefix: fc.option(fc.constantFrom("a", "a.b", "é😀"), { nil: undefined }),
    payload: fc.option(
      fc.record({
        path: fc.constantFrom(...PATHS),
        texts: fc.constantFrom("ada", "42", "x", "null", "1").map(payloadTexts),
      }),
      { nil: undefined },
    ),
    timestampFrom: bound,
    timestampTo: bound,
    timestampBefore: bound,
  })
  .map(({ payload, ...rest }) => ({
    ...(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as EventFilter),
    ...(payload === undefined ? {} : { payload: [payload] }),
  }));

describe("an index entry", () => {
  it.each<[string, TermHash]>([
    ["plain terms", termHash],
    ["terms that all collide", colliding],
  ])("finds exactly the events that a scan of the block finds, for every filter: %s", (_, hash) => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 30 }), anyFilter, (made, filter) => {
        const events = made.map((one, i) => eventAt(i, one));
        const index = blockIndex(events, hash);
        const own = ownRun(events, PATHS, hash);
        const view = viewOf(index, own, events.length);
        const plan = planOf(filter, hash);
        const scanned = events.flatMap((event, i) => (matches(event, filter) ? [i] : []));
        const { sure, unsure } = hitsOf(plan, view);
        const decided = unsure.filter((i) => matches(events[i] as LoggedEvent, filter));
        expect([...sure, ...decided].sort((a, b) => a - b)).toEqual(scanned);
        // Terms never leave a block out that has a hit.
        if (scanned.length > 0)
          for (const group of plan.groups)
            expect(group.some((term) => view.placesOf(term, "names") ?? view.placesOf(term, "own"))).toBe(true);
        // Without digits beyond a millisecond an entry needs no second look but at an inclusive end.
        if (
          filter.timestampTo === undefined &&
          filter.timestampFrom?.rest !== "5" &&
          filter.timestampBefore === undefined
        )
          if (filter.timestampFrom === undefined || filter.timestampFrom.rest === "") expect(unsure).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  it("of too many own terms says that it is wide, and leaves its own conditions to the block", () => {
    const events = Array.from({ length: 1_000 }, (_, i) =>
      eventAt(i, {
        eventType: `t${i}.x`,
        sourceAppId: `s${i}`,
        timestamp: millisText(base + i * 86_400_000 * 40) as string,
        payload: { user: i, tags: [i, i + 1_000, i + 2_000] },
      }),
    );
    const own = ownRun(events, PATHS);
    expect(own.terms.length).toBe(1);
    const view = viewOf(blockIndex(events), own, events.length);
    expect(view.isWide).toBe(true);
    expect(hitsOf(planOf({ typePrefix: "t7" }), view).unsure.length).toBe(1_000);
    expect(hitsOf(planOf({ typePrefix: "t7", eventType: "t7.x" }), view).unsure).toEqual([7]);
    expect(hitsOf(planOf({ eventType: "t7.x", sourceAppId: "s7" }), view).sure).toEqual([7]);
    expect(ownRun(events.slice(0, 300), PATHS).terms.length).toBeLessThanOrEqual(OWN_TERMS_MAX);
  });

  it("is committed to in every part", () => {
    const events = [1, 2, 3].map((i) =>
      eventAt(i, {
        eventType: `t${i}`,
        sourceAppId: "s",
        timestamp: millisText(base + i) as string,
        key: `k${i}`,
        payload: {},
      }),
    );
    const index = blockIndex(events);
    const hash = indexHash(index);
    const changed = (run: Run): Run[] => [
      { terms: run.terms.slice(1), places: run.places.slice(1) },
      { ...run, places: run.places.toReversed() },
      { ...run, terms: run.terms.toReversed() },
    ];
    const others = [
      ...changed(index.names).map((names) => ({ ...index, names })),
      ...changed(index.keys).map((keys) => ({ ...index, keys })),
      { ...index, times: encodeTimes([base, base, base]) },
      { ...index, names: index.keys, keys: index.names },
    ];
    for (const other of others) expect(indexHash(other)).not.toBe(hash);
    expect(indexHash(blockIndex([]))).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("times", () => {
  it("come back as they were, in as few bytes as their distance needs", () => {
    const anyMillis = fc.array(fc.integer({ min: -62_167_305_600_000, max: 253_402_387_199_999 }), { maxLength: 20 });
    fc.assert(
      fc.property(anyMillis, (millis) => {
        expect(decodeTimes(encodeTimes(millis), millis.length)).toEqual(millis);
      }),
    );
    expect(encodeTimes([5, 5]).length).toBe(9);
    expect(encodeTimes([5, 260]).length).toBe(11);
    expect(() => decodeTimes(encodeTimes([1, 2]), 3)).toThrow(RangeError);
    const wide = new Uint8Array(9 + 2 * 200).fill(255);
    wide[8] = 200;
    expect(() => decodeTimes(wide, 2)).toThrow(RangeError);
  });

  it("of a range are covered by at most 190 slots that hold all of it, and little else", () => {
    const widths = [14, 18, 22, 26, 30, 34, 38, 42].map((bits) => 2 ** bits);
    const millis = fc.integer({ min: -62_167_305_600_000, max: 253_402_387_199_999 });
    fc.assert(
      fc.property(
        millis,
        fc.oneof(
          fc.integer({ min: 0, max: 10_000_000 }),
          fc.nat(2 ** 31 - 1).map((n) => n * 100_000),
        ),
        (from, length) => {
          const to = Math.min(from + length, 253_402_387_199_999);
          const slots = coverOf(from, to)
            .map(
              ({ level, slot }) => [slot * (widths[level] as number), (slot + 1) * (widths[level] as number)] as const,
            )
            .sort((a, b) => a[0] - b[0]);
          expect(slots.length).toBeLessThanOrEqual(TIME_TERMS_MAX);
          expect(slots[0]?.[0]).toBeLessThanOrEqual(from);
          expect(slots.at(-1)?.[1]).toBeGreaterThan(to);
          for (const [i, [start]] of slots.entries()) if (i > 0) expect(start).toBe(slots[i - 1]?.[1]);
          const covered = (slots.at(-1)?.[1] ?? 0) - (slots[0]?.[0] ?? 0);
          expect(covered).toBeLessThanOrEqual((to - from) * 1.5 + 2 * 2 ** 14);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(coverOf(-62_167_305_600_000, 253_402_387_199_999).length).toBeLessThanOrEqual(TIME_TERMS_MAX);
  });
});

it("own terms of time are those of every event, whatever came before it in its block", () => {
  const instants = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(instants, (seconds) => {
      const events = seconds.map((s, i) =>
        eventAt(i, {
          eventType: "a",
          sourceAppId: "s",
          timestamp: millisText(base + s * 5_000_000) as string,
          payload: {},
        }),
      );
      const termsOf = (some: readonly LoggedEvent[]) => ownRun(some, []).terms.map((term) => toHex(term));
      const alone = events.flatMap((event) => termsOf([event]));
      expect(termsOf(events)).toEqual([...new Set(alone)].sort());
    }),
  );
});

it("takes prefixes at dots and values of indexed paths only", () => {
  expect(prefixesOf("invoice.paid.eu")).toEqual(["invoice", "invoice.paid"]);
  expect(prefixesOf("a.b.c.d.e.f.g.h.i.j")).toHaveLength(8);
  expect(valuesAt({ a: { b: [1, "x", {}, null, 1] } }, "a.b")).toEqual(["1", '"x"', "null"]);
  expect(valuesAt({ a: [{ b: 1 }] }, "a.b")).toEqual([]);
  expect(valuesAt({ a: 1 }, "toString")).toEqual([]);
  expect(payloadTexts("42.0")).toEqual(['"42.0"', "42"]);
  expect(payloadTexts("-0")).toEqual(['"-0"', "0"]);
  expect(payloadTexts("1e999")).toEqual(['"1e999"']);
  expect(
    compareInstants(instantOf("2026-01-01T00:00:00Z") as Instant, instantOf("2026-01-01T00:00:00.0Z") as Instant),
  ).toBe(0);
});
