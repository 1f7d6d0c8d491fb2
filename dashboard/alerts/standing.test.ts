import { expect, it } from "vitest";
import type { AlertView } from "../api/types.js";
import { foundAt, openCount } from "./standing.js";

it("counts as open what nobody sees to, and what was not told", () => {
  const alerts = ["open", "acknowledged", "open", "repairing"].map((status) => ({ status }) as AlertView);
  expect(openCount({ alerts, more: 0, unreachable: [] })).toBe(2);
  expect(openCount({ alerts, more: 5, unreachable: [] })).toBe(7);
});

it("says when what an alert tells was found, also where it was resolved in between", () => {
  const step = (action: string, at: string) => ({ action, at }) as NonNullable<AlertView["history"]>[number];
  const opened = { openedAt: "1", history: [step("opened", "1")] } as unknown as AlertView;
  const history = [step("opened", "1"), step("repaired", "2"), step("reopened", "3"), step("acknowledged", "4")];
  expect([foundAt(opened), foundAt({ ...opened, history })]).toEqual(["1", "3"]);
});
