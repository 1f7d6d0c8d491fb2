import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { noteLine, worded } from "./wording.js";

const MINUTES_MS = 60_000;

it("names both timeouts, and whose each is", () => {
  expect(noteLine("n2", { code: "timeouts_differ", node: "n1", theirMs: 9_000, ownMs: 1_000 })).toEqual({
    level: "warn",
    text:
      "ELECTION_TIMEOUT_MS is 9000 on n1, which leads, and 1000 on n2: this node waits for its leader by the leader's. " +
      "Configure all nodes alike.",
  });
});

it.each([
  [7.6 * MINUTES_MS, "8 minutes ahead of"],
  [-480 * MINUTES_MS, "480 minutes behind"],
])("says how far a clock is off: %s ms", (offMs, far) => {
  const said = `is ${far} the members' median: set it right.`;
  expect(noteLine("n2", { code: "own_clock_off", offMs }).text).toContain(`the clock of n2 ${said}`);
  const alert = { alertKind: "clock_off", accused: "n3", finding: { code: "clock_off", offMs } } as const;
  expect(worded(alert).detail).toContain(`the clock of n3 ${said}`);
});

it("words an alert by whom it accuses and where, and keeps the rest of it", () => {
  const of = { alertKind: "bad_leader", accused: "n1", height: height(7) } as const;
  expect(worded({ ...of, finding: { code: "height_skipped", sent: height(9) } })).toEqual({
    ...of,
    detail: "n1 sent block 9, not 7",
  });
});
