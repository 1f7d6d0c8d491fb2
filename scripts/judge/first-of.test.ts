import { expect, it } from "vitest";
import { Anomalies } from "./anomalies.js";
import { describeVerdict } from "./cli.js";
import { firstOf } from "./first-of.js";

it("a list that is cut says how much is missing", () => {
  expect(firstOf(["a", "b"], 2)).toEqual(["a", "b"]);
  expect(firstOf(["a", "b", "c", "d"], 2)).toEqual(["a", "b", "and 2 more"]);
  expect(firstOf(["a", "b"], 2, 7)).toEqual(["a", "b", "and 5 more"]);
});

it("a verdict says how many anomalies it does not print, also of those that were only counted", () => {
  const anomalies = new Anomalies();
  for (let i = 0; i < 130; i++) anomalies.add("lost", `event ${i}`);
  anomalies.add("moved", "event 7");
  const totals = {} as never;
  const lines = describeVerdict({ totals, anomalies, events: 1, head: "", nodes: ["n1"] } as never);
  expect(lines.at(-1)).toBe("    and 91 more");
});
