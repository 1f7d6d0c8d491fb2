import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BootState, HardState } from "../../cluster/types.js";
import { type Height, height, term } from "../../shared/ids.js";
import { type Block, hashHeader } from "../../shared/log/block.js";
import { blockVerifier, type ChainState, EMPTY_CHAIN } from "../../shared/log/chain.js";
import type { Control, Member } from "../../shared/log/control.js";
import { ownRun } from "../../shared/log/index.js";
import { ADMITTED, GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { MemoryLogStore } from "../../test/doubles/memory-log-store.js";
import { MemoryReader } from "../../test/doubles/memory-reader.js";
import { systemClock } from "../clock.js";
import { createVerifier, deriveSigner } from "../host/signer.js";
import { entryOf } from "../storage/entries.js";
import { IdentityFile } from "../storage/identity.js";
import type { IndexEntry, StoredBlock, StoredEntry } from "../storage/port.js";
import { stateMacOf } from "../storage/state-mac.js";
import { Anchors } from "./anchors.js";
import type { Remembered } from "./memory.js";
import { type RecoveryOptions, recover } from "./recovery.js";

let folder = "";
let database = new MemoryDatabase("");
const warnings: string[] = [];
let starts = 0;
let afterOpening = (_from: Height): void => undefined;
const missing: number[] = [];
const invalid = new Set<number>();
let walked = 0;
let reads = 0;
beforeEach(() => {
  missing.length = 0;
  afterOpening = () => undefined;
  folder = mkdtempSync(join(tmpdir(), "quorumlog-recovery-"));
  database = new MemoryDatabase("1".repeat(32));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** One start of the node's process, or a recovery of a living one, up to what it then knows. */
async function recoverWith(
  remembered: Remembered | null,
  living?: IdentityFile,
  {
    verifiedTail,
    onInvalidBlock,
    memberCount = 3,
  }: Partial<Pick<RecoveryOptions, "verifiedTail" | "onInvalidBlock" | "memberCount">> = {},
): Promise<BootState> {
  warnings.length = 0;
  invalid.clear();
  walked = 0;
  reads = 0;
  starts += 1;
  const identity = living ?? (await IdentityFile.open(folder, "n1"));
  const log = new MemoryLogStore(database, {
    nodeId: "n1",
    bootId: `boot ${starts}`,
    stateMac: stateMacOf(identity.seed),
  });
  const readBlocks = log.readBlocks.bind(log);
  log.readBlocks = (from, limit) => {
    afterOpening(from);
    reads += 1;
    return readBlocks(from, limit);
  };
  const nextHeight = log.nextHeight.bind(log);
  log.nextHeight = (from) => {
    reads += 1;
    return nextHeight(from);
  };
  const reader = new MemoryReader(database, { assertReadable: () => undefined });
  const readHeaders = reader.readHeaders.bind(reader);
  reader.readHeaders = async (from, to) => {
    const headers = await readHeaders(from, to);
    walked += headers.length;
    return headers;
  };
  const anchors = new Anchors({
    store: log,
    reader,
    heldThrough: () => height(0),
    inOrder: (write) => write(),
    onWarning: () => undefined,
  });
  const { boot } = await recover({
    log,
    identity,
    clock: systemClock,
    verifyBlock: blockVerifier(createVerifier()),
    memberCount,
    remembered,
    publishedHeight: remembered === null ? null : remembered.committed.height,
    verifiedTail,
    committedBelow: (from) => anchors.below(from),
    onCommitted: () => undefined,
    entryOf: ({ events, index }) => (index === null ? null : { index, own: ownRun(events, []) }),
    onDifferingEntries: async (due) => {
      missing.push(...due.map(({ block }) => block.header.height));
    },
    onWarning: (text) => warnings.push(text),
    onInvalidBlock: onInvalidBlock ?? ((at) => invalid.add(at)),
  });
  return boot;
}

/** What was found and is no alert yet. */
const found = async () => (await IdentityFile.open(folder, "n1")).identity.found;
/** As its node does once it has made alerts of it. */
const raise = async (): Promise<void> => (await IdentityFile.open(folder, "n1")).update({ found: [] });

const start = async (): Promise<HardState> => (await recoverWith(null)).hardState;

/** A voter of the log that `TestLog` begins. */
async function startAdmitted(): Promise<void> {
  const hardState = await start();
  const { joinNonce } = (GENESIS as Extract<Control, { kind: "genesis" }>).members[0] as Member;
  const { seed } = await IdentityFile.open(folder, "n1");
  const log = new MemoryLogStore(database, { nodeId: "n1", bootId: `boot ${starts}`, stateMac: stateMacOf(seed) });
  await log.open();
  await log.saveState({ ...hardState, joinNonce });
  await log.close();
}

const startedTwice = async (): Promise<HardState> => {
  await start();
  return start();
};

it("recognises a database that went back by one start also when the start that found out did not get to its new join", async () => {
  await start();
  const copy = database.state;
  const { joinNonce } = await start();
  database.state = copy;

  // After the claim of the database, as the new join is saved.
  database.failNextWrite("not_stored", 1);
  await expect(start()).rejects.toThrow("refused the write");
  expect(database.disarm()).toBe(true);
  expect((await start()).joinNonce).not.toBe(joinNonce);
  expect(warnings[0]).toContain("went back to an earlier start");
});

it("joins anew once for a database that went back by several starts", async () => {
  await start();
  const copy = database.state;
  await startedTwice();
  await startedTwice();
  database.state = copy;

  const { joinNonce } = await start();
  expect(warnings).toHaveLength(1);
  expect(await start()).toMatchObject({ joinNonce });
  expect(warnings).toEqual([]);
});

it("joins anew once for a database that was lost, and not at each later start", async () => {
  const before = await startedTwice();
  const identity = await IdentityFile.open(folder, "n1");
  await identity.update({ votedTerm: 1 });
  database = new MemoryDatabase("2".repeat(32));

  const { joinNonce } = await start();
  expect(joinNonce).not.toBe(before.joinNonce);
  expect(warnings).toHaveLength(1);
  for (let later = 0; later < 3; later++) {
    expect(await start()).toMatchObject({ joinNonce });
    expect(warnings).toEqual([]);
  }
});

it("forgets which blocks an identity has noted that is lost: pages under another secret would be called altered", async () => {
  await start();
  const page = { clusterId: "c".repeat(64), hashes: new Uint8Array(64), mac: "of the one before" };
  database.anchors.set(0, page);
  await start();
  expect(database.anchors.get(0)).toBe(page);
  rmSync(join(folder, "identity.json"));
  // Also where the first start with the new one dies at once.
  database.failNextWrite("not_stored");
  await expect(start()).rejects.toThrow("refused the write");
  expect(database.anchors.get(0)).toBe(page);
  await start();
  expect(warnings.join()).toContain("its identity file is new");
  expect(database.anchors.size).toBe(0);
});

it("takes the database of a new node for its own after the answer to its first write was lost", async () => {
  const identity = await IdentityFile.open(folder, "n1");
  // After the claim of the database and the making of its index, as its first state is saved.
  database.failNextWrite("reply_lost", 2);
  await expect(recoverWith(null, identity)).rejects.toMatchObject({ failure: "unknown" });
  expect(database.state?.hard).not.toBeNull();
  await recoverWith(null, identity);
  expect(warnings).toEqual([]);
});

it.each([{ votedFor: "n3" }, { term: 900 }])("joins anew once after somebody set %o in its state", async (change) => {
  const { joinNonce } = await start();
  expect((await start()).joinNonce).toBe(joinNonce);
  const { state } = database;
  if (state?.hard == null) throw new Error("no state was saved");
  database.state = { ...state, hard: { ...state.hard, ...change } as HardState };
  const after = await start();
  expect(warnings.join()).toContain("not what it wrote there");
  expect(after.joinNonce).not.toBe(joinNonce);
  expect(after).toMatchObject({ term: 0, votedFor: null });
  expect(await start()).toEqual(after);
  expect(warnings).toEqual([]);
});

it("of a living process goes on from what the process knew to be committed, if it is still there", async () => {
  const hardState = await start();
  const { log, blocks } = TestLog.grow(3);
  const fork = log.fork(blocks[2] as TestBlock).block([{ dataPayload: { other: true } }]);
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const committed = blocks[3]?.next as ChainState;
  expect(await recoverWith(null)).toMatchObject({ commitHeight: 2 });
  const remembered = { hardState, durable: committed, heldThrough: 4 };
  expect(await recoverWith({ ...remembered, committed })).toMatchObject({ commitHeight: 4 });
  expect(await recoverWith({ ...remembered, committed: fork.next })).toMatchObject({ commitHeight: 2 });
});

// An insert of a replaced tail arrives: above a hole, or right above the tail that took its place.
describe.each([{ own: 3 }, { own: 5 }])("an insert that arrives late above $own own blocks", ({ own }) => {
  const remember = (hardState: HardState, blocks: readonly TestBlock[], heldThrough: number): Remembered => {
    const [committed, durable] = [blocks[1]?.next as ChainState, blocks[own - 1]?.next as ChainState];
    return { hardState, committed, durable, heldThrough };
  };
  const put = (blocks: readonly TestBlock[]): void => {
    for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  };
  const late = (first: TestBlock): TestBlock => {
    const log = new TestLog().fork(first);
    return [2, 3, 4, 5, 6]
      .map(() => log.block([{ dataPayload: { other: true } }], { commitHeight: 1 }))
      .at(-1) as TestBlock;
  };

  it("goes to quarantine, and the process that knows what it held goes on as it is", async () => {
    const hardState = await start();
    const { blocks } = TestLog.grow(4);
    const stray = late(blocks[0] as TestBlock);
    put([...blocks.slice(0, own), stray]);
    const boot = await recoverWith(remember(hardState, blocks, own));
    expect(boot.hardState).toEqual(hardState);
    expect((boot.tail.at(-1)?.next ?? boot.base).blockHash).toBe(blocks[own - 1]?.next.blockHash);
    expect([...database.quarantined.values()]).toEqual([stray.stored]);
    expect(warnings.join()).toContain("arrived late");
  });

  it("makes a later process join anew, which cannot know that nothing else is gone", async () => {
    const hardState = await start();
    const { blocks } = TestLog.grow(4);
    put([...blocks.slice(0, own), late(blocks[0] as TestBlock)]);
    const boot = await recoverWith(null);
    expect(boot.hardState.joinNonce).not.toBe(hardState.joinNonce);
    expect((boot.tail.at(-1)?.next ?? boot.base).height).toBe(own);
    expect((await start()).joinNonce).toBe(boot.hardState.joinNonce);
  });

  it("makes a process join anew that held more than is left", async () => {
    const hardState = await start();
    const { blocks } = TestLog.grow(4);
    put([...blocks.slice(0, own), late(blocks[0] as TestBlock)]);
    const boot = await recoverWith(remember(hardState, blocks, own + 1));
    expect(boot.hardState.joinNonce).not.toBe(hardState.joinNonce);
  });

  it("is one as well in a log that is being copied since its node lost it, and does not reach to the mark yet", async () => {
    await start();
    const { blocks } = TestLog.grow(9);
    const identity = await IdentityFile.open(folder, "n1");
    identity.recordMark({ term: term(1), height: height(9), hash: blocks[8]?.next.blockHash as string });
    await identity.close();
    const { joinNonce } = await start();
    const stray = late(blocks[0] as TestBlock);
    put([...blocks.slice(0, own), stray]);
    const boot = await recoverWith(null);
    expect(boot.hardState.joinNonce).not.toBe(joinNonce);
    expect((boot.tail.at(-1)?.next ?? boot.base).height).toBe(own);
    expect([...database.quarantined.values()]).toEqual([stray.stored]);
  });

  it("is none if a block below is not what the node held", async () => {
    const hardState = await start();
    const { blocks } = TestLog.grow(4);
    put([...blocks.slice(0, own), late(blocks[0] as TestBlock)]);
    const remembered = remember(hardState, blocks, own);
    const other = { ...remembered.durable, blockHash: "f".repeat(64) };
    await expect(recoverWith({ ...remembered, durable: other })).rejects.toMatchObject({ failure: "unfit" });
    expect(database.quarantined.size).toBe(0);
  });

  it("is none if it was altered, or if what is committed would go with it", async () => {
    await startAdmitted();
    const { blocks } = TestLog.grow(4);
    const { stored } = late(blocks[0] as TestBlock);
    const signature = stored.block.signature.map((byte) => byte ^ 1);
    put([...blocks.slice(0, own), { stored: { ...stored, block: { ...stored.block, signature } } } as TestBlock]);
    await expect(recoverWith(null)).rejects.toMatchObject({ failure: "unfit" });

    put([{ stored } as TestBlock]);
    const identity = await IdentityFile.open(folder, "n1");
    const { blockHash: hash } = stored.block;
    identity.recordMark({ term: term(1), height: height(6), hash });
    await identity.update({});
    await expect(recoverWith(null, identity)).rejects.toMatchObject({ failure: "unfit" });
    expect(database.quarantined.size).toBe(0);
  });
});

it("puts nothing away up to what it knows to be committed: blocks of another history in its place end the node", async () => {
  const hardState = await start();
  const log = new TestLog();
  const first = log.block([], { control: GENESIS });
  const grow = (from: TestLog, dataPayload: Record<string, boolean>): TestBlock[] =>
    [2, 3, 4, 5, 6, 7, 8].map(() => from.block([{ dataPayload }], { commitHeight: 1 }));
  const others = [first, ...grow(log.fork(first), { other: true })];
  const blocks = [first, ...grow(log, {})];
  const stored = blocks.map((block, i) => ([5, 7].includes(i + 1) ? others[i] : block)) as TestBlock[];
  for (const { stored: it } of stored) database.blocks.set(it.block.header.height, { stored: it, writeId: 0 });
  const [committed, durable] = [blocks[6]?.next as ChainState, blocks[7]?.next as ChainState];
  await expect(recoverWith({ hardState, committed, durable, heldThrough: 8 })).rejects.toMatchObject({
    failure: "unfit",
  });
  expect(database.quarantined.size).toBe(0);
});

// The very log, which was cleared and is being copied: the block says that others are committed which are not there yet.
describe("an insert of before that arrives in a log which is copied anew", () => {
  const put = (blocks: readonly TestBlock[]): void => {
    for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  };
  const markAt = async ({ next }: TestBlock): Promise<void> => {
    const identity = await IdentityFile.open(folder, "n1");
    identity.recordMark({ term: next.term, height: next.height, hash: next.blockHash });
    await identity.close();
  };

  it.each([
    { what: "above the mark, in a log that does not reach to it yet", own: 3, mark: 9, late: [12] },
    { what: "at the mark", own: 3, mark: 9, late: [9] },
    { what: "above an empty log", own: 0, mark: 9, late: [11, 12] },
    { what: "above a log that is past the mark", own: 7, mark: 5, late: [9, 12] },
  ])("holds up no start: $what", async ({ own, mark, late }) => {
    const { joinNonce } = await start();
    const { blocks } = TestLog.grow(12);
    const strays = late.map((at) => blocks[at - 1] as TestBlock);
    await markAt(blocks[mark - 1] as TestBlock);
    put([...blocks.slice(0, own), ...strays]);
    const boot = await recoverWith(null);
    expect(boot.hardState.joinNonce).not.toBe(joinNonce);
    expect((boot.tail.at(-1)?.next ?? boot.base).height).toBe(own);
    expect([...database.quarantined.values()]).toEqual(strays.map(({ stored }) => stored));
    expect(warnings.join()).toContain("does not continue its log");
    await start();
    expect([...database.blocks.keys()]).toHaveLength(own);
  });

  it("leaves a process as it is that has not held more", async () => {
    const hardState = await start();
    const { blocks } = TestLog.grow(12);
    put([...blocks.slice(0, 3), blocks[11] as TestBlock]);
    const [committed, durable] = [blocks[1]?.next as ChainState, blocks[2]?.next as ChainState];
    const boot = await recoverWith({ hardState, committed, durable, heldThrough: 3 });
    expect(boot).toMatchObject({ hardState, commitHeight: 2 });
    expect(database.quarantined.size).toBe(1);
  });

  it("is put away by a voter, which joins anew, but for a block that it knows to be committed", async () => {
    await startAdmitted();
    const { blocks } = TestLog.grow(12);
    await markAt(blocks[9] as TestBlock);
    put([...blocks.slice(0, 8), blocks[9] as TestBlock]);
    await expect(start()).rejects.toMatchObject({ failure: "unfit" });
    put(blocks.slice(8, 10));
    put([blocks[11] as TestBlock]);
    const boot = await recoverWith(null);
    expect((boot.tail.at(-1)?.next ?? boot.base).height).toBe(10);
    expect(warnings.join()).toContain("it joins anew");
    expect([...database.quarantined.values()]).toEqual([blocks[11]?.stored]);
  });

  it("is none where the block that admits this node as it is stands above the hole: it counted with what is there", async () => {
    const { joinNonce } = await start();
    const log = new TestLog();
    const controls: Control[] = [GENESIS, ...Array<Control>(5).fill({ kind: "term_started" })];
    const blocks = [...controls, { ...ADMITTED, node: "n1", joinNonce } as Control].map((control) =>
      log.block([], { control }),
    );
    await markAt(blocks[6] as TestBlock);
    put([...blocks.slice(0, 3), ...blocks.slice(4)]);
    await expect(start()).rejects.toMatchObject({ failure: "unfit" });
    expect(database.quarantined.size).toBe(0);
  });

  it("is none where more stands above the hole than inserts leave behind, or what stands there was altered", async () => {
    await start();
    const { blocks } = TestLog.grow(80);
    put([...blocks.slice(0, 3), ...blocks.slice(10)]);
    await expect(start()).rejects.toMatchObject({ failure: "unfit" });
    database.blocks.clear();
    const { stored } = blocks[11] as TestBlock;
    const header = { ...stored.block.header, commitHeight: height(2) };
    put([...blocks.slice(0, 3), { stored: { ...stored, block: { ...stored.block, header } } } as TestBlock]);
    await expect(start()).rejects.toMatchObject({ failure: "unfit" });
    expect(database.quarantined.size).toBe(0);
  });
});

it("takes what arrived late for what it is also where its leader has lost its keys since, and joined anew", async () => {
  const hardState = await start();
  const { log, blocks } = TestLog.grow(1);
  const { keys } = deriveSigner(new Uint8Array(32).fill(8));
  blocks.push(log.block([], { control: { ...ADMITTED, keys } }));
  const other = log.fork(blocks[0] as TestBlock);
  const stray = [2, 3, 4].map(() => other.block([{}], { term: 2, commitHeight: 1 })).at(-1) as TestBlock;
  for (const { stored } of [...blocks, stray]) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const boot = await recoverWith(null);
  expect(boot.hardState.joinNonce).not.toBe(hardState.joinNonce);
  expect((boot.tail.at(-1)?.next ?? boot.base).blockHash).toBe(blocks.at(-1)?.next.blockHash);
  expect([...database.quarantined.values()]).toEqual([stray.stored]);
});

it("does not count on blocks that arrive after the tail was read: nobody knows that they are in the journal", async () => {
  await start();
  const { blocks } = TestLog.grow(3);
  const put = ({ stored }: TestBlock): void => {
    database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  };
  blocks.slice(0, 2).forEach(put);
  afterOpening = () => blocks.slice(2).forEach(put);
  const { tail, base } = await recoverWith(null);
  expect((tail.at(-1)?.next ?? base).height).toBe(2);
});

it("knows the ids of every block that it verified, and from which height on they are whole", async () => {
  await start();
  const { blocks } = TestLog.grow(100);
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const verifiedTail = { events: 1_000, blocksMax: 20, blocksMin: 1 };
  const { ids, idsFrom, base, tail } = await recoverWith(null, undefined, { verifiedTail });
  expect(idsFrom).toBe(blocks.length - 19);
  expect(ids.map((block) => block.height)).toEqual(Array.from({ length: 20 }, (_, i) => idsFrom + i));
  expect(ids.every((block) => block.ids.length === 1)).toBe(true);
  expect((tail.at(-1)?.next ?? base).height).toBe(blocks.length);
});

const renamed = ({ block, frontier }: StoredBlock, header: object): StoredBlock => ({
  block: { ...block, header: { ...block.header, ...header } },
  frontier,
});

it.each<[string, (stored: StoredBlock) => StoredBlock | null]>([
  ["deleted", () => null],
  ["another's", (stored) => renamed(stored, { height: stored.block.header.height + 3 })],
  ["without a size", (stored) => renamed(stored, { treeSize: undefined })],
  ["without the tree's hashes", ({ block }) => ({ block, frontier: [] })],
  [
    "one whose hash was made anew",
    (stored) => {
      const other = renamed(stored, { sealedAt: "2020-01-01T00:00:00.000Z" });
      return { ...other, block: { ...other.block, blockHash: hashHeader(other.block.header) } };
    },
  ],
])("starts wherever an old block is %s: what is verified lies above, or goes on above", async (_, change) => {
  await startAdmitted();
  const { blocks } = TestLog.grow(39);
  const put = (): void => {
    for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  };
  put();
  const { next } = blocks.at(-1) as TestBlock;
  const identity = await IdentityFile.open(folder, "n1");
  identity.recordMark({ term: next.term, height: next.height, hash: next.blockHash });
  await identity.close();
  const verifiedTail = { events: 4, blocksMax: 4, blocksMin: 4 };
  expect((await recoverWith(null, undefined, { verifiedTail })).base.height).toBe(40);
  for (let at = 2; at <= 36; at++) {
    put();
    const altered = change((blocks[at - 1] as TestBlock).stored);
    if (altered === null) database.blocks.delete(height(at));
    else database.blocks.set(height(at), { stored: altered, writeId: 0 });
    const { base, idsFrom } = await recoverWith(null, undefined, { verifiedTail });
    expect([at, base.height, base.blockHash]).toEqual([at, 40, next.blockHash]);
    // Nothing that it passes over goes untold, and no more is left out than what was altered.
    expect([at, idsFrom]).toEqual([at, at === 36 ? 38 : 37]);
    if (at === 36) expect([...invalid]).toEqual([36]);
    else expect([at, [...invalid].filter((told) => told !== at)]).toEqual([at, []]);
  }
});

it("tells of the first of the old blocks that its search passes over, and leaves the rest to a pass", async () => {
  const { blocks } = TestLog.grow(39);
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  for (const at of [28, 29]) {
    const stored = renamed((blocks[at - 1] as TestBlock).stored, { height: at + 3 });
    database.blocks.set(height(at), { stored, writeId: 0 });
  }
  const { idsFrom } = await recoverWith(null, undefined, { verifiedTail: { events: 4, blocksMax: 20, blocksMin: 4 } });
  expect([idsFrom, [...invalid]]).toEqual([37, [28]]);
});

it.each([
  ["has a hash that is not its own", (block: Block) => block.blockHash],
  ["has a hash that was made anew for it", (_: Block, header: Block["header"]) => hashHeader(header)],
])(
  "calls the block that it begins with sound where the link of the next one is altered, which %s",
  async (_, hashOf) => {
    await startAdmitted();
    const { blocks } = TestLog.grow(39);
    for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
    const { block, frontier } = (blocks[36] as TestBlock).stored;
    const header = { ...block.header, previousBlockHash: "e".repeat(64) };
    const stored = { block: { ...block, header, blockHash: hashOf(block, header) }, frontier };
    database.blocks.set(height(37), { stored, writeId: 0 });
    const verifiedTail = { events: 4, blocksMax: 4, blocksMin: 4 };
    await expect(recoverWith(null, undefined, { verifiedTail })).rejects.toMatchObject({ at: 37, failure: "unfit" });
    expect([...invalid]).toEqual([37]);
  },
);

it("does not wait for blocks that are deleted while it reads: the log has to be opened again", async () => {
  await start();
  const { blocks } = TestLog.grow(99);
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  afterOpening = (from) => {
    if (from !== 65) return;
    if (!database.blocks.has(from)) throw new Error("it reads for ever");
    for (let at = 65; at <= 100; at++) database.blocks.delete(height(at));
  };
  await expect(recoverWith(null)).rejects.toMatchObject({
    failure: "unknown",
    message: "Block 65 is missing from the database.",
  });
});

it("walks over no hole in the old log, whether or not its search comes upon it", async () => {
  const { blocks } = TestLog.grow(5_999);
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  for (let at = 2_001; at <= 4_000; at++) database.blocks.delete(height(at));
  for (const verifiedTail of [
    { events: 100, blocksMax: 20, blocksMin: 8 },
    { events: 100, blocksMax: 5_000, blocksMin: 8 },
  ]) {
    const told: number[] = [];
    const { idsFrom } = await recoverWith(null, undefined, { verifiedTail, onInvalidBlock: (at) => told.push(at) });
    expect(idsFrom).toBe(verifiedTail.blocksMax === 20 ? 5_981 : 5_901);
    expect(reads).toBeLessThan(64);
    expect(told.length).toBeLessThan(10);
    expect(told.every((at) => at > 2_000 && at <= 4_000)).toBe(true);
  }
});

describe("a hole where a start would begin to verify", () => {
  const { blocks } = TestLog.grow(999);
  const told: number[] = [];
  const startWithout = (from: number, through: number): Promise<BootState> => {
    database.blocks.clear();
    for (const { stored } of blocks) {
      const at = stored.block.header.height;
      if (at < from || at > through) database.blocks.set(at, { stored, writeId: 0 });
    }
    told.length = 0;
    const verifiedTail = { events: 100_000, blocksMax: 500, blocksMin: 80 };
    return recoverWith(null, undefined, { verifiedTail, onInvalidBlock: (at) => told.push(at) });
  };

  it.each([
    { from: 490, through: 590 },
    { from: 500, through: 600 },
    { from: 501, through: 601 },
    // What is verified in any case is still there.
    { from: 490, through: 920 },
  ])("is passed over, however large: $from to $through", async ({ from, through }) => {
    const { idsFrom, base, tail } = await startWithout(from, through);
    expect([idsFrom, (tail.at(-1)?.next ?? base).height]).toEqual([through + 2, 1_000]);
    expect(told).toContain(Math.max(500, from));
    expect(told.every((at) => at >= from && at <= through)).toBe(true);
    expect([told.length < 16, reads < 100]).toEqual([true, true]);
  });

  it.each([
    { from: 502, through: 602, at: 502 },
    { from: 490, through: 921, at: 500 },
    { from: 501, through: 930, at: 501 },
  ])("ends the node where it reaches into what is verified, and is called missing: $from to $through", async (hole) => {
    await expect(startWithout(hole.from, hole.through)).rejects.toMatchObject({ at: hole.at, kind: "missing" });
  });
});

it("calls no block altered above which something arrived late", async () => {
  await startAdmitted();
  const { blocks } = TestLog.grow(9);
  const late = new TestLog().fork(blocks[6] as TestBlock);
  const stray = blocks.slice(7).map(() => late.block([{}], { commitHeight: 1 }));
  stray.push(late.block([{}], { commitHeight: 1 }));
  const put = [...blocks, stray.at(-1) as TestBlock];
  for (const { stored } of put) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const { next } = blocks.at(-1) as TestBlock;
  const identity = await IdentityFile.open(folder, "n1");
  identity.recordMark({ term: next.term, height: next.height, hash: next.blockHash });
  await identity.close();
  expect(put.map(({ next: { height: at } }) => at).slice(-2)).toEqual([next.height, next.height + 1]);
  const told = new Set<number>();
  const { base } = await recoverWith(null, undefined, {
    verifiedTail: { events: 0, blocksMax: 1, blocksMin: 1 },
    onInvalidBlock: (at) => told.add(at),
  });
  expect([base.height, [...told]]).toEqual([next.height, []]);
});

/** As somebody does who can compute hashes, and not sign: what links to it from above is left as it is. */
const rewritten = (at: number, control: Control): void => {
  const found = database.blocks.get(height(at));
  if (found === undefined) throw new Error(`no block ${at}`);
  const { block } = found.stored;
  const header = { ...block.header, control };
  const forged = { ...found.stored, block: { ...block, header, blockHash: hashHeader(header) } };
  database.blocks.set(height(at), { ...found, stored: forged });
};

it.each([
  ["the genesis", 1, { ...GENESIS, members: [] } as Control],
  ["an admission", 2, { ...ADMITTED, joinNonce: "e".repeat(32) }],
  ["a block of events that becomes an admission", 7, ADMITTED],
])("believes no members that somebody wrote into old blocks: %s", async (_, at, control) => {
  const log = new TestLog();
  const blocks = [log.block([], { control: GENESIS }), log.block([], { control: ADMITTED })];
  for (let i = 0; i < 30; i++) blocks.push(log.block([{}]));
  const verifiedTail = { events: 1, blocksMax: 4, blocksMin: 4 };
  await start();
  for (const isKnown of [true, false]) {
    for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
    const identity = await IdentityFile.open(folder, "n1");
    await identity.update({ formedClusterId: isKnown ? (blocks[0] as TestBlock).next.blockHash : null });
    const { base } = await recoverWith(null, identity, { verifiedTail });
    expect(base.members).toEqual((blocks.at(-1) as TestBlock).next.members);
    rewritten(at, control);
    await expect(recoverWith(null, identity, { verifiedTail })).rejects.toThrow(`Stored block ${at} fails its check`);
    await identity.close();
  }
});

it("walks no headers for the genesis where nothing is noted: every header names it", async () => {
  const log = new TestLog();
  const blocks = [log.block([], { control: GENESIS })];
  for (let i = 0; i < 600; i++) blocks.push(log.block([]));
  for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  const { base } = await recoverWith(null, undefined, { verifiedTail: { events: 1, blocksMax: 4, blocksMin: 4 } });
  expect(base.members).toEqual((blocks[0] as TestBlock).next.members);
  expect(walked).toBe(0);
});

it("remembers a vote that was saved while the file that outlives the database was not written", async () => {
  const { joinNonce } = await start();
  const before = await IdentityFile.open(folder, "n1");
  const log = new MemoryLogStore(database, {
    nodeId: "n1",
    bootId: `boot ${starts}`,
    stateMac: stateMacOf(before.seed),
  });
  await log.open();
  await log.saveState({ term: term(4), votedFor: "n2", joinNonce, forming: null });
  expect(before.identity.votedTerm).toBe(0);
  await before.close();
  expect(await start()).toMatchObject({ term: 4, votedFor: "n2", joinNonce });
  expect((await IdentityFile.open(folder, "n1")).identity.votedTerm).toBe(4);
});

it("names the entries of verified blocks that are missing, altered, or hide a term of their own", async () => {
  await start();
  const { blocks } = TestLog.grow(6);
  for (const { stored, toStore } of blocks) {
    const { height: at } = stored.block.header;
    database.blocks.set(at, { stored, writeId: at });
    if (toStore.entry !== null) database.entries.set(at, { stored: entryOf(stored.block, toStore.entry), writeId: at });
  }
  database.marker = { isWhole: true, paths: [], work: null };
  database.hasTermsIndex = true;
  await recoverWith(null);
  expect(missing).toEqual([]);

  const change = (at: number, of: (entry: IndexEntry) => Partial<StoredEntry>): void => {
    const found = database.entries.get(height(at));
    if (found?.stored.entry == null) throw new Error(`no entry at ${at}`);
    const stored = { ...found.stored, ...of(found.stored.entry) };
    database.entries.set(height(at), { ...found, stored });
  };
  database.entries.delete(height(2));
  change(3, ({ index, own }) => ({ entry: { own, index: { ...index, names: { terms: [], places: [] } } } }));
  change(4, ({ index, own }) => ({
    entry: { index, own: { terms: own.terms.slice(1), places: own.places.slice(1) } },
  }));
  change(5, () => ({ first: 99 }));
  // Beside the genesis, which has no events: no entry that is looked for is passed over for it.
  const planted = database.entries.get(height(6));
  if (planted !== undefined) database.entries.set(height(1), { ...planted, writeId: 1 });
  await recoverWith(null);
  expect(missing).toEqual([2, 3, 4, 5]);
});

it("removes what arrived late of another genesis, above an empty log or a new one", async () => {
  const hardState = await start();
  const identity = await IdentityFile.open(folder, "n1");
  const store = new MemoryLogStore(database, {
    nodeId: "n1",
    bootId: `boot ${starts}`,
    stateMac: stateMacOf(identity.seed),
  });
  await store.open();
  const { members } = GENESIS as Extract<Control, { kind: "genesis" }>;
  await store.saveState({ ...hardState, forming: members });
  await identity.close();

  const other = new TestLog();
  other.block([], { control: { ...GENESIS, nonce: "9".repeat(32) } as Control });
  const stray = other.block([{}], { commitHeight: 0 });
  const { blocks } = TestLog.grow(0);
  for (const own of [[], blocks]) {
    for (const { stored } of [...own, stray]) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
    const remembered = { hardState, durable: EMPTY_CHAIN, committed: EMPTY_CHAIN, heldThrough: own.length };
    const boot = await recoverWith(remembered);
    expect(boot.hardState.joinNonce).toBe(hardState.joinNonce);
    expect((boot.tail.at(-1)?.next ?? boot.base).height).toBe(own.length);
    expect([...database.quarantined.values()]).toEqual([stray.stored]);
  }
});

describe("what a start finds of its own copy", () => {
  const put = (blocks: readonly TestBlock[]): void => {
    database.blocks.clear();
    for (const { stored } of blocks) database.blocks.set(stored.block.header.height, { stored, writeId: 0 });
  };
  /** A node that holds all of these blocks, and knows the last one to be committed. */
  async function holding(count: number): Promise<TestBlock[]> {
    await startedTwice();
    const { blocks } = TestLog.grow(count - 1);
    put(blocks);
    const identity = await IdentityFile.open(folder, "n1");
    const { next } = blocks.at(-1) as TestBlock;
    identity.recordMark({ term: next.term, height: next.height, hash: next.blockHash });
    await identity.close();
    return blocks;
  }

  it("notes a tail that was cut, with the heights, before the node joins anew; and not once more while it is copied", async () => {
    const blocks = await holding(9);
    put(blocks.slice(0, 5));
    // A start that dies as it joins anew.
    database.failNextWrite("not_stored", 1);
    await expect(start()).rejects.toThrow("refused the write");
    expect(database.disarm()).toBe(true);
    const noted = await found();
    expect(noted).toMatchObject([
      {
        kind: "truncated_tail",
        heights: [6, 9],
        differences: [{ height: 6, field: "log.tailHeight", stored: 5, expected: 9 }],
        detail: expect.stringMatching(/blocks 6 to 9.*missing from the end of the log of n1.*joined anew/),
      },
    ]);
    await start();
    expect(warnings.join()).toContain("joins anew");
    expect(await found()).toEqual(noted);
    await raise();
    // Copied up to here when it is killed.
    put(blocks.slice(0, 7));
    await start();
    expect(warnings.join()).toContain("below block 9");
    put([]);
    await start();
    expect(await found()).toEqual([]);
    // It has all of it again, and more.
    await holding(10);
    put(blocks.slice(0, 5));
    await start();
    expect(await found()).toMatchObject([{ kind: "truncated_tail", heights: [6, 10] }]);
  });

  it("notes what a living process knows to be durable, up to the last block", async () => {
    const hardState = await start();
    const { blocks } = TestLog.grow(6);
    put(blocks.slice(0, 4));
    const [committed, durable] = [blocks[1]?.next as ChainState, blocks[5]?.next as ChainState];
    await recoverWith({ hardState, committed, durable, heldThrough: 6 });
    expect(await found()).toMatchObject([{ kind: "truncated_tail", heights: [5, 6] }]);
  });

  it("notes a block that was put in the place of the one that it held", async () => {
    const blocks = await holding(5);
    const other = new TestLog().fork(blocks[3] as TestBlock).block([{ dataPayload: { other: true } }]);
    put([...blocks.slice(0, 4), other]);
    await start();
    expect(await found()).toMatchObject([
      {
        kind: "hash_rewritten",
        heights: [5, 5],
        differences: [
          { field: "log.blockHash", stored: other.next.blockHash, expected: blocks[4]?.next.blockHash as string },
        ],
      },
    ]);
  });

  it("notes a block's hash as far as the identity file has room for it, however long somebody made it", async () => {
    const blocks = await holding(5);
    const { stored, ...last } = blocks[4] as TestBlock;
    const blockHash = "x".repeat(5_000);
    const next = new TestLog().fork(blocks[4] as TestBlock).block([{}]);
    put([...blocks.slice(0, 4), { ...last, stored: { ...stored, block: { ...stored.block, blockHash } } }, next]);
    await start().catch(() => undefined);
    expect(await found()).toMatchObject([{ kind: "hash_rewritten", differences: [{ stored: "x".repeat(128) }] }]);
  });

  it.each([
    ["another vote", (hard: HardState) => ({ ...hard, votedFor: "n3" })],
    ["another join nonce", (hard: HardState) => ({ ...hard, joinNonce: "f".repeat(32) })],
    ["none at all", () => null],
  ])("notes a state with %s, once, also where something arrived late", async (_, change) => {
    await holding(4);
    const { state } = database;
    if (state?.hard == null) throw new Error("no state was saved");
    database.state = { ...state, hard: change(state.hard) as HardState };
    // An insert of a replaced tail, above a hole, which is taken away before anything else.
    const late = new TestLog().fork(TestLog.grow(0).blocks[0] as TestBlock);
    const stray = [2, 3, 4, 5, 6].map(() => late.block([{}], { commitHeight: 1 })).at(-1) as TestBlock;
    database.blocks.set(height(6), { stored: stray.stored, writeId: 0 });
    database.failNextWrite("not_stored", 1);
    await expect(start()).rejects.toThrow("refused the write");
    expect(database.disarm()).toBe(true);
    await start();
    const noted = await found();
    expect(noted).toMatchObject([{ kind: "state_altered", detail: expect.stringContaining("n1 joined anew") }]);
    await raise();
    await start();
    expect(await found()).toEqual([]);
  });

  it("notes a state of before, and says what it says and what was expected", async () => {
    await start();
    const copy = database.state;
    await startedTwice();
    database.state = copy;
    await start();
    const [finding] = await found();
    expect(finding?.detail).toMatch(
      /went back to an earlier start.*its state says: start 1,.*its identity file: start 3/,
    );
  });

  it("takes a lost disk for one, with and without its identity, also as it is copied anew; and a database that is put in its place not", async () => {
    const blocks = await holding(6);
    const { state } = database;
    database = new MemoryDatabase("2".repeat(32));
    database.failNextWrite("not_stored", 1);
    await expect(start()).rejects.toThrow("refused the write");
    await start();
    expect(warnings.join()).toContain("another one than before");
    put(blocks.slice(0, 3));
    await start();
    expect(warnings.join()).toContain("below block 6");
    expect(await found()).toEqual([]);
    rmSync(join(folder, "identity.json"));
    await start();
    expect(warnings.join()).toContain("identity file is new");
    expect(await found()).toEqual([]);

    database = new MemoryDatabase("3".repeat(32));
    put(blocks.slice(0, 3));
    await start();
    expect(await found()).toMatchObject([{ detail: expect.stringContaining("its log up to block 3 is there") }]);
    await raise();
    // The node's own, which it had before.
    await start();
    database = new MemoryDatabase("4".repeat(32));
    put(blocks);
    const seed = (await IdentityFile.open(folder, "n1")).seed;
    if (state?.hard == null) throw new Error("no state was saved");
    database.state = { ...state, bootCounter: 1, mac: stateMacOf(seed)(state.hard) };
    await start();
    expect(await found()).toMatchObject([
      { detail: expect.stringContaining("its database is another one than before") },
    ]);
  });

  it("says nothing of an old copy of the identity file, and of what arrived late", async () => {
    const blocks = await holding(4);
    const old = readFileSync(join(folder, "identity.json"), "utf8");
    await startedTwice();
    writeFileSync(join(folder, "identity.json"), old);
    await start();
    expect(warnings.join()).toContain("the identity file is older");
    const late = new TestLog().fork(blocks[0] as TestBlock);
    const stray = [2, 3, 4, 5].map(() => late.block([{}], { commitHeight: 1 })).at(-1) as TestBlock;
    put([...blocks, stray]);
    await start();
    expect(warnings.join()).toContain("does not continue its log");
    expect(await found()).toEqual([]);
  });

  it("says nothing where the identity file is a copy of before its database was replaced", async () => {
    const blocks = await holding(4);
    const old = readFileSync(join(folder, "identity.json"), "utf8");
    database = new MemoryDatabase("2".repeat(32));
    await start();
    put(blocks);
    await startedTwice();
    writeFileSync(join(folder, "identity.json"), old);
    await start();
    expect(warnings.join()).toContain("another one than before");
    expect(await found()).toEqual([]);
  });

  it("notes nothing for a log of one node: it joins nothing anew, and goes on once its database is back", async () => {
    const blocks = await holding(9);
    put(blocks.slice(0, 5));
    await expect(recoverWith(null, undefined, { memberCount: 1 })).rejects.toThrow("This one-node log cannot go on");
    expect(await found()).toEqual([]);
    put(blocks);
    const { base, tail } = await recoverWith(null, undefined, { memberCount: 1 });
    expect([(tail.at(-1)?.next ?? base).height, warnings, await found()]).toEqual([9, [], []]);
  });

  it("names block and kind where the node ends, as somebody has altered what it cannot do without", async () => {
    const blocks = await holding(9);
    await startAdmitted();
    const change = (at: number, of: (block: Block) => Partial<Block>): void => {
      put(blocks);
      const { stored } = blocks[at - 1] as TestBlock;
      const block = { ...stored.block, ...of(stored.block) };
      database.blocks.set(height(at), { stored: { ...stored, block }, writeId: 0 });
    };
    const flipped = (bytes: Uint8Array): Uint8Array =>
      bytes.map((byte, i) => (i === bytes.length - 3 ? byte ^ 1 : byte));
    const relinked = (block: Block): Partial<Block> => {
      const header = { ...block.header, previousBlockHash: "e".repeat(64) };
      return { header, blockHash: hashHeader(header) };
    };
    change(9, ({ payloads }) => ({ payloads: flipped(payloads) }));
    await expect(start()).rejects.toMatchObject({ at: 9, kind: "payload_modified", failure: "unfit" });
    change(9, ({ signature }) => ({ signature: flipped(signature) }));
    await expect(start()).rejects.toMatchObject({ at: 9, kind: "signature_invalid" });
    change(9, ({ header }) => ({ header: { ...header, leaderId: "n9" } }));
    await expect(start()).rejects.toMatchObject({ at: 9, kind: "header_modified" });
    change(5, relinked);
    await expect(start()).rejects.toMatchObject({ at: 5, kind: "link_broken" });
    put(blocks);
    database.blocks.delete(height(5));
    await expect(start()).rejects.toMatchObject({ kind: "missing" });
  });
});
