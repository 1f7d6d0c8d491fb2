import { expect, it } from "vitest";
import { chosenMeasurements, NAMES } from "./measurements.js";
import { parseBenchOptions } from "./options.js";
import type { Target } from "./targets/target.js";

const takesSinglesOnly = { name: "other", takes: (work) => work.kind === "append" && work.batch === 1 } as Target;
const takesAll = { name: "all", takes: () => true } as unknown as Target;
const chosen = (...args: string[]) => chosenMeasurements([takesSinglesOnly, takesAll], parseBenchOptions(args, NAMES));

it("a system stands only where it can be compared, and what none of them takes is not measured", () => {
  const labels = chosen("--clients", "16", "--rates", "500").map(({ name, arms }) => [
    name,
    arms.map(({ label }) => label).join(),
  ]);
  // All others are between nodes of Quorumlog, of which there are none here.
  expect(Object.fromEntries(labels)).toEqual({
    "append-16": "other,all",
    "batch-16": "all",
    "open-500": "other,all",
    "read-one-hot-16": "all",
    "page-hot-16": "all",
    "read-one-cold-16": "all",
    "page-cold-16": "all",
    "large-single": "other,all",
    "large-batch": "all",
  });
});

it("reads come after what would be slower in a large log", () => {
  const isOfLargeLog = chosen("--clients", "16").map((measurement) => measurement.isOfLargeLog === true);
  const first = isOfLargeLog.indexOf(true);
  expect(isOfLargeLog.slice(0, first).length).toBeGreaterThan(3);
  expect(chosen("--only", "append,open").some((measurement) => measurement.isOfLargeLog)).toBe(false);
});
