import { expect, it } from "vitest";
import { type Height, height } from "../../shared/ids.js";
import { hashHeader, provedBodyReader } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { AlteredBlock } from "../replica/anchors.js";
import { carried } from "../storage/carried.js";
import type { FoundBlock } from "../storage/integrity-port.js";
import { StoreError } from "../storage/port.js";
import type { IncidentFinding } from "./incident-record.js";
import { Inspector } from "./inspector.js";

const numbers = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

function setUp({ peersHaveIt = true, heldThrough = 9, blocksCount = 9 } = {}) {
  const { blocks } = TestLog.grow(blocksCount - 1);
  const store = new MemoryIntegrity(blocks);
  const found: IncidentFinding[] = [];
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const asked: number[] = [];
  const standing = { held: heldThrough, altered: 0, unproved: 0, forgotten: 0, seal: false as boolean | null };
  const clock = hastyClock();
  const inspector = new Inspector({
    ...{ nodeId: "n1", store, clock },
    peers: {
      async copies(at) {
        asked.push(at);
        return peersHaveIt ? { agreeing: ["n2", "n3"], block: of(at).stored.block } : { agreeing: [], block: null };
      },
    },
    sealOf: async ({ header, signature }) =>
      of(header.height).stored.block.signature.every((byte, i) => byte === signature[i]) || standing.seal,
    async committedAt(at) {
      if (at === standing.unproved) throw new AlteredBlock(height(7), "its header is another one");
      const { blockHash, header } = of(at).stored.block;
      const previousHash = at === 1 ? "" : of(at - 1).next.headHash;
      return { blockHash, previousHash, previousBlockHash: header.previousBlockHash };
    },
    heldThrough: () => height(standing.held),
    note: (finding) => found.push(finding),
    verifiedAt: (at) => (at < 5 ? "2026-01-01T00:00:00.000Z" : null),
    onAltered: () => {
      standing.altered += 1;
    },
    onForgotten: () => {
      standing.forgotten += 1;
    },
    logger: { warn: () => undefined },
  });
  inspector.start();
  const flip = (at: number): void =>
    store.change(at, (one) => {
      const payloads = one.block.payloads.slice();
      payloads[payloads.length - 2] = (payloads.at(-2) ?? 0) ^ 1;
      return { ...one, block: { ...one.block, payloads } };
    });
  const suspect = async (heights: readonly number[], more: object = {}): Promise<IncidentFinding[]> => {
    for (const at of heights) inspector.suspect(height(at), { foundBy: "watch", ...more });
    await inspector.idle();
    return found;
  };
  return { store, found, asked, inspector, standing, flip, suspect, clock };
}

it("says nothing of what is as it was committed, whoever suspected it", async () => {
  const { suspect, asked, standing } = setUp();
  expect(await suspect([1, 2, 9])).toEqual([]);
  expect([asked, standing.altered]).toEqual([[], 0]);
});

it("shows that it goes on with each part of many that it looked at", async () => {
  const { suspect, inspector } = setUp({ heldThrough: 201, blocksCount: 201 });
  let looks = 0;
  const judged = suspect(numbers(1, 190));
  await inspector.idle(() => {
    looks += 1;
  });
  await judged;
  expect(looks).toBeGreaterThan(2);
  // Whoever does not wait any more is not told.
  await suspect(numbers(1, 190));
  expect(looks).toBe(Math.ceil(190 / 8));
});

it("waits for what was suspected until then, and not for what is suspected meanwhile", async () => {
  const { suspect, inspector, store, flip, found } = setUp();
  for (const at of [4, 7]) flip(at);
  const { blocksAt } = store;
  let looks = 0;
  store.blocksAt = async (heights: readonly Height[]) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (heights.length > 0 && looks++ < 50) inspector.suspect(height(7), { foundBy: "scrub" });
    return blocksAt.call(store, heights);
  };
  await suspect([7]);
  expect(looks).toBeLessThan(4);
  await suspect([4]);
  expect(found.map(({ heights }) => heights?.[0])).toContain(4);
  expect(looks).toBeLessThan(8);
});

it("compares with a peer's copy again whatever is suspected after many others", async () => {
  const { suspect, inspector, store, asked, flip } = setUp({ heldThrough: 201, blocksCount: 201 });
  for (const at of numbers(5, 104)) flip(at);
  const { blocksAt } = store;
  store.blocksAt = async (heights: readonly Height[]) => {
    if (heights[0] === 5) for (const at of [102, 103]) inspector.suspect(height(at), { foundBy: "watch" });
    return blocksAt.call(store, heights);
  };
  await suspect(numbers(5, 101));
  await inspector.idle();
  expect(asked.slice(-2)).toEqual([102, 103]);
});

it("looks once a second at an altered block that is read again and again, and at once if watch or scrub suspects it", async () => {
  const { suspect, inspector, flip, found, clock } = setUp();
  flip(7);
  const looks = async (read: () => unknown): Promise<number> => {
    const before = found.length;
    await read();
    await inspector.idle();
    return found.length - before;
  };
  const read = () => suspect([7], { foundBy: "read" });
  expect(await looks(read)).toBe(1);
  expect(await looks(read)).toBe(0);
  expect(await looks(() => inspector.lookAgain())).toBe(0);
  expect(await looks(() => suspect([7]))).toBe(1);
  clock.pass(1_000);
  expect(await looks(() => inspector.lookAgain())).toBe(1);
  expect(await looks(() => inspector.lookAgain())).toBe(0);
  clock.pass(1_000);
  expect(await looks(read)).toBe(1);
  // One that was sound may be altered by now.
  expect(await looks(() => suspect([8], { foundBy: "read" }))).toBe(0);
  flip(8);
  expect(await looks(() => suspect([8], { foundBy: "read" }))).toBe(1);
});

it("keeps what was there, and names event, field and who has it as it was committed", async () => {
  const { suspect, flip, store, standing } = setUp();
  flip(4);
  const [finding, ...others] = await suspect([4], { changedAt: "2026-01-02T00:00:00.000Z" });
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    ...{ kind: "payload_modified", foundBy: "watch", heights: [4, 4], sequences: [[2, 2]], agreeing: ["n2", "n3"] },
    ...{ evidence: ["4-altered"], changedAt: "2026-01-02T00:00:00.000Z", lastKnownGoodAt: "2026-01-01T00:00:00.000Z" },
    differences: [{ height: 4, sequence: 2, field: "dataPayload.i", stored: 3, expected: 2 }],
  });
  expect([store.keptIds, standing.altered]).toEqual([[4], 1]);
});

it.each([
  ["altered headers", "header_modified"],
  ["deleted blocks", "missing"],
])("names the events of many %s, compared with a peer's copy or not", async (_, kind) => {
  const { suspect, store, asked } = setUp({ heldThrough: 201, blocksCount: 201 });
  const heights = Array.from({ length: 190 }, (_each, i) => i + 5);
  for (const at of heights)
    if (kind === "missing") store.documents.delete(at);
    else store.change(at, (one) => ({ ...one, rawHeader: { ...(one.rawHeader as object), leaderId: "n9" } }));
  const findings = await suspect(heights);
  const named = new Set(findings.flatMap(({ sequences = [] }) => sequences.flatMap(([a, b]) => numbers(a, b))));
  expect([...named].sort((a, b) => a - b)).toEqual(numbers(3, 192));
  expect(new Set(findings.map((one) => one.kind))).toEqual(new Set([kind]));
  expect(asked.length).toBeLessThan(70);
});

it("says which event it is when nobody has a sound copy", async () => {
  const { suspect, flip } = setUp({ peersHaveIt: false });
  flip(4);
  const [finding] = await suspect([4]);
  expect(finding).toMatchObject({ kind: "payload_modified", sequences: [[2, 2]], agreeing: [] });
});

it("tells of a write that was put back, for no write of a block is this node's", async () => {
  const { suspect, standing } = setUp();
  const [finding] = await suspect([4], { written: ["payloads"] });
  expect(finding).toMatchObject({ kind: "payload_modified", heights: [4, 4], sequences: [[2, 2]], differences: [] });
  expect(finding?.detail).toMatch(/put back/);
  expect(standing.altered).toBe(0);
});

it("looks at a signature where its hash tells nothing", async () => {
  const { suspect, store } = setUp();
  store.change(4, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
  expect(await suspect([4])).toEqual([]);
  expect(await suspect([4], { isSignatureBad: true })).toMatchObject([
    { kind: "signature_invalid", sequences: [[2, 2]] },
  ]);
});

it.each([true, false])(
  "looks at the signature of a block that was deleted and stands there again (peers have it: %s)",
  async (peersHaveIt) => {
    const { suspect, store, found, standing } = setUp({ peersHaveIt });
    // As the node's own truncations leave it.
    expect(await suspect([3, 4, 5], { isSealInDoubt: true })).toEqual([]);
    store.change(4, (one) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } }));
    standing.seal = null;
    expect(await suspect([4], { isSealInDoubt: true })).toEqual([]);
    expect([store.keptIds, standing.altered]).toEqual([[], 0]);
    standing.seal = false;
    await suspect([4]);
    expect(found).toEqual([]);
    // Whatever else was seen of it.
    await suspect([4], { isSealInDoubt: true });
    expect(found).toMatchObject([
      { kind: "signature_invalid", heights: [4, 4], sequences: [[2, 2]], evidence: ["4-altered"] },
    ]);
    expect(found[0]?.differences).toMatchObject([{ height: 4, field: "signature" }]);
    expect(standing.altered).toBe(1);
  },
);

it("tells of neighbours that are missing as one, and of the end of the log as its end", async () => {
  const { suspect, store, found } = setUp();
  for (const at of [3, 4, 6]) store.documents.delete(at);
  await suspect([3, 4, 6]);
  expect(found.map(({ kind, heights, sequences }) => [kind, heights, sequences])).toEqual([
    ["missing", [3, 4], [[1, 2]]],
    ["missing", [6, 6], [[4, 4]]],
  ]);
  found.length = 0;
  for (const at of [8, 9]) store.documents.delete(at);
  expect(await suspect([8, 9])).toMatchObject([{ kind: "truncated_tail", heights: [8, 9], sequences: [[6, 7]] }]);
});

it("has the whole log looked at where more was suspected than is remembered, once that is committed", async () => {
  const { suspect, inspector, standing } = setUp({ heldThrough: 0 });
  const looks = async (held: number): Promise<number> => {
    standing.held = held;
    inspector.lookAgain();
    await inspector.idle();
    return standing.forgotten;
  };
  await suspect(numbers(1, 10_000));
  await suspect(numbers(1, 10_000));
  expect(await looks(0)).toBe(0);
  await suspect(numbers(10_001, 10_003));
  expect(await looks(0)).toBe(0);
  // The first three are not remembered.
  expect([await looks(1), await looks(2), await looks(3), await looks(9)]).toEqual([1, 1, 2, 2]);
});

it("says nothing of what is not committed, and looks once it is", async () => {
  const { suspect, flip, store, standing, inspector, found } = setUp({ heldThrough: 6 });
  flip(7);
  store.documents.delete(8);
  expect(await suspect([7, 8])).toEqual([]);
  standing.held = 7;
  inspector.lookAgain();
  await inspector.idle();
  expect(found).toMatchObject([{ heights: [7, 7] }]);
});

it("takes nothing for missing that the store lost while it was looked at", async () => {
  const { suspect, store, standing } = setUp();
  store.blocksAt = async () => {
    standing.held = 3;
    return [];
  };
  expect(await suspect([5])).toEqual([]);
});

it("waits for a store that does not answer, and forgets nothing", async () => {
  const { suspect, flip, store } = setUp();
  flip(4);
  const { blocksAt } = store;
  let failures = 3;
  store.blocksAt = async (heights: readonly Height[]) => {
    if (failures-- > 0) throw new StoreError("not_stored", "not now");
    return blocksAt.call(store, heights);
  };
  expect(await suspect([4])).toMatchObject([{ heights: [4, 4] }]);
});

it("tells of a block that cannot be read, and judges the others all the same", async () => {
  const failures = [new TypeError("cannot be compared"), new StoreError("not_stored", "no regular expression")];
  for (const failure of failures) {
    const { suspect, flip, store, standing } = setUp();
    for (const at of [4, 6]) flip(at);
    const { blocksAt } = store;
    store.blocksAt = async (heights: readonly Height[]) => {
      if (heights.includes(height(5))) throw failure;
      return blocksAt.call(store, heights);
    };
    const found = await suspect([4, 5, 6]);
    expect(found.map(({ kind, heights }) => [kind, heights?.[0]]).sort()).toEqual([
      ["header_modified", 5],
      ["payload_modified", 4],
      ["payload_modified", 6],
    ]);
    expect(found.find(({ heights }) => heights?.[0] === 5)?.detail).toBe(
      `block 5 of n1 cannot be read: ${failure.message}`,
    );
    expect(standing.altered).toBe(3);
  }
});

it("shows that it goes on where many blocks one after the other cannot be read", async () => {
  const { suspect, inspector, store, clock, found } = setUp({ heldThrough: 41, blocksCount: 41 });
  store.blocksAt = async (heights: readonly Height[]) => {
    if (heights.length > 0) throw new StoreError("not_stored", "no regular expression");
    return [];
  };
  let [heardAt, longestMs] = [0, 0];
  const judged = suspect(numbers(2, 41));
  await inspector.idle(() => {
    longestMs = Math.max(longestMs, clock.now() - heardAt);
    heardAt = clock.now();
  });
  await judged;
  expect(found.length).toBe(40);
  expect(Math.max(longestMs, clock.now() - heardAt)).toBeLessThan(15_000);
});

it("compares values that somebody made so that they cannot be shown", async () => {
  const { suspect, store } = setUp();
  const odd = { toString: 1, valueOf: 1 } as never;
  const header = (one: FoundBlock) => ({ ...(one.rawHeader as object), term: odd, extra: { $a: odd, b: Number.NaN } });
  store.change(4, (one) => ({ ...one, rawHeader: header(one) }));
  const [finding] = await suspect([4]);
  expect(finding).toMatchObject({ kind: "header_modified", heights: [4, 4] });
  expect(finding?.differences?.map(({ field }) => field)).toContain("header.term");
  expect(carried(finding)).toMatchObject({ heights: [4, 4] });
});

it("tells of what the database does not let it keep", async () => {
  const { suspect, flip, store } = setUp();
  flip(4);
  store.keep = async () => {
    throw new StoreError("unknown", "Document failed validation");
  };
  const [finding] = await suspect([4]);
  expect(finding).toMatchObject({ kind: "payload_modified", sequences: [[2, 2]] });
  expect(finding?.evidence).toBeUndefined();
  expect(finding?.detail).toMatch(/could not be kept$/);
});

it("asks peers for some of thousands, and names the events of all", async () => {
  const { blocks } = TestLog.grow(100);
  const store = new MemoryIntegrity(blocks);
  const { found, asked, inspector } = setUpLong(store, blocks);
  for (let at = 2; at <= 101; at++) {
    store.change(at, (one) => ({
      ...one,
      block: { ...one.block, payloads: one.block.payloads.map((b, i, all) => (i === all.length - 2 ? b ^ 1 : b)) },
    }));
    inspector.suspect(height(at), { foundBy: "scrub" });
  }
  await inspector.idle();
  // And the last of all.
  expect(asked.length).toBe(64 + 1);
  expect(found.map(({ sequences }) => sequences?.[0]?.[0])).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

const put = (bytes: Uint8Array, i: number): Uint8Array => bytes.map((b, at) => (at === i ? b ^ 1 : b));
const edited = (find: string, to: string) => (one: FoundBlock) => {
  const records = Buffer.from(one.block.records);
  records.write(to, records.indexOf(find));
  return { ...one, block: { ...one.block, records: new Uint8Array(records) } };
};
const editedId = (one: FoundBlock) => {
  const reader = provedBodyReader(one.block, "");
  const at = Buffer.from(one.block.records).indexOf(Buffer.from(reader.event(0).record.id, "hex"));
  return { ...one, block: { ...one.block, records: put(one.block.records, at) } };
};
const editedPayload = (one: FoundBlock) => ({
  ...one,
  block: { ...one.block, payloads: put(one.block.payloads, one.block.payloads.length - 2) },
});
const withHeader =
  (more: object, body = (one: FoundBlock) => one) =>
  (before: FoundBlock) => {
    const one = body(before);
    const header = { ...one.block.header, bodyHash: bodyHash(one.block), ...more };
    return { ...one, rawHeader: header, block: { ...one.block, header } };
  };
const unlinked = withHeader({ previousBlockHash: "0".repeat(64) });
const rehashedLink = (before: FoundBlock) => {
  const one = unlinked(before);
  return { ...one, block: { ...one.block, blockHash: hashHeader(one.block.header) } };
};
const unsigned = (one: FoundBlock) => ({ ...one, block: { ...one.block, signature: new Uint8Array(64) } });
const WHOLE = "the whole document";

/** What many altered blocks are told as: with peers that have a copy, and with none. */
async function kindsOf(change: (found: FoundBlock) => FoundBlock, more: object, peersHaveIt: boolean) {
  const { blocks } = TestLog.grow(150);
  const store = new MemoryIntegrity(blocks);
  const { found, inspector } = setUpLong(store, blocks, peersHaveIt);
  for (let at = 5; at <= 140; at++) store.change(at, change);
  for (let at = 5; at <= 140; at++) inspector.suspect(height(at), { foundBy: "scrub", ...more });
  await inspector.idle();
  expect(found.length).toBe(136);
  return [...new Set(found.map(({ kind }) => kind))];
}

it.each([
  ["links", "link_broken", unlinked, {}],
  ["links that are taken away", "link_broken", withHeader({ previousBlockHash: undefined }), {}],
  ["links with a hash to match", "hash_rewritten", rehashedLink, {}],
  ["types", "record_modified", edited("test.event", "best.event"), {}],
  ["types of documents that are replaced", "record_modified", edited("test.event", "best.event"), { written: [WHOLE] }],
  ["ids", "record_modified", editedId, { written: ["records"] }],
  ["payloads", "payload_modified", editedPayload, { written: ["payloads"] }],
  ["bodies that headers name", "hash_rewritten", withHeader({}, editedPayload), { written: ["payloads", "header"] }],
  ["leaders", "header_modified", withHeader({ leaderId: "n9" }), { written: ["header.leaderId"] }],
])("tells of many altered %s as %s, compared with a peer's copy or not", async (_, kind, change, more) => {
  expect(await kindsOf(change, more, true)).toEqual([kind]);
  expect(await kindsOf(change, more, false)).toEqual([kind]);
});

it("names the events of each block whose link was altered, also where nobody has a copy and its neighbours are sound", async () => {
  const { blocks } = TestLog.grow(9);
  const store = new MemoryIntegrity(blocks);
  const { found, inspector } = setUpLong(store, blocks, false);
  for (const at of [4, 6, 9]) {
    store.change(at, unlinked);
    inspector.suspect(height(at), { foundBy: "scrub" });
  }
  await inspector.idle();
  expect(found.map(({ sequences }) => sequences)).toEqual([[[2, 2]], [[4, 4]], [[7, 7]]]);
  expect(found[0]?.differences).toMatchObject([
    { height: 4, field: "header.previousBlockHash", expected: blocks[2]?.stored.block.blockHash },
  ]);
});

it.each([
  ["ids", "record_modified", editedId, {}],
  ["bodies that headers name", "hash_rewritten", withHeader({}, editedPayload), {}],
  ["signatures of documents that are replaced", "signature_invalid", unsigned, { written: [WHOLE] }],
])("takes of many altered %s those that are not compared for %s as the others are", async (_, kind, change, more) => {
  expect(await kindsOf(change, more, true)).toEqual([kind]);
});

function setUpLong(store: MemoryIntegrity, blocks: readonly TestBlock[], peersHaveIt = true) {
  const found: IncidentFinding[] = [];
  const asked: number[] = [];
  const of = (at: number): TestBlock => blocks[at - 1] as TestBlock;
  const inspector = new Inspector({
    ...{ nodeId: "n1", store, clock: hastyClock() },
    peers: {
      async copies(at) {
        asked.push(at);
        return peersHaveIt ? { agreeing: ["n2"], block: of(at).stored.block } : { agreeing: [], block: null };
      },
    },
    sealOf: async () => true,
    committedAt: async (at) => ({
      blockHash: of(at).stored.block.blockHash,
      previousHash: at === 1 ? "" : of(at - 1).next.headHash,
      previousBlockHash: of(at).stored.block.header.previousBlockHash,
    }),
    heldThrough: () => height(blocks.length),
    note: (finding) => found.push(finding),
    verifiedAt: () => null,
    onAltered: () => undefined,
    onForgotten: () => undefined,
    logger: { warn: () => undefined },
  });
  inspector.start();
  return { found, asked, inspector };
}
