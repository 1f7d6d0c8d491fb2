import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { TestLog } from "../../test/contracts/fixtures.js";
import { foundBlock, hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import type { IncidentFinding } from "./incident-record.js";
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
  const standing: { durable: number | null; isSealed: boolean } = { durable: 4, isSealed: false };
  const watch = new StrangerWatch({
    ...{ nodeId: "n1", store, clock: hastyClock(), note: (finding: IncidentFinding) => noted.push(finding) },
    isSealed: () => standing.isSealed,
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
