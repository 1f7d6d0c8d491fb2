import fc from "fast-check";
import { expect, it } from "vitest";
import { fromHex, toHex, utf8Into } from "./bytes.js";

it("writes any bytes as lower-case hex, and reads them back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(toHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      expect(fromHex(toHex(bytes))).toEqual(bytes);
    }),
  );
});

it("writes the UTF-8 of any text at a place, and touches nothing before it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.nat(5), (text, at) => {
      const bytes = new Uint8Array(at + 3 * text.length).fill(0xee);
      const length = utf8Into(text, bytes, at);
      expect(bytes.subarray(at, at + length)).toEqual(new TextEncoder().encode(text));
      expect(bytes.subarray(0, at).every((byte) => byte === 0xee)).toBe(true);
    }),
  );
});
