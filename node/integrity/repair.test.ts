import { expect, it } from "vitest";
import { toHex } from "../../shared/bytes.js";
import { type HashHex, type Height, height } from "../../shared/ids.js";
import { type Block, encodeBlock } from "../../shared/log/block.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { foundBlock, hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import type { Stranger } from "../storage/integrity-port.js";
import type { AlertRecord, StoredBlock } from "../storage/port.js";
import { PeerBlocks } from "./peer-blocks.js";
import type { Places } from "./place-file.js";
import { Repair, RepairRefused } from "./repair.js";

const NOWHERE: Places = { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null };

interface Log {
  readonly store: MemoryIntegrity;
  readonly of: (at: number) => TestBlock;
}

/** A node n1 whose blocks can be altered; n2 gives the committed ones, unless it is told otherwise. */
function setUp(peersOf: (log: Log) => Pick<PeerBlocks, "copies"> | null = () => null) {
  const { blocks } = TestLog.grow(8);
  const store = new MemoryIntegrity(blocks);
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const done: string[] = [];
  const held = { through: 9 };
  const strangers: Stranger[] = [];
  const judged: Block[] = [];
  const standing = { contradicting: [] as string[], isSealed: true, hasCopy: true, hasFrontier: true, isWatched: true };
  const places = {
    places: NOWHERE,
    set: (change: Partial<Places>) => Object.assign(places, { places: { ...places.places, ...change } }),
  };
  const repair = new Repair({
    nodeId: "n1",
    store: {
      blocksAt: (heights) => store.blocksAt(heights),
      // Of a database each read gives other objects.
      strangers: async () => structuredClone(strangers),
      keep: async (at) => {
        done.push(`kept ${at}`);
        return `${at}-altered`;
      },
    },
    repairs: {
      putBlocks: async (stored: readonly StoredBlock[]) => {
        for (const one of stored) {
          done.push(`put ${one.block.header.height}`);
          store.documents.set(one.block.header.height, foundBlock(one));
        }
      },
      removeForged: async (ids) => {
        const gone = strangers.filter(({ rawId }) => ids.includes(rawId));
        for (const one of gone) strangers.splice(strangers.indexOf(one), 1);
        return gone.map(({ id }) => id);
      },
    },
    peers: peersOf({ store, of }) ?? {
      async copies(at: Height, committed: HashHex) {
        const { block, frontier } = of(at).stored;
        const isGiven = standing.hasCopy && block.blockHash === committed && standing.isSealed;
        return {
          agreeing: isGiven ? ["n2"] : [],
          block: isGiven ? block : null,
          frontier: standing.hasFrontier ? frontier : [],
          contradicting: standing.contradicting,
        };
      },
    },
    committedAt: async (at) => ({ blockHash: of(at).stored.block.blockHash, previousHash: "" }),
    heldThrough: () => height(held.through),
    durableHeight: () => height(9),
    memberCount: () => 3,
    isSealed: async (block) => {
      judged.push(block);
      return standing.isSealed && block.signature.some((byte) => byte !== 0);
    },
    inOrder: (work) => work(),
    mendEntries: async () => true,
    places: () => ({
      ...places,
      places: places.places,
      write: async () => void done.push(`noted ${places.places.repair === null ? "none" : "some"}`),
    }),
    watched: async () => {
      done.push("watched");
      return standing.isWatched;
    },
    clock: hastyClock(),
  });
  const flip = (at: number): void =>
    store.change(at, (one) => ({ ...one, block: { ...one.block, payloads: Uint8Array.of(1) } }));
  const kept: string[] = [];
  const run = (heights: AlertRecord["heights"]): Promise<void> =>
    repair.run({ id: "a", kind: "payload_modified", node: "n1", accused: "n1", heights } as AlertRecord, {
      onProgress: () => undefined,
      onKept: (name) => kept.push(name),
    });
  const takeOut = (): Promise<void> =>
    repair.run({ id: "a", kind: "forged", node: "n1", accused: "n1" } as AlertRecord, {
      onProgress: () => undefined,
      onKept: (name) => kept.push(name),
    });
  return { store, of, held, done, standing, flip, run, takeOut, strangers, judged, kept, repair, places };
}

it("keeps what was there before it replaces it, and puts back what is missing; what is sound stays", async () => {
  const { flip, run, done, kept, store, of } = setUp();
  flip(4);
  store.documents.delete(6);
  await run([[3, 6]]);
  expect(done).toEqual(["noted some", "kept 4", "put 4", "put 6", "watched", "noted none"]);
  expect(kept).toEqual(["4-altered"]);
  for (const at of [4, 6]) expect(store.documents.get(at)?.block).toEqual(of(at).stored.block);
});

it("repairs nothing by majority alone", async () => {
  const { flip, run, done, standing } = setUp();
  flip(4);
  standing.contradicting = ["n2", "n3"];
  await expect(run([[4, 4]])).rejects.toThrow(/n2, n3 have noted another block 4 than n1 has, and are a majority/);
  expect(done.filter((one) => one.startsWith("put"))).toEqual([]);
  standing.contradicting = ["n3"];
  await run([[4, 4]]);
  expect(done).toContain("put 4");
});

it("takes no copy that its leader has not signed, and none without the hashes of its tree", async () => {
  const { flip, run, done, standing } = setUp();
  flip(4);
  for (const change of [{ hasCopy: false }, { hasFrontier: false }]) {
    Object.assign(standing, { hasCopy: true, hasFrontier: true }, change);
    // Its own are altered as well where nobody else gives them.
    await run([[4, 4]]).then(
      () => expect(change).toEqual({ hasFrontier: false }),
      (error) => expect(error).toBeInstanceOf(RepairRefused),
    );
    flip(4);
  }
  Object.assign(standing, { hasCopy: true, hasFrontier: true, isSealed: false });
  await expect(run([[4, 4]])).rejects.toThrow(/signed by its leader. Nothing was replaced there/);
  expect(done.at(-1)).toBe("noted none");
});

it("knows a whole document that it puts in a block's place for its own only while it repairs that block", async () => {
  const { run, flip, repair, standing } = setUp();
  flip(4);
  expect(repair.isOwnWrite(height(4))).toBe(false);
  standing.hasCopy = false;
  const running = run([[4, 4]]);
  expect([repair.isOwnWrite(height(4)), repair.isOwnWrite(height(5))]).toEqual([true, false]);
  await expect(running).rejects.toBeInstanceOf(RepairRefused);
  expect(repair.isOwnWrite(height(4))).toBe(false);
});

it("knows its own writes also when the watch sees them later: it had stopped, or was down", async () => {
  const { run, flip, repair, standing, places } = setUp();
  flip(4);
  standing.isWatched = false;
  const running = run([[4, 4]]);
  // The watch goes on in the middle of it, and has not seen all of its writes.
  repair.onAllJudged();
  expect(repair.isOwnWrite(height(4))).toBe(true);
  await running;
  expect(repair.isOwnWrite(height(4))).toBe(true);
  repair.onAllJudged();
  expect([repair.isOwnWrite(height(4)), places.places.repair]).toEqual([false, null]);
});

it("does not say that a block is repaired which this node does not hold at present", async () => {
  const { flip, run, held, done } = setUp();
  flip(4);
  for (const through of [0, 3]) {
    held.through = through;
    await expect(run([[4, 4]])).rejects.toThrow("does not hold block 4 at present");
  }
  expect(done.filter((one) => one.startsWith("put"))).toEqual([]);
  held.through = 9;
  await run([[4, 4]]);
  expect(done).toContain("put 4");
});

it("takes out what no member has signed, and what stands beside its place without a look at who signed it", async () => {
  const { of, strangers, takeOut, kept, judged } = setUp();
  const found = (at: number, { stored }: TestBlock, signature = stored.block.signature): Stranger => {
    const block = { ...foundBlock(stored), at, block: { ...stored.block, signature } };
    return { id: `${at}`, rawId: at, block };
  };
  strangers.push(found(8, of(8)), found(9, of(9), new Uint8Array(64)), found(2_000_000, of(2)));
  strangers.push({ id: "evil", rawId: "evil", block: null });
  await takeOut();
  expect(kept).toEqual(["9", "2000000", "evil"]);
  expect(strangers.map(({ id }) => id)).toEqual(["8"]);
  expect(new Set(judged.map(({ header }) => header.height))).toEqual(new Set([8, 9]));
});

it("takes the copy that is proved, however many nearer ones are there", async () => {
  const forged = new TestLog().fork(TestLog.grow(2).blocks[2] as TestBlock).block([{ dataPayload: { to: "eve" } }]);
  const answerOf = ({ block, frontier }: StoredBlock) => ({
    ...{ blockHash: block.blockHash, isSound: true, frontier: frontier.map(toHex) },
    block: Buffer.from(encodeBlock(block)).toString("base64"),
  });
  const { flip, run, of, store, done } = setUp((log) => {
    // The nearest one tells of another block, and says that it is sound.
    const answers = { n2: answerOf(forged.stored), n3: answerOf(log.of(4).stored) };
    return new PeerBlocks({
      desk: {
        handle: () => undefined,
        askAll: async () => Object.entries(answers).map(([peer, answer]) => ({ peer, answer })),
        ask: async (peer) => answers[peer as keyof typeof answers],
      },
      store: log.store,
      committedAt: async (at) => ({ blockHash: log.of(at).stored.block.blockHash }),
      heldThrough: () => height(9),
      isSealed: async () => true,
    });
  });
  flip(4);
  await run([[4, 4]]);
  expect(store.documents.get(4)?.block).toEqual(of(4).stored.block);
  expect(done.filter((one) => /4$/.test(one))).toEqual(["kept 4", "put 4"]);
});
