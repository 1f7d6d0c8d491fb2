import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { TestLog } from "../../test/contracts/fixtures.js";
import { foundBlock, hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import type { IncidentFinding } from "./incident-record.js";
import { Keeping, PLANTED_MAX } from "./keeping.js";
import { StrangerWatch } from "./stranger-watch.js";

const { blocks } = TestLog.grow(5);
const above = (at: number) => ({
  id: String(at),
  rawId: at,
  block: { ...foundBlock((blocks[at - 1] as (typeof blocks)[0]).stored), at },
});

function setUp() {
  const store = new MemoryIntegrity(blocks);
  const noted: IncidentFinding[] = [];
  const standing = {
    durable: 4 as number | null,
    isSealed: false as boolean | null,
    held: undefined as Block | undefined,
  };
  const keeping = new Keeping({ store, clock: hastyClock(), logger: { warn: () => undefined } });
  const watch = new StrangerWatch({
    ...{ nodeId: "n1", store, keeping, clock: hastyClock(), note: (finding: IncidentFinding) => noted.push(finding) },
    isSealed: () => standing.isSealed,
    held: () => standing.held,
    durableHeight: () => (standing.durable === null ? null : height(standing.durable)),
  });
  return { store, noted, standing, watch };
}

it("takes a block that is on its way for none that was put there", async () => {
  const { store, noted, standing, watch } = setUp();
  store.others = [above(5)];
  await watch.look();
  standing.durable = 5;
  await watch.look();
  expect(noted).toEqual([]);
});

it("tells of what stays above the log's end, and of ids that are none, once", async () => {
  const { store, noted, watch } = setUp();
  store.others = [above(5), { id: "evil", rawId: "evil", block: null }, { id: "-900", rawId: -900, block: null }];
  await watch.look();
  expect(noted).toEqual([]);
  await watch.look();
  await watch.look();
  expect(noted).toMatchObject([
    { kind: "forged", heights: [5, 5] },
    { kind: "forged", detail: "a document stands among the blocks of n1 with the id evil, which no block can have" },
    {
      kind: "forged",
      detail: "a document stands among the index entries of n1 with the id -900, beyond the log's end at 4",
    },
  ]);
});

it("says nothing of what it is storing, however long that takes and whoever has sealed it, unless it stays", async () => {
  const { store, noted, standing, watch } = setUp();
  const block = above(5);
  store.others = [block];
  standing.held = block.block.block;
  for (let looks = 0; looks < 4; looks++) await watch.look();
  expect(noted).toEqual([]);
  standing.held = undefined;
  await watch.look();
  await watch.look();
  expect(noted).toMatchObject([{ kind: "forged", heights: [5, 5] }]);
});

it("tells of a block in the place of the one that it is storing, or above it", async () => {
  const { store, noted, standing, watch } = setUp();
  const { block: found, ...id } = above(5);
  const payloads = found.block.payloads.map((byte) => byte ^ 1);
  store.others = [{ ...id, block: { ...found, block: { ...found.block, payloads } } }];
  standing.held = found.block;
  await watch.look();
  await watch.look();
  expect(noted).toMatchObject([{ kind: "forged", heights: [5, 5] }]);
});

it("waits until it is known who counts before it judges who sealed a block; what no block can be it tells at once", async () => {
  const { store, noted, standing, watch } = setUp();
  standing.isSealed = null;
  store.others = [above(5), { id: "evil", rawId: "evil", block: null }];
  for (let looks = 0; looks < 4; looks++) await watch.look();
  expect(noted).toMatchObject([{ detail: expect.stringContaining("the id evil") }]);
  standing.isSealed = false;
  await watch.look();
  await watch.look();
  expect(noted.slice(1)).toMatchObject([{ kind: "forged", heights: [5, 5] }]);
});

it("says nothing of a member's block that arrived late, nor of a store that is read anew", async () => {
  const { store, noted, standing, watch } = setUp();
  store.others = [above(5)];
  standing.isSealed = true;
  await watch.look();
  await watch.look();
  Object.assign(standing, { isSealed: false, durable: null });
  await watch.look();
  await watch.look();
  expect(noted).toEqual([]);
});

it("keeps each document that it tells of, once, until it was taken out, and of any number so many", async () => {
  const { store, noted, watch } = setUp();
  const evil = { id: "evil", rawId: "evil", block: null };
  const looks = async (others: typeof store.others): Promise<void> => {
    store.others = others;
    await watch.look();
    await watch.look();
  };
  await looks([above(5), evil]);
  await looks([]);
  await looks([above(5), evil]);
  expect(noted.map(({ evidence }) => evidence)).toEqual([["forged-5"], ["forged-evil"]]);
  expect(store.keptPlanted).toEqual([5, "evil"]);
  watch.forget();
  await looks([evil]);
  expect(store.keptPlanted).toEqual([5, "evil", "evil"]);
  await looks(Array.from({ length: 2 * PLANTED_MAX }, (_, i) => ({ id: `e${i}`, rawId: `e${i}`, block: null })));
  expect(noted).toHaveLength(3 + 2 * PLANTED_MAX);
  expect([store.keptPlanted.length, noted.at(-1)?.evidence]).toEqual([2 + PLANTED_MAX, []]);
});

it("tells of what cannot be kept as evidence all the same", async () => {
  const { store, noted, watch } = setUp();
  store.others = [above(5), { id: "evil", rawId: "evil", block: null }];
  store.keepPlanted = () => Promise.reject(new Error("refused"));
  await watch.look();
  await watch.look();
  expect(noted).toMatchObject([{ evidence: [] }, { evidence: [] }]);
});
