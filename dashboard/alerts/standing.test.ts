import { expect, it } from "vitest";
import type { AlertView } from "../api/types.js";
import { openCount } from "./standing.js";

it("counts as open what nobody sees to, and what was not told", () => {
  const alerts = ["open", "acknowledged", "open", "repairing"].map((status) => ({ status }) as AlertView);
  expect(openCount({ alerts, more: 0, unreachable: [] })).toBe(2);
  expect(openCount({ alerts, more: 5, unreachable: [] })).toBe(7);
});
