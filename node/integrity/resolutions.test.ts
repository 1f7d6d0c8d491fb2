import { expect, it, vi } from "vitest";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { alertVersion } from "../storage/alert-steps.js";
import type { AlertRecord } from "../storage/port.js";
import { Incidents } from "./incidents.js";
import type { Rebuild } from "./rebuild.js";
import type { Repair } from "./repair.js";
import { Resolutions } from "./resolutions.js";

it("repairs what was found while it repaired, too, before it says that the alert is resolved", async () => {
  const store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)));
  const clock = hastyClock();
  const logger = { error: () => undefined, warn: () => undefined, info: () => undefined };
  const incidents = new Incidents({ nodeId: "n2", store, clock, logger, onStep: () => undefined });
  const note = (at: number): void =>
    incidents.note({ kind: "payload_modified", foundBy: "watch", heights: [at, at], detail: `block ${at}` });
  note(4);
  await incidents.saved();
  const [opened] = incidents.unresolved as [AlertRecord];
  const repaired: AlertRecord["heights"][] = [];
  const repair = {
    refusalOf: () => null,
    run: async ({ heights }: AlertRecord) => {
      repaired.push(heights);
      if (repaired.length === 1) note(6);
    },
  } as unknown as Repair;
  const resolutions = new Resolutions({
    ...{ incidents, store, repair, clock, logger },
    rebuild: { giveUp: () => undefined } as unknown as Rebuild,
    onStep: () => undefined,
    onMended: () => undefined,
    isStopped: () => false,
  });
  const version = alertVersion(opened);
  await resolutions.decide({ id: opened.id, action: "repair", version, actor: "a", reason: "r" });
  await vi.waitFor(() => expect(incidents.find(opened.id)?.status).toBe("resolved"));
  expect(repaired).toEqual([
    [[4, 4]],
    [
      [4, 4],
      [6, 6],
    ],
  ]);
});
