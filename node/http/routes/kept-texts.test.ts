import fc from "fast-check";
import { expect, it } from "vitest";
import { KeptTexts } from "./kept-texts.js";

it("gives back the text of an event, or nothing, whatever was kept since", () => {
  const calls = fc.array(fc.record({ sequence: fc.nat(40), length: fc.integer({ min: 1, max: 70 }) }), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(calls, (list) => {
      const texts = new KeptTexts(256, 16);
      const due = new Map<number, string>();
      for (const [n, { sequence, length }] of list.entries()) {
        const text = String.fromCharCode(97 + (n % 26)).repeat(length);
        texts.keep(sequence, sequence * 7, Buffer.from(text));
        due.set(sequence, text);
        expect(Buffer.from(texts.of(sequence, sequence * 7) ?? []).toString()).toBe(text);
        for (const [other, expected] of due) {
          const found = texts.of(other, other * 7);
          if (found !== null) expect(Buffer.from(found).toString()).toBe(expected);
          expect(texts.of(other, other * 7 + 1)).toBeNull();
        }
      }
    }),
  );
});

it("keeps the newest as long as there is room, and nothing that is too large", () => {
  const texts = new KeptTexts(100, 16);
  texts.keep(1, 1, Buffer.alloc(40, "a"));
  texts.keep(2, 2, Buffer.alloc(40, "b"));
  expect([texts.of(1, 1)?.length, texts.of(2, 2)?.length]).toEqual([40, 40]);
  texts.keep(3, 3, Buffer.alloc(101, "c"));
  expect([texts.of(1, 1)?.length, texts.of(3, 3)]).toEqual([40, null]);
  texts.keep(4, 4, Buffer.alloc(40, "d"));
  expect([texts.of(1, 1), texts.of(2, 2)?.length, texts.of(4, 4)?.length]).toEqual([null, 40, 40]);
});
