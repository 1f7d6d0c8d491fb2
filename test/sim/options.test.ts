import { describe, expect, it } from "vitest";
import { parseSimOptions } from "./options.js";

describe("the options of npm run simulate", () => {
  it("one seed is one run, and 500 seeds are run when nothing is said", () => {
    const one = { kind: "one", seed: 7, profile: "mixed", isTraced: true, without: [1, 2], untilMs: undefined };
    expect(parseSimOptions(["--seed", "7", "--without", "1,2", "--trace"])).toEqual(one);
    expect(parseSimOptions([])).toMatchObject({ kind: "many", first: 1, count: 500, forMs: Number.POSITIVE_INFINITY });
    expect(parseSimOptions(["--seed", "5", "--seeds", "2"])).toMatchObject({ kind: "many", first: 5, count: 2 });
    expect(parseSimOptions(["--seeds", "9", "--except", "3,4"])).toMatchObject({ count: 9, except: new Set([3, 4]) });
    expect(parseSimOptions(["--seed", "5", "--minutes", "0.5", "--profile", "lies"])).toMatchObject({
      kind: "many",
      first: 5,
      count: Number.POSITIVE_INFINITY,
      forMs: 30_000,
      profile: "lies",
    });
  });

  it.each([
    [["--seed", "x"], "--seed must be a whole number"],
    [["--seeds", "0"], "--seeds must be a whole number"],
    [["--seed", "1", "--without", "1,,2"], "--without must be a whole number"],
    [["--seeds", "5", "--except", "x"], "--except must be a whole number"],
    [["--minutes", "-1"], "--minutes"],
    [["--minutes", "1", "--seeds", "5"], "exclude each other"],
    [["--profile", "calm"], "--profile takes one of"],
    [["--seeds", "5", "--trace"], "are for one run"],
    [["--sed", "5"], "Unknown option"],
  ])("refuses %s and says why", (args, why) => {
    expect(() => parseSimOptions(args)).toThrow(why);
  });
});
