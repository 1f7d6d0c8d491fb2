import { expect, it } from "vitest";
import { isolated, unturned } from "./format.js";

it("writes what would turn the text around it, so that nothing is read in another order than it stands", () => {
  expect(unturned("a\u202eb\u2069c\u200f")).toBe("a\\u202eb\\u2069c\\u200f");
  expect(unturned("مرحبا, 5")).toBe("مرحبا, 5");
  // JSON stays the same JSON.
  const value = { "\u202e": "x\u2066" };
  expect(JSON.parse(unturned(JSON.stringify(value)))).toEqual(value);
});

it("gives a text a direction of its own, out of which it cannot break", () => {
  expect(isolated("مرحبا")).toBe("\u2068مرحبا\u2069");
  expect(isolated("\u2069\u202e5")).toBe("\u2068\\u2069\\u202e5\u2069");
});
