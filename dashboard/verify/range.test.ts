import { describe, expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import { fromHex, toHex } from "../../shared/bytes.js";
import type { EventView } from "../../shared/log/event.js";
import { leafHash } from "../../shared/merkle/compact-range.js";
import type { BlockView } from "../../shared/protocol/http.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { contentOf } from "./files.js";
import { RangeChecker, type RangeReport } from "./range.js";

const log = new TestLog();
const made: TestBlock[] = [
  log.block([], { control: GENESIS }),
  log.block([{ dataPayload: { a: 1 } }, { dataPayload: { a: 2 } }]),
  log.block([]),
  log.block([{ dataPayload: { a: 3 } }, { dataPayload: { a: 4 } }, { dataPayload: { a: 5 } }]),
];
const keys = GENESIS.kind === "genesis" ? GENESIS.members.map((one) => [one.id, one.keys.block]) : [];
const blocks = made.map(({ stored: { block }, events }, i): BlockView => {
  const frontier = made[i - 1]?.stored.frontier ?? [];
  return {
    header: block.header,
    blockHash: block.blockHash,
    signature: toHex(block.signature),
    frontierBefore: frontier.map(toHex),
    leaves: events.map(({ recordBytes }) => toHex(leafHash(recordBytes))),
    memberKeys: Object.fromEntries(keys) as Record<string, string>,
  };
});
const events = made.flatMap(({ views }) => views);
const verifier = createVerifier();
const isSigned = async (key: string, signature: string, bytes: Uint8Array): Promise<boolean> =>
  verifier.verify(key, bytes, fromHex(signature));

async function check(some: readonly EventView[], their: readonly BlockView[]): Promise<RangeReport> {
  const checker = new RangeChecker(isSigned);
  for (const event of some) checker.event(event);
  for (const block of their) await checker.block(block);
  return checker.report("a test", "2026-05-01T12:00:00.000Z");
}
const with1 = <T>(list: readonly T[], i: number, change: Partial<T>): T[] =>
  list.map((one, at) => (at === i ? { ...one, ...change } : one));

it("everything holds of what a node sealed", async () => {
  const report = await check(events, blocks);
  expect(report).toMatchObject({ verdict: "sound", events: 5, blocks: 4, first: 0, last: 4, findings: [] });
  const { blockLink, ...others } = report.checks;
  expect(Object.values(others).every(({ failed, open }) => failed + open === 0)).toBe(true);
  // Nothing is before the genesis.
  expect(blockLink).toEqual({ held: 3, failed: 0, open: 1 });
});

it("without blocks, or from the middle, what cannot be told is open and not good", async () => {
  const { verdict, checks } = await check(events.slice(2), []);
  expect(verdict).toBe("sound");
  expect(checks.leaf).toEqual({ held: 0, failed: 0, open: 3 });
  expect(checks.link).toEqual({ held: 2, failed: 0, open: 1 });
  expect((await check([], [])).verdict).toBe("nothing");
});

describe("names what was altered", () => {
  const zeros = "0".repeat(64);
  it.each<[string, readonly EventView[], readonly BlockView[], string[]]>([
    ["a payload", with1(events, 2, { dataPayload: { a: 9 } }), blocks, ["Commitment of the payload #2"]],
    ["a type", with1(events, 1, { eventType: "x" }), blocks, ["Hash of the record #1", "Leaf in its block #1"]],
    ["a hash", with1(events, 3, { hash: zeros }), blocks, ["Hash of the record #3", "Link to the event before #4"]],
    [
      "a leaf",
      events,
      with1(blocks, 1, { leaves: [zeros, ...(blocks[1]?.leaves.slice(1) ?? [])] }),
      ["Merkle root of the log up to the block", "Leaf in its block #0"],
    ],
    ["a signature", events, with1(blocks, 3, { signature: "0".repeat(128) }), ["Signature of the block's leader"]],
    ["a key", events, with1(blocks, 3, { memberKeys: {} }), ["Signature of the block's leader"]],
  ])("%s", async (_, some, their, due) => {
    const { verdict, findings } = await check(some, their);
    expect(verdict).toBe("altered");
    const named = findings.map((one) => `${one.check}${one.sequence === undefined ? "" : ` #${one.sequence}`}`);
    expect(named).toEqual(due);
  });

  it("a block that was taken out of the chain", async () => {
    const other = { ...blocks[2], header: { ...blocks[2]?.header, previousBlockHash: zeros } } as BlockView;
    const { findings } = await check(events, [blocks[0], blocks[1], other, blocks[3]] as BlockView[]);
    expect(findings.map((one) => one.check)).toContain("Link to the block before");
  });
});

describe("a dropped file", () => {
  const asLines = events.map((event) => JSON.stringify(event)).join("\n");
  it.each([
    ["a page of the API", JSON.stringify({ events })],
    ["an array", JSON.stringify([...events].reverse())],
    ["one event a line", `${asLines}\n`],
  ])("is %s", (_, text) => {
    expect(contentOf(text)).toEqual({ kind: "events", events, blocks: [] });
  });
  it("is one event, or a range with its blocks", () => {
    expect(contentOf(JSON.stringify(events[0]))).toEqual({ kind: "events", events: [events[0]], blocks: [] });
    const text = JSON.stringify({ format: "quorumlog/range/v1", events, blocks });
    expect(contentOf(text)).toMatchObject({ kind: "events", blocks: [{}, {}, {}, {}] });
  });
  it("is none of these", () => {
    expect(() => contentOf("{}")).toThrow(/holds no events/);
    expect(() => contentOf("{}\nx")).toThrow(/line 2 is none/);
  });
});
