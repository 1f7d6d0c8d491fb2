import { expect, it } from "vitest";
import type { EventView } from "../../shared/log/event.js";
import { hasOwnEvent } from "./own-events.js";

const from = (...sources: string[]): EventView[] => sources.map((sourceAppId) => ({ sourceAppId }) as EventView);

it("takes every source that is none of the demonstration's for one's own", () => {
  expect(hasOwnEvent(from("auth", "billing", "identity", "warehouse", "admin"))).toBe(false);
  expect(hasOwnEvent(from("auth", "demo", "billing"))).toBe(true);
  expect(hasOwnEvent(from("auth", "shop"))).toBe(true);
  expect(hasOwnEvent([])).toBe(false);
});
