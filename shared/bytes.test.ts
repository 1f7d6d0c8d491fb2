import fc from "fast-check";
import { expect, it } from "vitest";
import { fromHex, toHex } from "./bytes.js";

it("writes any bytes as lower-case hex, and reads them back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(toHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      expect(fromHex(toHex(bytes))).toEqual(bytes);
    }),
  );
});
