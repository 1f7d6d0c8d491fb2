import { expect, it } from "vitest";
import { MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import type { StoreChange } from "../storage/integrity-port.js";
import { EvidenceChanges, isReduction } from "./reduction.js";

const AT = "2026-01-01T00:00:00.000Z";

it("takes no change of evidence for its own but that of old documents the content is taken away, as stands there", async () => {
  const store = new MemoryIntegrity([]);
  for (const id of ["old", "open", "whole", "claims"] as const)
    store.quarantine.push({
      ...{ id, height: 3, keptAt: AT, isWhole: id === "whole" },
      document: id === "old" || id === "open" ? { _id: id, header: {} } : { _id: id, payloads: "forged" },
    });
  const isOwn = (id: string, fields: readonly string[], operation = "update"): Promise<boolean | null> => {
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

it("judges what it cannot judge yet as soon as it is known what is open, and once", async () => {
  const store = new MemoryIntegrity([]);
  for (const id of ["old", "open"])
    store.quarantine.push({ id, height: 3, keptAt: AT, isWhole: false, document: { _id: id } });
  let open: readonly string[] | null = null;
  const changes = new EvidenceChanges({ store, isOpenEvidence: (id) => open?.includes(id) ?? null });
  const reduced = (id: string): StoreChange => ({
    ...{ operation: "update", collection: "quarantine", id, fields: ["hasBody", "payloads"], at: AT },
  });
  expect(await changes.othersIn([reduced("old"), reduced("open"), reduced("open")])).toBeNull();
  expect(await changes.othersIn([])).toBeNull();
  // What cannot be this node's own whatever is open is told at once, and takes no other away.
  const replaced = { ...reduced("x"), operation: "replace" };
  expect(await changes.othersIn([replaced])).toBe(replaced);
  open = ["open"];
  const { kept } = store;
  store.kept = async () => {
    throw new Error("no connection");
  };
  await expect(changes.othersIn([])).rejects.toThrow();
  store.kept = kept;
  expect((await changes.othersIn([]))?.id).toBe("open");
  expect(await changes.othersIn([])).toBeNull();
});

it("remembers a bounded number of changes that it cannot judge yet", async () => {
  const store = new MemoryIntegrity([]);
  let isKnown = false;
  const asked: string[] = [];
  const isOpenEvidence = (id: string): boolean | null => {
    if (isKnown) asked.push(id);
    return isKnown ? false : null;
  };
  const changes = new EvidenceChanges({ store, isOpenEvidence });
  const fields = ["hasBody", "payloads"];
  const many = Array.from({ length: 10_001 }, (_, i) => ({
    ...{ operation: "update", collection: "quarantine", id: `${i}`, fields, at: AT },
  }));
  expect(await changes.othersIn(many)).toBeNull();
  isKnown = true;
  expect([await changes.othersIn([]), asked.length]).toEqual([null, 10_000]);
});
