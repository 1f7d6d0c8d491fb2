import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import type { KeptDocument } from "../storage/integrity-port.js";
import type { AlertRecord } from "../storage/port.js";
import { Evidence } from "./evidence.js";

/** An alert with these documents as evidence, of which the store says how many it gave at once. */
function setUp(sizes: readonly number[]) {
  let most = 0;
  const all = sizes.map(
    (size, i): KeptDocument => ({
      ...{ id: `e${i}`, height: null, keptAt: "2030-01-01T00:00:00.000Z", isWhole: true },
      document: { a: "x".repeat(size) },
    }),
  );
  const evidence = new Evidence({
    nodeId: "n1",
    store: {
      blocksAt: async () => [],
      kept: async (names) => {
        const found = all.filter(({ id }) => names.includes(id));
        most = Math.max(most, found.length);
        return found;
      },
    },
    log: { readMembershipBlocks: async () => [] },
    peers: { copies: async () => ({ agreeing: [], block: null, frontier: [], contradicting: [] }) },
    committedAt: async () => ({ blockHash: "", previousHash: "" }),
    heldThrough: () => height(9),
    clusterId: () => "c".repeat(64),
    wall: () => "2030-01-01T00:00:00.000Z",
  });
  const alert = { evidence: all.map(({ id }) => id) } as unknown as AlertRecord;
  return { evidence, alert, mostAtOnce: () => most };
}

it("reads documents one at a time, and says how many it has no room for", async () => {
  const { evidence, alert, mostAtOnce } = setUp([5_000_000, 2_000_000, 5_000_000, 1_000]);
  const { evidenceHash, others, omitted } = await evidence.bundle(alert);
  expect(others.map(({ id }) => id)).toEqual(["e0", "e1"]);
  expect(omitted).toEqual({ blocks: 0, documents: 2 });
  expect(await evidence.hashOf(alert)).toBe(evidenceHash);
  expect(mostAtOnce()).toBe(1);
});
