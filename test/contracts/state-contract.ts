import { describe, expect, it } from "vitest";
import type { HardState } from "../../cluster/types.js";
import type { LogStore, Storage } from "../../node/storage/port.js";
import { term } from "../../shared/ids.js";
import { TestLog } from "./fixtures.js";
import type { StorageHarness } from "./harness.js";

export const hard = (n: number, votedFor: string | null = null): HardState => ({
  term: term(n),
  votedFor,
  joinNonce: "a".repeat(32),
  forming: null,
});

export interface StateFixture {
  /** Of the test that runs. */
  harness(): Pick<StorageHarness, "alterState" | "deliverLate" | "failNextWrite">;
  storage(): Storage;
  opened(): Promise<LogStore>;
}

/** The part of the storage contract that is about a node's term and vote. */
export function stateContract({ harness, storage, opened }: StateFixture): void {
  describe("the hard state", () => {
    it("is null in a new database, and what was saved after that", async () => {
      const log = await opened();
      const forming = TestLog.grow(0).blocks[0]?.stored.block.header.control;
      if (forming?.kind !== "genesis") throw new Error("no genesis");
      const state: HardState = { ...hard(3, "n2"), forming: forming.members };
      await log.saveState(hard(1));
      await log.saveState(state);
      await log.close();
      const found = await storage().log.open();
      expect(found.hardState).toEqual(state);
      expect(found.storeId).toMatch(/^[0-9a-f]{32}$/);
      expect(found).toMatchObject({ bootCounter: 2, previousBootCounter: 1, tailHeight: 0 });
    });

    it("lets no term go back, and stays as it was", async () => {
      const log = await opened();
      await log.saveState(hard(5, "n2"));
      await expect(log.saveState(hard(4))).rejects.toMatchObject({ failure: "conflict" });
      await log.saveState(hard(5, "n2"));
      expect((await log.open()).hardState).toEqual(hard(5, "n2"));
    });

    it.each([{ term: 1_000_000 }, { term: 1 }, { votedFor: "n3" }])(
      "is not believed after somebody set %o in it, and can be replaced",
      async (change) => {
        const log = await opened();
        await log.saveState(hard(5, "n2"));
        expect(await log.open()).toMatchObject({ hardState: hard(5, "n2"), isStateAltered: false });
        await harness().alterState(change);
        expect(await log.open()).toMatchObject({ hardState: null, isStateAltered: true });
        await log.saveState(hard(2, "n1"));
        expect(await log.open()).toMatchObject({ hardState: hard(2, "n1"), isStateAltered: false });
      },
    );

    it("after a lost request, is the old one when read again", async () => {
      const log = await opened();
      await log.saveState(hard(1));
      harness().failNextWrite("request_lost");
      await expect(log.saveState(hard(2, "n2"))).rejects.toMatchObject({ failure: "unknown" });
      await expect(log.saveState(hard(2, "n3"))).rejects.toMatchObject({ failure: "unknown" });
      expect((await log.open()).hardState).toEqual(hard(1));
      await log.saveState(hard(2, "n3"));
    });

    it("after a lost reply, is the new one when read again", async () => {
      const log = await opened();
      await log.saveState(hard(1));
      harness().failNextWrite("reply_lost");
      await expect(log.saveState(hard(2, "n2"))).rejects.toMatchObject({ failure: "unknown" });
      expect((await log.open()).hardState).toEqual(hard(2, "n2"));
    });

    it("is not changed by a write that arrives after it was read again", async () => {
      const log = await opened();
      await log.saveState(hard(1));
      harness().failNextWrite("late");
      await expect(log.saveState(hard(2, "n2"))).rejects.toMatchObject({ failure: "unknown" });
      expect((await log.open()).hardState).toEqual(hard(1));
      await harness().deliverLate();
      await log.saveState(hard(2, "n3"));
      expect((await log.open()).hardState).toEqual(hard(2, "n3"));
    });

    it("is not changed by a write that arrives after a newer one", async () => {
      const log = await opened();
      await log.saveState(hard(1));
      harness().failNextWrite("late");
      await expect(log.saveState(hard(7, "n2"))).rejects.toMatchObject({ failure: "unknown" });
      await log.open();
      await log.saveState(hard(2, "n3"));
      await harness().deliverLate();
      expect((await log.open()).hardState).toEqual(hard(2, "n3"));
    });
  });
}
