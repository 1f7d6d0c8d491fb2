import { describe, expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import { fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { sha256Hex } from "../../shared/hash.js";
import { type EventView, recordOfView, recordText } from "../../shared/log/event.js";
import { leafHash } from "../../shared/merkle/compact-range.js";
import type { BlockView } from "../../shared/protocol/http.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { contentOf } from "./files.js";
import { leavesOpen, RangeChecker, type RangeReport } from "./range.js";

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

async function check(
  some: readonly EventView[],
  their: readonly BlockView[],
  whole?: { from: number; to: number },
): Promise<RangeReport> {
  const checker = new RangeChecker(isSigned, whole);
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

describe("of events that are not there", () => {
  const without2 = events.toSpliced(2, 1);
  it("a file may leave some out, and then not all could be told", async () => {
    const report = await check(without2, blocks);
    expect([report.verdict, leavesOpen(report)]).toEqual(["sound", true]);
    expect(leavesOpen(await check(events, blocks))).toBe(false);
    expect(leavesOpen(await check(events.slice(2), blocks.slice(3)))).toBe(false);
    expect(leavesOpen(await check(events, blocks.toSpliced(2, 1)))).toBe(true);
  });

  it("a node that was asked for them denies them", async () => {
    expect(await check(events, blocks, { from: 0, to: 4 })).toMatchObject({ verdict: "sound", findings: [] });
    const named = async (some: readonly EventView[]): Promise<unknown[]> =>
      (await check(some, blocks, { from: 0, to: 4 })).findings.map(({ check: name, sequence }) => [name, sequence]);
    expect(await named(without2)).toEqual([["Link to the event before", 3]]);
    expect(await named(events.slice(1))).toEqual([["Link to the event before", 1]]);
  });

  it("a node that is behind has not got the last ones", async () => {
    const report = await check(events.slice(0, 2), blocks.slice(0, 2), { from: 0, to: 4 });
    expect([report.verdict, leavesOpen(report)]).toEqual(["sound", true]);
  });
});

it("an event or a block that is there twice is not in the log", async () => {
  const forged = { ...(events[1] as EventView), eventType: "forged" };
  const record = sha256Hex(utf8(recordText(recordOfView(forged))));
  // Its own hashes hold, and the true one behind it is the one that stands in the block.
  const some = events.toSpliced(1, 0, { ...forged, hash: record });
  expect((await check(some, blocks)).findings.map(({ check: name, sequence }) => [name, sequence])).toEqual([
    ["Link to the event before", 1],
  ]);
  expect((await check(events, [...blocks, blocks[3] as BlockView])).verdict).toBe("altered");
});

it("a sequence that is text is none", async () => {
  const text = with1(events, 1, { sequence: "1" as unknown as number });
  await expect(check(text, blocks)).rejects.toThrow(/no whole number/);
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
