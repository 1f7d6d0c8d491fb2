import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import type { LogStore, Storage, StoredBlock } from "../../node/storage/port.js";
import { type Height, height, term } from "../../shared/ids.js";
import { EMPTY_CHAIN, verifyBlock } from "../../shared/log/chain.js";
import { ADMITTED, insert, STATE_MAC, type TestBlock, TestLog } from "./fixtures.js";
import { entryHeights, type StorageHarness } from "./harness.js";
import { indexContract } from "./index-contract.js";
import { hard, stateContract } from "./state-contract.js";

const blocksOf = (store: LogStore): Promise<StoredBlock[]> =>
  store.readBlocks(height(1), { bytesMax: 1 << 30, blocksMax: 10_000 });

/** What every storage must do. `make` is called once a test. */
export function storageContract(name: string, make: () => Promise<StorageHarness>, end?: () => Promise<void>): void {
  describe(`${name}: the storage contract`, () => {
    let harness: StorageHarness;
    let boots = 0;
    const storage = (nodeId = "n1"): Storage =>
      harness.process({ nodeId, bootId: `boot-${++boots}`, stateMac: STATE_MAC });
    const opened = async (): Promise<LogStore> => {
      const { log } = storage();
      await log.open();
      return log;
    };
    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.dispose());
    if (end !== undefined) afterAll(end);

    stateContract({ harness: () => harness, storage, opened });

    describe("blocks", () => {
      it("come back byte for byte, and verify", async () => {
        const log = await opened();
        const chain = new TestLog();
        const payloads = [{ "": 0, $set: { "a.b": [1e21, 5e-324, -1.5, 2 ** 31, 2 ** 53 - 1] } }, { é: "\u0000𝄞" }];
        const blocks = [
          ...TestLog.grow(0).blocks,
          ...TestLog.grow(0).blocks.map((genesis) =>
            chain.fork(genesis).block(payloads.map((dataPayload) => ({ dataPayload }))),
          ),
        ];
        await insert(log, blocks);
        const found = await blocksOf(log);
        expect(found).toEqual(blocks.map(({ stored }) => stored));
        expect(found[1]?.block.records.constructor).toBe(Uint8Array);
        let state = EMPTY_CHAIN;
        for (const { block } of found) {
          const verdict = verifyBlock(state, block, createVerifier());
          if (!verdict.ok) throw new Error(verdict.detail);
          state = verdict.next;
        }
      });

      it("are refused at a height that is taken, by the same block as well", async () => {
        const log = await opened();
        const { log: chain, blocks } = TestLog.grow(1);
        await insert(log, blocks);
        const other = chain.fork(blocks[0] as TestBlock).block([{ dataPayload: { other: true } }]);
        for (const { toStore } of [other, blocks[1] as TestBlock])
          await expect(log.insertBlocks([toStore])).rejects.toMatchObject({ failure: "conflict" });
        expect(await blocksOf(log)).toEqual(blocks.map(({ stored }) => stored));
      });

      it("that another process stored are no success, however equal", async () => {
        const first = await opened();
        const { blocks } = TestLog.grow(1);
        await insert(first, blocks);
        await first.close();
        const second = await opened();
        await expect(second.insertBlocks([(blocks[1] as TestBlock).toStore])).rejects.toMatchObject({
          failure: "conflict",
        });
      });

      it("in doubt do not make another block at that height a success", async () => {
        const log = await opened();
        const { log: chain, blocks } = TestLog.grow(1);
        await insert(log, blocks.slice(0, 1));
        harness.failNextWrite("reply_lost");
        await expect(log.insertBlocks([(blocks[1] as TestBlock).toStore])).rejects.toMatchObject({
          failure: "unknown",
        });
        await log.open();
        const other = chain.fork(blocks[0] as TestBlock).block([{ dataPayload: { other: true } }]);
        await expect(log.insertBlocks([other.toStore])).rejects.toMatchObject({ failure: "conflict" });
      });

      it("are stored several at once, in order, and not where a height is taken", async () => {
        const log = await opened();
        const { blocks } = TestLog.grow(5);
        const stored = blocks.map((it) => it.stored);
        const toStore = blocks.map((it) => it.toStore);
        await insert(log, blocks.slice(0, 1));
        await log.insertBlocks(toStore.slice(1, 3));
        await expect(log.insertBlocks(toStore.slice(2))).rejects.toMatchObject({ failure: "conflict" });
        expect(await blocksOf(log)).toEqual(stored.slice(0, 3));
        await log.insertBlocks(toStore.slice(3));
        expect(await blocksOf(log)).toEqual(stored);
      });

      it("whose insert with others lost its reply may be sent again, all of them or some", async () => {
        const log = await opened();
        const { blocks } = TestLog.grow(4);
        const stored = blocks.map((it) => it.stored);
        const toStore = blocks.map((it) => it.toStore);
        await insert(log, blocks.slice(0, 1));
        harness.failNextWrite("reply_lost");
        await expect(log.insertBlocks(toStore.slice(1, 4))).rejects.toMatchObject({ failure: "unknown" });
        expect((await log.open()).tailHeight).toBe(4);
        await log.insertBlocks(toStore.slice(1));
        expect(await blocksOf(log)).toEqual(stored);
      });

      it("are read within limits, at least one", async () => {
        const log = await opened();
        const { blocks } = TestLog.grow(6);
        await insert(log, blocks);
        const heights = async (from: number, bytesMax: number, blocksMax: number): Promise<number[]> =>
          (await log.readBlocks(height(from), { bytesMax, blocksMax })).map(({ block }) => block.header.height);
        expect(await heights(3, 1 << 20, 3)).toEqual([3, 4, 5]);
        expect(await heights(3, 1, 3)).toEqual([3]);
        expect(await heights(6, 1 << 20, 100)).toEqual([6, 7]);
        expect(await heights(8, 1 << 20, 100)).toEqual([]);
      });

      it("are told at an opening by their heights, the highest first, whatever is missing between them", async () => {
        const log = await opened();
        await insert(log, TestLog.grow(5).blocks);
        await harness.removeBlock(4);
        expect(await log.open()).toMatchObject({ tailHeight: 6, newest: [6, 5, 3, 2, 1] });
      });

      it("are known by their heights, whatever is missing between them", async () => {
        const log = await opened();
        await insert(log, TestLog.grow(5).blocks);
        await harness.removeBlock(3);
        await harness.removeBlock(4);
        const next = (from: number): Promise<Height | null> => log.nextHeight(height(from));
        expect(await Promise.all([0, 2, 3, 4, 6, 7].map(next))).toEqual([1, 2, 5, 5, 6, null]);
      });

      it("of membership are found among the others", async () => {
        const log = await opened();
        const { log: chain, blocks } = TestLog.grow(3);
        blocks.push(chain.block([], { control: { kind: "term_started" }, term: 2 }));
        blocks.push(chain.block([], { control: ADMITTED }));
        blocks.push(chain.block([{}]));
        await insert(log, blocks);
        const found = await log.readMembershipBlocks(height(100));
        expect(found).toEqual([blocks[0]?.stored, blocks[5]?.stored]);
      });

      it("of membership are each node's newest ones up to a height, however many there are", async () => {
        const log = await opened();
        const { log: chain, blocks } = TestLog.grow(3);
        for (const node of ["n2", "n1", "n1"]) blocks.push(chain.block([], { control: { ...ADMITTED, node } }));
        blocks.push(chain.block([{}]), chain.block([], { control: ADMITTED }));
        await insert(log, blocks);
        const heights = async (through: number) =>
          (await log.readMembershipBlocks(height(through))).map(({ block }) => block.header.height);
        expect(await heights(4)).toEqual([1]);
        expect(await heights(6)).toEqual([1, 5, 6]);
        expect(await heights(8)).toEqual([1, 5, 7]);
        expect(await heights(9)).toEqual([1, 5, 9]);
      });

      it("of elections are found newest first, up to a height, as many as wanted", async () => {
        const log = await opened();
        const { log: chain, blocks } = TestLog.grow(2);
        for (const term of [2, 3, 4]) {
          blocks.push(chain.block([], { control: { kind: "term_started" }, term }));
          blocks.push(chain.block([{}]));
        }
        blocks.push(chain.block([], { control: ADMITTED }));
        await insert(log, blocks);
        const heights = async (through: number, blocksMax: number) =>
          (await log.readElectionBlocks(height(through), blocksMax)).map(({ block }) => block.header.height);
        expect(await heights(100, 100)).toEqual([8, 6, 4, 1]);
        expect(await heights(7, 100)).toEqual([6, 4, 1]);
        expect(await heights(100, 2)).toEqual([8, 6]);
        expect(await log.readElectionBlocks(height(4), 1)).toEqual([blocks[3]?.stored]);
      });
    });

    describe("a truncation", () => {
      it("removes the tail, keeps it as evidence, and lets other blocks follow", async () => {
        const log = await opened();
        const { log: chain, blocks } = TestLog.grow(4);
        await insert(log, blocks);
        await log.truncate(height(3), { term: term(2), leaderId: "n2" });
        expect(await blocksOf(log)).toEqual(blocks.slice(0, 2).map(({ stored }) => stored));
        expect(await harness.quarantinedHeights()).toEqual([3, 4, 5]);
        const other = chain.fork(blocks[1] as TestBlock).block([{}], { term: 2 });
        await log.insertBlocks([other.toStore]);
        expect((await log.open()).tailHeight).toBe(3);
      });

      it("lets the very blocks that it removed be stored again", async () => {
        const log = await opened();
        const { blocks } = TestLog.grow(2);
        await insert(log, blocks);
        await log.truncate(height(2), { term: term(2), leaderId: "n2" });
        await insert(log, blocks.slice(1));
        expect(await blocksOf(log)).toEqual(blocks.map(({ stored }) => stored));
      });

      it("leaves an insert that arrives after it to the next one, above a hole or not", async () => {
        const log = await opened();
        const { blocks } = TestLog.grow(4);
        await insert(log, blocks.slice(0, 4));
        harness.failNextWrite("late");
        await expect(log.insertBlocks([(blocks[4] as TestBlock).toStore])).rejects.toMatchObject({
          failure: "unknown",
        });
        await log.open();
        await log.truncate(height(3), { term: term(2), leaderId: "n2" });
        await harness.deliverLate();
        expect((await log.open()).tailHeight).toBe(5);
        await log.truncate(height(3), { term: term(2), leaderId: "n1" });
        expect((await log.open()).tailHeight).toBe(2);
        expect(await blocksOf(log)).toEqual(blocks.slice(0, 2).map(({ stored }) => stored));
        expect(await harness.quarantinedHeights()).toEqual([3, 4, 5]);
      });

      // A late write is a lost one for whoever comes next, until it arrives.
      it.each(["reply_lost", "late"] as const)(
        "interrupted at any write (%s) is finished or not begun, leaves no hole and loses no evidence",
        async (fault) => {
          for (let skip = 0, isDone = false; !isDone; skip++) {
            const log = await opened();
            const { blocks } = TestLog.grow(3);
            await insert(log, blocks);
            harness.failNextWrite(fault, skip);
            const outcome = await log.truncate(height(3), { term: term(2), leaderId: "n2" }).then(
              () => "done",
              (error) => error.failure,
            );
            isDone = !harness.disarm();
            expect(outcome).toBe(isDone ? "done" : "unknown");
            // Another process comes after the crash.
            const next = await opened();
            const left = await blocksOf(next);
            expect([2, 4]).toContain(left.length);
            expect(await entryHeights(next)).toEqual(left.slice(1).map(({ block }) => block.header.height));
            expect(left).toEqual(blocks.slice(0, left.length).map(({ stored }) => stored));
            if (left.length === 2) {
              expect(await harness.quarantinedHeights()).toEqual([3, 4]);
              // What arrives late does not hit what was stored since.
              await insert(next, blocks.slice(2));
            }
            if (fault === "late") await harness.deliverLate();
            expect((await blocksOf(next)).length).toBe(4);
            await next.close();
            await harness.dispose();
            harness = await make();
          }
        },
      );
    });

    describe("a truncation of a process that is paused in it", () => {
      it("takes none of the blocks that its successor has stored meanwhile, at whichever write the pause was", async () => {
        for (let skip = 0, isDone = false; !isDone; skip++) {
          const log = await opened();
          const { log: chain, blocks } = TestLog.grow(3);
          await insert(log, blocks);
          const pause = harness.pauseNextWrite(skip);
          const outcome = log.truncate(height(3), { term: term(2), leaderId: "n2" }).then(
            () => "done",
            (error) => error.failure,
          );
          isDone = await Promise.race([pause.reached.then(() => false), outcome.then(() => true)]);
          // A pause that was not reached must not hold the successor.
          if (isDone) pause.resume();
          const next = await opened();
          await next.truncate(height(3), { term: term(3), leaderId: "n3" });
          const own = chain.fork(blocks[1] as TestBlock);
          const stored = [own.block([{}], { term: 3 }), own.block([{}])];
          await insert(next, stored);
          pause.resume();
          // On a slow machine the paused process gives its write up before it is resumed.
          expect(isDone ? ["done"] : ["not_owner", "unknown"]).toContain(await outcome);
          expect(await blocksOf(next)).toEqual([...blocks.slice(0, 2), ...stored].map((block) => block.stored));
          expect(await entryHeights(next)).toEqual([2, 3, 4]);
          await next.checkOwner();
          await harness.dispose();
          harness = await make();
        }
      });
    });

    describe("the owner", () => {
      it("of another node id keeps its database", async () => {
        const log = await opened();
        await log.saveState(hard(1));
        const foreign = storage("n9").log;
        await expect(foreign.open()).rejects.toMatchObject({
          failure: "unfit",
          message: expect.stringContaining("belongs to node n1"),
        });
        await log.checkOwner();
        await log.saveState(hard(2));
      });

      it("is a later process of the same node; the earlier one finds out and cannot write its state", async () => {
        const earlier = await opened();
        await earlier.saveState(hard(1));
        const later = storage().log;
        expect(await later.open()).toMatchObject({ bootCounter: 2, hardState: hard(1) });
        await expect(earlier.checkOwner()).rejects.toMatchObject({ failure: "not_owner" });
        await expect(earlier.saveState(hard(2))).rejects.toMatchObject({ failure: "not_owner" });
        await expect(earlier.open()).rejects.toMatchObject({ failure: "not_owner" });
        await later.saveState(hard(2));
        await later.checkOwner();
      });

      it("stays the same when a process opens again, and so does the boot counter", async () => {
        const log = await opened();
        const again = await log.open();
        expect(again).toMatchObject({ bootCounter: 1, previousBootCounter: 1 });
        await log.checkOwner();
        await log.saveState(hard(1));
      });
    });

    describe("a server that is killed and started again", () => {
      it("tells the process once, refuses to go on, and has everything that was acknowledged", async () => {
        const { log } = storage();
        await log.open();
        let calls = 0;
        log.onServerChange(() => calls++);
        const { blocks } = TestLog.grow(20);
        await log.saveState(hard(1, "n1"));
        await insert(log, blocks);
        await harness.restartServer();
        await expect.poll(() => calls).toBe(1);
        await expect(log.saveState(hard(2))).rejects.toMatchObject({ failure: "unknown" });
        await expect(blocksOf(log)).rejects.toMatchObject({ failure: "unknown" });
        const second = await log.open();
        expect(second).toMatchObject({ tailHeight: 21, hardState: hard(1, "n1"), bootCounter: 1 });
        expect(await blocksOf(log)).toEqual(blocks.map(({ stored }) => stored));
        await log.saveState(hard(2));
        expect(calls).toBe(1);
      });
    });

    describe("alerts", () => {
      const finding = { kind: "bad_hash", severity: "critical", node: "n1", accused: "n2", height: 4 } as const;
      it("are opened once for one finding, and counted", async () => {
        const { log, alerts } = storage();
        await log.open();
        const first = await alerts.raise({ ...finding, detail: "one" }, "2026-01-01T00:00:00.000Z");
        const again = await alerts.raise({ ...finding, detail: "two" }, "2026-01-01T00:00:01.000Z");
        const other = await alerts.raise({ ...finding, height: 5, detail: "x" }, "2026-01-01T00:00:02.000Z");
        expect(first).toMatchObject({ ...finding, occurrences: 1, status: "open" });
        expect(again).toEqual({ ...first, detail: "two", occurrences: 2, lastSeenAt: "2026-01-01T00:00:01.000Z" });
        expect(await alerts.list(10)).toEqual([other, again]);
        expect(await alerts.list(1)).toEqual([other]);
        expect(await alerts.count()).toBe(2);
        await log.close();
        const next = storage();
        await next.log.open();
        expect(await next.alerts.list(10)).toHaveLength(2);
      });
    });

    indexContract({
      harness: () => harness,
      renew: async () => {
        await harness.dispose();
        harness = await make();
      },
      storage,
      opened,
    });
  });
}
