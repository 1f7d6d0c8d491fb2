import { describe, expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import { fromHex, toHex } from "../../shared/bytes.js";
import type { EventView } from "../../shared/log/event.js";
import { leafHash } from "../../shared/merkle/compact-range.js";
import type { BlockView } from "../../shared/protocol/http.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { type Evidence, verdictOfSteps, verify } from "./steps.js";

const log = new TestLog();
const genesis = log.block([], { control: GENESIS });
const before = log.block([{ dataPayload: { a: 1 } }, { dataPayload: { a: 2 } }, { dataPayload: { a: 3 } }]);
const own = log.block([{ dataPayload: { amount: 125_000 } }, { dataPayload: { amount: 7 } }]);
const [event, next] = own.views as [EventView, EventView];
const verifier = createVerifier();

function viewOf({ stored: { block }, events }: TestBlock, frontier: readonly Uint8Array[]): BlockView {
  const keys = GENESIS.kind === "genesis" ? GENESIS.members.map(({ id, keys }) => [id, keys.block]) : [];
  return {
    header: block.header,
    blockHash: block.blockHash,
    signature: toHex(block.signature),
    frontierBefore: frontier.map(toHex),
    leaves: events.map(({ recordBytes }) => toHex(leafHash(recordBytes))),
    memberKeys: Object.fromEntries(keys) as Record<string, string>,
  };
}

const copy = (node: string, held: EventView = event) => ({ node, hash: held.hash, event: held });
const sound = {
  event,
  next,
  block: viewOf(own, before.stored.frontier),
  copies: [copy("n1"), copy("n2"), copy("n3")],
  isSigned: async (key, signature, bytes) => verifier.verify(key, bytes, fromHex(signature)),
} satisfies Evidence;
const failing = async (evidence: Partial<Evidence>): Promise<string[]> =>
  (await verify({ ...sound, ...evidence })).filter(({ state }) => state === "failed").map(({ title }) => title);

it("every step holds for what a node really sealed, in any block", async () => {
  const steps = await verify(sound);
  expect(steps.map(({ state }) => state)).toEqual(Array(steps.length).fill("ok"));
  expect(steps).toHaveLength(9);
  const [first, second] = before.views as [EventView, EventView];
  const evidence = { event: first, next: second, block: viewOf(before, genesis.stored.frontier) };
  expect(await failing({ ...evidence, copies: [copy("n1", first)] })).toEqual([]);
});

describe("what was altered is the step that fails", () => {
  it.each<[string, Partial<Evidence>, string[]]>([
    [
      "the payload",
      { event: { ...event, dataPayload: { amount: 25_000 } } },
      ["Commitment: SHA-256 of salt and payload"],
    ],
    [
      "the type",
      { event: { ...event, eventType: "other" } },
      ["Hash: SHA-256 of the record", "Leaf 1 of 2 in block 3"],
    ],
    [
      "the next one's link",
      { next: { ...next, previousHash: "0".repeat(64) } },
      ["Linked by event 4: its previousHash"],
    ],
    [
      "a leaf beside it",
      { block: { ...sound.block, leaves: [sound.block.leaves[0] as string, "0".repeat(64)] } },
      ["Merkle root of the log up to the block"],
    ],
    [
      "the tree before it",
      { block: { ...sound.block, frontierBefore: [] } },
      ["Merkle root of the log up to the block"],
    ],
    [
      "the header",
      { block: { ...sound.block, header: { ...sound.block.header, sealedAt: "2026-01-02T00:00:00.000Z" } } },
      ["Block hash: SHA-256 of its header", "Signed by n1 (Ed25519)"],
    ],
    ["the signature", { block: { ...sound.block, signature: "0".repeat(128) } }, ["Signed by n1 (Ed25519)"]],
    ["the keys", { block: { ...sound.block, memberKeys: {} } }, ["Signed by n1 (Ed25519)"]],
    [
      "one node's copy",
      { copies: [copy("n1"), copy("n2", { ...event, dataPayload: { amount: 1 } })] },
      ["Equal on 1 of 2 nodes"],
    ],
    ["another event as a copy", { copies: [copy("n1", next)] }, ["Equal on 0 of 1 nodes"]],
  ])("%s", async (_what, evidence, titles) => {
    expect(await failing(evidence)).toEqual(titles);
    expect(verdictOfSteps(await verify({ ...sound, ...evidence }))).toBe("failed");
  });
});

it("what could not be seen is open, and neither good nor bad", async () => {
  const evidence = {
    ...{ next: null, isSigned: async () => null },
    copies: [copy("n1"), { node: "n2", hash: null, event: null, detail: "no answer" }],
  };
  const steps = await verify({ ...sound, ...evidence });
  expect(steps.filter(({ state }) => state === "open").map(({ title }) => title)).toEqual([
    "Linked by the next event",
    "Signed by n1 (Ed25519)",
    "Equal on 1 of 2 nodes",
  ]);
  expect(verdictOfSteps(steps)).toBe("open");
});

it("of a block that the asked node has altered nothing is said, and the event is checked all the same", async () => {
  const steps = await verify({ ...sound, block: null });
  expect(steps.filter(({ state }) => state === "open").map(({ title }) => title)).toEqual([
    "Leaf, root and signature of block 3",
  ]);
  expect(await failing({ block: null, event: { ...event, dataPayload: { amount: 25_000 } } })).toEqual([
    "Commitment: SHA-256 of salt and payload",
  ]);
});
