import { expect, it } from "vitest";
import { type Height, height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import { GENESIS, STATE_MAC, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { memoryStorage } from "../../test/doubles/memory-storage.js";
import { createVerifier } from "../host/signer.js";
import type { LogStore, NewBlock } from "../storage/port.js";
import { verifyAll } from "./verification.js";

async function storeOf(change: (blocks: NewBlock[]) => NewBlock[]): Promise<LogStore> {
  const log = new TestLog();
  const blocks = [log.block([], { control: GENESIS }), log.block([{}, {}]), log.block([{}]), log.block([{}])];
  const { log: store } = memoryStorage(new MemoryDatabase("a".repeat(32)), {
    nodeId: "n1",
    bootId: "b",
    stateMac: STATE_MAC,
  });
  await store.open();
  for (const stored of change(blocks.map((block) => block.toStore))) await store.insertBlocks([stored]);
  return store;
}

async function verify(log: LogStore, commitHeight = 4) {
  const invalid: [Height, string][] = [];
  const pass = await verifyAll({
    log,
    verifyBlock: blockVerifier(createVerifier()),
    commitHeight: () => height(commitHeight),
    onInvalidBlock: (at, detail) => invalid.push([at, detail]),
  });
  return { pass, invalid };
}

it("verifies every committed block, and none above", async () => {
  const log = await storeOf((blocks) => blocks);
  expect(await verify(log)).toEqual({ pass: { verifiedThrough: 4, lastSequence: 3, invalidAt: null }, invalid: [] });
  expect((await verify(log, 3)).pass).toEqual({ verifiedThrough: 3, lastSequence: 2, invalidAt: null });
});

it("names the first block that was altered, and judges nothing above it", async () => {
  const log = await storeOf((blocks) =>
    blocks.map((stored, i) => {
      if (i !== 2) return stored;
      const payloads = stored.block.payloads.slice();
      payloads[5] = (payloads[5] as number) ^ 1;
      return { ...stored, block: { ...stored.block, payloads } };
    }),
  );
  const { pass, invalid } = await verify(log);
  expect(pass).toEqual({ verifiedThrough: 2, lastSequence: 1, invalidAt: 3 });
  expect(invalid).toEqual([[3, expect.stringContaining("event #2: its hash is not the one")]]);
});

it("names a block that is missing", async () => {
  const log = await storeOf((blocks) => blocks.slice(0, 3));
  const { pass, invalid } = await verify(log);
  expect(pass.invalidAt).toBe(4);
  expect(invalid).toEqual([[4, "the block is missing from the database"]]);
});
