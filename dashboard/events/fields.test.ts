import { expect, it } from "vitest";
import { payloadTexts } from "../../shared/log/filter.js";
import { valuesAt } from "../../shared/log/index.js";
import { fieldsOf } from "./fields.js";

it("shows a long text cut, and filters by all of it", () => {
  const long = "x".repeat(2_000);
  const [field] = fieldsOf({ note: long }).fields;
  expect(field?.text).toBe(`${"x".repeat(500)}… (2000 characters)`);
  expect(field?.condition).toBe(long);
});

it("names values so that a filter by one finds its event", () => {
  const payload = { user: "ada", order: { id: 42, isPaid: true, note: null }, text: "42" };
  for (const { path, condition } of fieldsOf(payload).fields) {
    expect(condition).not.toBeNull();
    expect(payloadTexts(condition ?? "").some((text) => valuesAt(payload, path).includes(text))).toBe(true);
  }
});

it("offers no filter for what a filter does not look into, or what no address has room for", () => {
  const { fields } = fieldsOf({ list: [1, 2], nothing: {}, empty: "", long: "é".repeat(5_000) });
  expect(fields.map(({ path, condition }) => [path, condition])).toEqual([
    ["list", null],
    ["nothing", null],
    ["empty", null],
    ["long", null],
  ]);
});
