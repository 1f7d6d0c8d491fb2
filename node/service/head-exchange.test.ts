import { expect, it } from "vitest";
import { toHex } from "../../shared/bytes.js";
import type { Block } from "../../shared/log/block.js";
import { PEER_REQUESTS } from "../../shared/protocol/requests.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { createVerifier } from "../host/signer.js";
import type { WordedAlert } from "../replica/wording.js";
import { HeadExchange, type HeadExchangeParts } from "./head-exchange.js";

const answerOf = ({ header, signature }: Block) => ({
  head: { header, signature: toHex(signature), commitHeight: header.height },
});
type Answer = ReturnType<typeof answerOf>;

/** A follower of n1, which asks its fellow n3 at each `look`. */
function setUp(blocks: readonly TestBlock[], answer: Answer) {
  const alerts: WordedAlert[] = [];
  const warnings: string[] = [];
  const keys = GENESIS.kind === "genesis" ? GENESIS.members[0]?.keys : undefined;
  const members = ["n1", "n2", "n3"].map((id) => ({ id, keys }));
  let look = (): void => {};
  const parts = {
    config: { nodeId: "n2" },
    driver: {
      view: () => ({ isLearner: false, role: "follower", leaderId: "n1", members }),
      standing: () => ({ isLearner: false }),
      footing: () => ({ durableHeight: blocks.length, commitHeight: blocks.length }),
      heldBlock: (at: number) => blocks[at - 1]?.stored.block,
    },
    peers: { handle: () => undefined, ask: async () => answer },
    clock: {
      every: (_ms: number, action: () => void) => {
        look = action;
        return () => undefined;
      },
    },
    logger: { warn: (_fields: object, text: string) => warnings.push(text), error: () => undefined },
    heads: { everyMs: 1 },
    verifier: createVerifier(),
    onAlert: (alert: WordedAlert) => alerts.push(alert),
  };
  const exchange = new HeadExchange(parts as unknown as HeadExchangeParts);
  const looked = async (): Promise<void> => {
    look();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { alerts, warnings, looked, exchange };
}

it("outlives a fellow whose header nobody can hash, and says so once", async () => {
  const { blocks } = TestLog.grow(2);
  const { head } = answerOf((blocks[2] as TestBlock).stored.block);
  const answer = { head: { ...head, header: { ...head.header, sealedAt: "\ud800" } } };
  expect(PEER_REQUESTS.head.answer.safeParse(answer).success).toBe(false);
  const { looked, warnings, alerts } = setUp(blocks, answer);
  await looked();
  await looked();
  expect(warnings).toEqual(["what n3 says of its newest block cannot be compared"]);
  expect(alerts).toEqual([]);
});

it("accuses no leader of another term by a fellow's word alone: that what was replaced is committed nobody has signed", async () => {
  const { log, blocks } = TestLog.grow(2);
  // What a leader sealed honestly and lost again; and the same of a later term.
  const replaced = log.fork(blocks[0] as TestBlock);
  const earlier = [blocks[0] as TestBlock, replaced.block([{}]), replaced.block([{}])];
  const renewed = log.fork(blocks[0] as TestBlock);
  const later = [blocks[0] as TestBlock, renewed.block([{}], { term: 2 }), renewed.block([{}])];
  for (const [mine, theirs] of [
    [later, earlier],
    [earlier, later],
  ] as const) {
    const { looked, alerts } = setUp(mine, answerOf((theirs[2] as TestBlock).stored.block));
    await looked();
    expect(alerts.map(({ alertKind, accused }) => [alertKind, accused])).toEqual([["fork", "n3"]]);
  }
});

it("names the leader that has signed two blocks of one term and height", async () => {
  const { log, blocks } = TestLog.grow(2);
  const other = log.fork(blocks[1] as TestBlock).block([{ dataPayload: { i: "another" } }]);
  const { looked, alerts } = setUp(blocks, answerOf(other.stored.block));
  await looked();
  expect(alerts).toMatchObject([{ alertKind: "fork", accused: "n1", height: 3 }]);
  // What proves it.
  const signed = [(blocks[2] as TestBlock).stored.block, other.stored.block];
  expect(alerts[0]?.headers).toEqual(signed.map(({ header, signature }) => ({ header, signature })));
});
