import { expect, it } from "vitest";
import { entryOf } from "../../node/storage/entries.js";
import { height } from "../../shared/ids.js";
import { sealBlock } from "../../shared/log/chain.js";
import { ownRun } from "../../shared/log/index.js";
import { prepare } from "../sim/clients.js";
import { fakeSigner } from "../sim/fake-crypto.js";
import type { Outcome } from "../sim/requests.js";
import { Lab } from "./lab.js";

/** Filters of keys that know of no key that it was never used. */
const askingLab = (): Lab => new Lab({ memory: { keyFilterBytes: 1 } }).form();

function settled(lab: Lab, id: string, key: string): Outcome {
  const { outcome } = lab.begin(id, { key });
  lab.until(`the write of ${key} is settled`, () => outcome() !== null, 8_000);
  return outcome() as Outcome;
}

it("logs nothing twice when the index of a leader is dropped under writes with keys, and makes it anew", () => {
  const lab = askingLab();
  const keys = Array.from({ length: 12 }, (_, i) => `order ${i}`);
  for (const key of keys) expect(settled(lab, "n2", key)).toMatchObject({ kind: "written", isReplay: false });
  const { disk } = lab.node("n1");
  disk.dropIndex();
  // One is refused as not written, and tried again until the index is whole, or another node leads.
  for (const key of keys) expect(settled(lab, "n2", key)).toMatchObject({ kind: "written", isReplay: true });
  const refusals = lab.effects.flatMap(({ effect }) => (effect.kind === "refused" ? [effect.reason] : []));
  expect(refusals).toContain("index_rebuilding");
  lab.until("the index is whole", () => disk.isIndexWhole);
  lab.checkers.index.atRest(lab.node("n1"), { isOpened: false });
  lab.finish();
});

it("tells at a start of an entry that was deleted while the node was down, but of none that a crash may have left out", () => {
  const lab = new Lab().form();
  for (let i = 0; i < 80; i++) expect(settled(lab, "n1", `order ${i}`).kind).toBe("written");
  lab.until("all are level", () => lab.isLevel());
  const n3 = lab.node("n3");
  n3.crash();
  const { disk } = n3;
  const old = height(5);
  const newest = height(disk.tailHeight);
  for (const at of [old, newest]) {
    expect(disk.database.entries.delete(at)).toBe(true);
    disk.touch(at);
  }
  n3.start();
  lab.until("it is level again", () => lab.isLevel());
  expect(lab.checkers.index.findings).toBe(1);
  for (const at of [old, newest]) expect(disk.database.entries.has(at)).toBe(true);
  lab.finish();
});

it("hands over to a node whose index is whole, and campaigns late itself", () => {
  const lab = askingLab();
  expect(settled(lab, "n1", "a").kind).toBe("written");
  const n1 = lab.node("n1");
  n1.store.behaviour.lookUps = "rebuilding";
  expect(settled(lab, "n1", "a")).toMatchObject({ kind: "written", isReplay: true });
  lab.until("another leads", () => lab.leader !== undefined && lab.leader.id !== "n1");
  // It is whole again already, and lost with the next look-up that fails.
  expect(n1.process?.driver.log.index.progress.of).toBeGreaterThan(0);
  n1.store.behaviour.lookUps = "answered";
  lab.until("its index is whole", () => n1.process?.campaignsLate === false && n1.disk.isIndexWhole);
  lab.finish();
});

it("tells of a key that a leader has logged twice, on every follower", () => {
  const lab = new Lab().form();
  expect(settled(lab, "n1", "order 1")).toMatchObject({ kind: "written" });
  lab.checkers.history.toleratesRepeats = true;
  const keys = lab.node("n1").process?.storage.keys;
  if (keys !== undefined) keys.heightsOfKey = async () => [];
  expect(settled(lab, "n1", "order 1")).toMatchObject({ kind: "written", isReplay: false });
  lab.until("both followers have said so", () => lab.checkers.index.repeats.length >= 2);
  expect(lab.checkers.index.repeats.sort()).toEqual(["n2", "n3"]);
});

it("goes on with what it has shown while its store is lost and comes back empty", async () => {
  const lab = askingLab();
  for (let i = 0; i < 5; i++) lab.writeTo("n1");
  lab.until("all are level", () => lab.isLevel());
  const n3 = lab.node("n3");
  const driver = n3.process?.driver;
  if (driver === undefined) throw new Error("n3 is down");
  const { size, height: known } = driver.log.committed;
  const states: string[] = [];
  const read = (): void => {
    driver.log.blocks.one(height(known)).then(
      ({ header }) => states.push(header.height === known ? "shown" : "another"),
      (error: Error) => states.push(error.name),
    );
  };
  n3.store.restart();
  for (let i = 0; i < 40; i++) {
    read();
    expect(driver.log.committed.size).toBeGreaterThanOrEqual(size);
    lab.run(20);
  }
  expect(states).toContain("shown");
  expect(states).not.toContain("AlteredBlock");
  expect(states).not.toContain("another");
  lab.finish();
});

it("logs a write whose key stands in an insert that arrived late, and calls nothing altered", () => {
  const lab = askingLab();
  const { disk } = lab.node("n1");
  const before = disk.chainAt(lab.tailOf("n1"));
  const { term, sealedAt: now, commitHeight } = before;
  const request = { term, leaderId: "n1", now, commitHeight };
  const events = prepare(lab.random, { source: "scenario", key: "late" });
  // Above a hole.
  const of = { ...before, height: height(before.height + 2) };
  const {
    block,
    next,
    index,
    events: logged,
  } = sealBlock(of, { ...request, events }, fakeSigner(disk.identity.keys.block));
  const { blocks, entries, arrivedLate } = disk.database;
  const entry = { index, own: ownRun(logged, []) };
  blocks.set(next.height, { stored: { block, frontier: next.range.hashes }, writeId: -1 });
  entries.set(next.height, { stored: entryOf(block, entry), writeId: -1 });
  arrivedLate.add(next.height);
  disk.noteStranded([next.height]);
  expect(settled(lab, "n1", "late")).toMatchObject({ kind: "written", isReplay: false });
  expect(lab.leaderChanges()).toEqual([]);
  for (let i = 0; i < 3; i++) lab.writeTo("n1");
  lab.finish();
});
