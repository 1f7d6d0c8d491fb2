import { expect, it } from "vitest";
import { MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import type { StoreChange } from "../storage/integrity-port.js";
import { isReduction } from "./reduction.js";

const AT = "2026-01-01T00:00:00.000Z";

it("takes no change of evidence for its own but that of old documents the content is taken away, as stands there", async () => {
  const store = new MemoryIntegrity([]);
  for (const id of ["old", "open", "whole", "claims"] as const)
    store.quarantine.push({
      ...{ id, height: 3, keptAt: AT, isWhole: id === "whole" },
      document: id === "old" || id === "open" ? { _id: id, header: {} } : { _id: id, payloads: "forged" },
    });
  const isOwn = (id: string, fields: readonly string[], operation = "update"): Promise<boolean> => {
    const change: StoreChange = { operation, collection: "quarantine", id, fields, at: AT };
    return isReduction(change, { store, isOpenEvidence: (one) => one === "open" });
  };
  const reduced = ["hasBody", "records", "payloads", "frontier"];
  expect(await isOwn("old", reduced)).toBe(true);
  expect(await isOwn("old", [], "replace")).toBe(false);
  expect(await isOwn("old", ["payloads"])).toBe(false);
  expect(await isOwn("whole", reduced)).toBe(false);
  expect(await isOwn("claims", reduced)).toBe(false);
  expect(await isOwn("open", reduced)).toBe(false);
});
