import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { encodeBlock } from "../../shared/log/block.js";
import { PEER_REQUESTS } from "../../shared/protocol/requests.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { PeerBlocks, type PeerBlocksParts } from "./peer-blocks.js";

const { blocks, log } = TestLog.grow(5);
const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
const committed = of(3).stored.block.blockHash;
const text = (block: TestBlock): string => Buffer.from(encodeBlock(block.stored.block)).toString("base64");

type Handler = Parameters<PeerBlocksParts["desk"]["handle"]>[1];
type Answer = Awaited<ReturnType<PeerBlocksParts["desk"]["ask"]>>;

/** A node whose peers answer with what is given. */
function setUp(answers: Record<string, unknown> = {}) {
  const store = new MemoryIntegrity(blocks);
  let handler: Handler = () => Promise.reject(new Error("nothing answers"));
  const parsed = (peer: string): Answer =>
    PEER_REQUESTS["committed-block"].answer.safeParse(answers[peer]).data ?? null;
  const peers = new PeerBlocks({
    desk: {
      handle: (_path, given) => {
        handler = given;
      },
      askAll: async () => Object.keys(answers).map((peer) => ({ peer, answer: parsed(peer) })),
      ask: async (peer) => parsed(peer),
    },
    store,
    committedAt: async (at) => ({ blockHash: of(at).stored.block.blockHash }),
    heldThrough: () => height(5),
    isSealed: async ({ signature }) => signature.some((byte) => byte !== 0),
  });
  const asked = (at: number, withBlock = true): ReturnType<Handler> => handler({ height: height(at), withBlock });
  return { store, peers, asked };
}

it("believes a block for its hash alone, and goes on to the next who has it", async () => {
  const fork = log.fork(of(2)).block([{ dataPayload: { i: "another" } }]);
  const { peers } = setUp({
    liar: { blockHash: committed, isSound: true, block: text(fork) },
    broken: { blockHash: committed, isSound: true, block: "AAAA" },
    strange: "what",
    other: { blockHash: fork.stored.block.blockHash, isSound: true, block: text(fork) },
    damaged: { blockHash: committed, isSound: false },
    honest: { blockHash: committed, isSound: true, block: text(of(3)) },
  });
  const copies = await peers.copies(height(3), committed);
  expect(copies.block).toEqual(of(3).stored.block);
  expect(copies.agreeing).toEqual(["honest"]);
});

it("gives its own block only where it is the committed one", async () => {
  const { asked, store } = setUp();
  expect(await asked(3)).toMatchObject({ blockHash: committed, isSound: true, block: text(of(3)) });
  expect(await asked(3, false)).toEqual({ blockHash: committed, isSound: true });
  store.change(3, (one) => ({ ...one, block: { ...one.block, payloads: Uint8Array.of(1) } }));
  expect(await asked(3)).toMatchObject({ blockHash: committed, isSound: false });
  store.documents.delete(3);
  expect(await asked(3)).toMatchObject({ blockHash: committed, isSound: false });
  expect(await asked(6)).toEqual({ blockHash: null, isSound: false });
});

it("takes no copy whose signature was altered, and calls none of its own sound", async () => {
  const found = of(3).stored;
  const unsigned = { ...found, block: { ...found.block, signature: new Uint8Array(64) } };
  const answerOf = (one: typeof found) => ({
    blockHash: committed,
    isSound: true,
    block: text({ stored: one } as TestBlock),
  });
  const { peers, store, asked } = setUp({ n2: answerOf(unsigned), n3: answerOf(found) });
  const copies = await peers.copies(height(3), committed);
  expect([copies.agreeing, copies.block?.signature]).toEqual([["n3"], found.block.signature]);
  store.change(3, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  expect(await asked(3)).toEqual({ blockHash: committed, isSound: false });
});
