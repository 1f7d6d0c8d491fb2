import { expect, it } from "vitest";
import type { AlertView, ElectionView } from "../api/types.js";
import { alertsIn, boundsOf, electionsIn, periodIn } from "./period.js";

const NOW = Date.parse("2026-11-29T15:00:00Z");
const MAY = { from: "2026-05-01", to: "2026-05-31" };
const alert = (id: string, openedAt: string, more: Partial<AlertView> = {}): AlertView =>
  ({ id, openedAt, status: "open", ...more }) as AlertView;

it("is the seven days up to now unless days are written, in whichever order", () => {
  expect(periodIn(null, null, NOW)).toEqual({ from: "2026-11-23", to: "2026-11-29" });
  expect(periodIn("2026-05-31", "2026-05-01", NOW)).toEqual(MAY);
  expect(periodIn("yesterday", "2026-13-45", NOW)).toEqual({ from: "2026-11-23", to: "2026-11-29" });
});

it("ends with the end of its last day", () => {
  expect(boundsOf(MAY)).toEqual({ since: "2026-05-01T00:00:00.000Z", until: "2026-06-01T00:00:00.000Z" });
});

it("has the alerts that stood in it, found earlier too, and not those that were over or came later", () => {
  const over = { status: "resolved", endedAt: "2026-04-30T10:00:00Z" };
  const found = [
    alert("late", "2026-06-01T00:00:00Z"),
    alert("within", "2026-05-31T23:59:59Z"),
    alert("before", "2026-04-01T00:00:00Z"),
    alert("over", "2026-04-01T00:00:00Z", over),
    alert("ended in it", "2026-04-02T00:00:00Z", { ...over, endedAt: "2026-05-01T00:00:00Z" }),
  ];
  expect(alertsIn(found, MAY).alerts.map(({ id }) => id)).toEqual(["before", "ended in it", "within"]);
});

it("has what persons decided in it, in order, whenever the alert was found", () => {
  const step = (n: number, at: string, actor?: string) => ({ n, action: "dismissed", at, ...(actor ? { actor } : {}) });
  const history = [
    step(1, "2026-04-01T00:00:00Z"),
    step(2, "2026-05-03T00:00:00Z", "grace"),
    step(3, "2026-07-01T00:00:00Z", "ada"),
  ];
  const other = [step(1, "2026-05-02T00:00:00Z", "ada")];
  const found = [
    alert("a", "2026-04-01T00:00:00Z", { history }),
    alert("b", "2026-04-01T00:00:00Z", { history: other }),
  ];
  expect(alertsIn(found, MAY).decisions.map(({ alert: { id }, actor }) => `${id} ${actor}`)).toEqual([
    "b ada",
    "a grace",
  ]);
});

it("has its elections, the oldest first", () => {
  const election = (term: number, at: string): ElectionView => ({ term, at }) as ElectionView;
  const all = [
    election(3, "2026-06-01T00:00:00Z"),
    election(2, "2026-05-02T00:00:00Z"),
    election(1, "2026-05-01T00:00:00Z"),
  ];
  expect(electionsIn(all, MAY).map(({ term }) => term)).toEqual([1, 2]);
});
