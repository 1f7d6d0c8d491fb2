import { expect, it } from "vitest";
import type { Core } from "./core.js";
import { standBack, TakeOver } from "./transfer.js";

const COOL_DOWN_MS = 1_000;

it("a leader whose blocks reach no majority stands back for longer each time, and as at first after as long a time without", () => {
  const takeOver = new TakeOver();
  /** For how long it stands back from now on. */
  const standsBackFor = (now: number): number => {
    standBack({ takeOver, config: { takeoverCooldownMs: COOL_DOWN_MS }, now } as unknown as Core);
    return takeOver.notBefore - now;
  };
  expect(standsBackFor(5_000)).toBe(2 * COOL_DOWN_MS);
  expect(standsBackFor(takeOver.notBefore)).toBe(4 * COOL_DOWN_MS);
  expect(standsBackFor(takeOver.notBefore + 8 * COOL_DOWN_MS)).toBe(8 * COOL_DOWN_MS);
  expect(standsBackFor(takeOver.notBefore + 16 * COOL_DOWN_MS + 1)).toBe(2 * COOL_DOWN_MS);
});
