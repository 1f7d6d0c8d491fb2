import { describe, expect, it } from "vitest";
import { concat } from "../../shared/bytes.js";
import { hashHeader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { foundBlock } from "../../test/doubles/memory-integrity.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import { blockDifference, type SoundCopy } from "./difference.js";
import { ownDifference } from "./own-difference.js";

const log = new TestLog();
log.block([], { control: GENESIS });
const before = log.block([{}]);
const written = log.block([
  { dataPayload: { a: 1, list: [1, { "x.y": "deep" }], who: "ada" }, eventType: "one" },
  { dataPayload: { who: "bob" }, eventType: "two", idempotencyKey: "k" },
  { dataPayload: { who: "eve" }, eventType: "three" },
]);
const first = written.stored.block.header.firstSequence;
const sound: SoundCopy = { block: written.stored.block, previousHash: before.next.headHash };

/** The block with the first bytes that read `from` replaced. */
function edited(part: "records" | "payloads", from: string, to: string, of: TestBlock = written): FoundBlock {
  const found = foundBlock(of.stored);
  const bytes = Buffer.from(found.block[part]);
  const at = bytes.indexOf(from);
  if (at === -1 || from.length !== to.length) throw new Error(`no ${from}`);
  bytes.write(to, at);
  return { ...found, block: { ...found.block, [part]: new Uint8Array(bytes) } };
}
const withHeader = (found: FoundBlock, change: object): FoundBlock => {
  const header = { ...found.block.header, ...change };
  return { ...found, rawHeader: header, block: { ...found.block, header } };
};
const named = (found: FoundBlock) => {
  const difference = blockDifference(found, sound);
  return {
    kind: difference?.kind,
    fields: difference?.differences.map(({ sequence, field }) =>
      sequence === undefined ? field : `${sequence} ${field}`,
    ),
  };
};

it("finds nothing in the block that was committed", () => {
  expect(blockDifference(foundBlock(written.stored), sound)).toBeNull();
});

describe("names kind, event and field of", () => {
  it.each<[string, FoundBlock, string, string[]]>([
    [
      "a value in a list",
      edited("payloads", '"deep"', '"dark"'),
      "payload_modified",
      [`${first} dataPayload.list[1]["x.y"]`],
    ],
    [
      "a name of a value",
      edited("payloads", '"a":1', '"b":1'),
      "payload_modified",
      [`${first} dataPayload.a`, `${first} dataPayload.b`],
    ],
    [
      "bytes that are no JSON",
      edited("payloads", '{"who":"bob', '["who":"bob'),
      "payload_modified",
      [`${first + 1} dataPayload`],
    ],
    ["a type", edited("records", "two", "too"), "record_modified", [`${first + 1} eventType`]],
    ["a header's term", withHeader(foundBlock(written.stored), { term: 9 }), "header_modified", ["header.term"]],
    [
      "a header's link",
      withHeader(foundBlock(written.stored), { previousBlockHash: "0".repeat(64) }),
      "link_broken",
      ["header.previousBlockHash"],
    ],
    [
      "a signature",
      { ...foundBlock(written.stored), block: { ...written.stored.block, signature: new Uint8Array(64) } },
      "signature_invalid",
      ["signature"],
    ],
    [
      "a noted block hash",
      { ...foundBlock(written.stored), block: { ...written.stored.block, blockHash: "ab" } },
      "header_modified",
      ["blockHash"],
    ],
    ["a frontier", { ...foundBlock(written.stored), frontier: [] }, "header_modified", ["frontier"]],
  ])("%s", (_, found, kind, fields) => {
    expect(named(found)).toEqual({ kind, fields });
  });
});

it("gives both values, and the hashes of the event as noted, recomputed and committed", () => {
  const difference = blockDifference(edited("payloads", '"bob"', '"rob"'), sound);
  const height = written.stored.block.header.height;
  expect(difference?.differences).toEqual([
    { height, sequence: first + 1, field: "dataPayload.who", stored: "rob", expected: "bob" },
  ]);
  const hash = written.views[1]?.hash;
  expect(difference?.hashes.event).toMatchObject({ sequence: first + 1, stored: hash, expected: hash });
  expect(difference?.hashes.event?.recomputed).toMatch(/^(?!null)[0-9a-f]{64}$/);
  expect(difference?.hashes.event?.recomputed).not.toBe(hash);
  expect(difference?.hashes.body).toMatchObject({ expected: written.stored.block.header.bodyHash });
});

it("tells a block whose hashes were made anew with its content", () => {
  const found = edited("payloads", '"bob"', '"rob"');
  const rehashed = withHeader(found, { bodyHash: bodyHash(found.block) });
  const block = { ...rehashed.block, blockHash: hashHeader(rehashed.block.header) };
  expect(named({ ...rehashed, block })).toEqual({
    kind: "hash_rewritten",
    fields: [`${first + 1} dataPayload.who`, "header.bodyHash", "blockHash"],
  });
  // The hash of the block alone was forgotten.
  expect(named(rehashed).kind).toBe("hash_rewritten");
});

it("tells a noted hash of an event that was made anew with its content", () => {
  const found = edited("payloads", '"eve"', '"eva"');
  const recomputed = blockDifference(found, sound)?.hashes.event?.recomputed as string;
  const records = found.block.records.slice();
  records.set(Buffer.from(recomputed, "hex"), records.length - 32);
  expect(named({ ...found, block: { ...found.block, records } })).toEqual({
    kind: "hash_rewritten",
    fields: [`${first + 2} hash`, `${first + 2} dataPayload.who`],
  });
});

it("says of a part that cannot be taken apart that it cannot, and still compares the other", () => {
  const found = edited("records", "two", "too");
  const payloads = concat(found.block.payloads, Uint8Array.of(0));
  expect(named({ ...found, block: { ...found.block, payloads } })).toEqual({
    kind: "record_modified",
    fields: [`${first} payloads`, `${first + 1} eventType`],
  });
});

it("names a header that has not even the shape of one by the values that differ", () => {
  const found = { ...foundBlock(written.stored), rawHeader: { ...written.stored.block.header, eventCount: "3" } };
  expect(blockDifference(found, sound)?.differences).toEqual([
    { height: found.at, field: "header.eventCount", stored: "3", expected: 3 },
  ]);
});

describe("without a sound copy", () => {
  const proof = { blockHash: written.stored.block.blockHash, previousHash: before.next.headHash };
  const own = (found: FoundBlock) => {
    const { kind, differences } = ownDifference(found, proof);
    return { kind, events: differences.map(({ sequence }) => sequence) };
  };

  it("names each altered event by its own hash, and no other", () => {
    expect(own(edited("payloads", '"bob"', '"rob"'))).toEqual({ kind: "payload_modified", events: [first + 1] });
    expect(own(edited("records", "three", "throe"))).toEqual({ kind: "record_modified", events: [first + 2] });
  });

  it("tells a header, a signature and a rewritten block apart", () => {
    expect(own(withHeader(foundBlock(written.stored), { term: 9 })).kind).toBe("header_modified");
    const signature = new Uint8Array(64);
    expect(own({ ...foundBlock(written.stored), block: { ...written.stored.block, signature } }).kind).toBe(
      "signature_invalid",
    );
    const other = foundBlock(before.stored);
    expect(own({ ...other, at: written.stored.block.header.height }).kind).toBe("hash_rewritten");
  });
});
