import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { ADMITTED, GENESIS, TestLog } from "../../test/contracts/fixtures.js";
import type { LogStore, StoredBlock } from "../storage/port.js";
import { membersAt, readOne } from "./verified-tail.js";

const log = new TestLog();
const blocks = [GENESIS, ADMITTED, { ...ADMITTED, storeId: "9".repeat(32) }].map((control) =>
  log.block([], { control }),
);
const holding = (stored: readonly StoredBlock[]): LogStore =>
  ({ readBlocks: async () => stored, readMembershipBlocks: async () => stored }) as unknown as LogStore;
const all = holding(blocks.map(({ stored }) => stored));

it("reads a block, and not the one above it where it is gone", async () => {
  expect((await readOne(all, height(1))).block.blockHash).toBe(blocks[0]?.next.blockHash);
  await expect(readOne(all, height(7))).rejects.toThrow("missing from the database, though later blocks are there");
  await expect(readOne(holding([]), height(7))).rejects.toThrow("not in the database any more");
});

it("knows no members without a genesis, and since when one has its store", async () => {
  const hash = async (at: number) => blocks[at - 1]?.next.blockHash as string;
  const found = await membersAt(all, height(3), hash);
  expect([...found.storeSince]).toEqual([[ADMITTED.node, 3]]);
  await expect(membersAt(holding([]), height(3), hash)).rejects.toThrow("does not name the members");
});
