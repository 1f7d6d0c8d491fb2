import { describe, expect, it } from "vitest";
import { UsageError } from "../lib/usage.js";
import { isChosen, NAMES } from "./measurements.js";
import { parseBenchOptions } from "./options.js";

const parse = (...args: string[]) => parseBenchOptions(args, NAMES);

describe("the options of npm run bench", () => {
  it("have the defaults that the documentation names", () => {
    expect(parse()).toEqual({
      seconds: 5,
      rounds: 3,
      clients: [1, 16, 64, 256],
      rates: [500, 1_000, 2_000],
      only: [],
      events: 2_000_000,
      fill: "batch",
      against: ["mongodb", "etcd", "nats"],
      before: null,
      variants: [],
    });
  });

  it("may be made shorter, one by one", () => {
    const { seconds, rounds, clients, against } = parse(
      "--quick",
      "--rounds",
      "5",
      "--clients",
      "64",
      "--against=none",
    );
    expect([seconds, rounds, clients, against]).toEqual([2, 5, [64], []]);
  });

  it("set a variant's environment, once for each --variant", () => {
    const { variants } = parse("--variant", "A_B=1,C=x", "--variant", "D=");
    expect(variants).toEqual([{ A_B: "1", C: "x" }, { D: "" }]);
  });

  it.each([
    ["--only", "appends"],
    ["--against", "cassandra"],
    ["--clients", "0"],
    ["--events", "100"],
    ["--quick", "--only=deep"],
    ["--fill", "slowly"],
    ["--before", "no such folder"],
    ["--variant", "lower=1"],
    ["--seconds", "1.5"],
  ])("refuse %s %s", (...args) => {
    expect(() => parse(...args)).toThrow(UsageError);
  });

  it("choose a whole group or one measurement", () => {
    expect(
      ["append-16", "batch-16", "batch-1", "batch-100"].filter((name) => isChosen(name, ["append", "batch-1"])),
    ).toEqual(["append-16", "batch-1"]);
    expect(isChosen("anything", [])).toBe(true);
  });
});
