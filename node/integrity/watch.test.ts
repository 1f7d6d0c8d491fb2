import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { type Height, height } from "../../shared/ids.js";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { type StoreChange, type StoreChanges, WatchError } from "../storage/integrity-port.js";
import { StoreError } from "../storage/port.js";
import type { IncidentFinding } from "./incident-record.js";
import type { Suspicion } from "./inspector.js";
import { Watch, type WatchParts } from "./watch.js";

const AT = "2026-01-01T00:00:00.000Z";
const change = (more: Partial<StoreChange>): StoreChange => ({
  operation: "update",
  collection: "blocks",
  fields: [],
  at: AT,
  ...more,
});
const ofBlock = (at: number, more: Partial<StoreChange> = {}): StoreChange =>
  change({ id: at, place: { kind: "block", at: height(at) }, ...more });
const ofEntry = (at: number, more: Partial<StoreChange> = {}): StoreChange =>
  change({ id: -at, place: { kind: "entry", at: height(at) }, ...more });

function setUp(stream: readonly (StoreChange | Error | null)[], more: Partial<WatchParts> = {}) {
  const store = new MemoryIntegrity([]);
  store.stream.push(...stream);
  const suspected: [number, Suspicion][] = [];
  const entries: number[][] = [];
  const noted: IncidentFinding[] = [];
  const standing = {
    held: 9,
    isOpen: true,
    clusterId: "c",
    places: [] as string[],
    blind: 0,
    replaced: 0,
    /** Of each time that it became live: whether it began without a place. */
    live: [] as boolean[],
    again: 0,
    own: 0,
  };
  const watch = new Watch({
    store,
    from: "here",
    onPlace: (place) => standing.places.push(place),
    clock: hastyClock(),
    logger: { warn: () => undefined, info: () => undefined },
    heldThrough: () => height(standing.held),
    clusterId: () => standing.clusterId,
    isStoreOpen: () => standing.isOpen,
    suspect: (at: Height, suspicion: Suspicion) => suspected.push([at, suspicion]),
    inspectEntries: async (heights) => {
      entries.push([...heights]);
      return true;
    },
    isMarkerSound: async () => false,
    note: (finding) => noted.push(finding),
    isOwnWrite: (at) => at === standing.own,
    alteredAlerts: async (ids) => ids.filter((id) => id === "altered"),
    isOpenEvidence: (id) => id === "open",
    onAlertsGone: () => {
      standing.again += 1;
    },
    settled: async () => undefined,
    onBlind: () => {
      standing.blind += 1;
    },
    onReplaced: () => {
      standing.replaced += 1;
    },
    onLive: (isFromNow) => standing.live.push(isFromNow),
    ...more,
  });
  watch.start();
  const drained = (): Promise<unknown> => expect.poll(() => store.stream.length, { interval: 5 }).toBe(0);
  const details = (): [string, string][] => noted.map(({ kind, detail }) => [kind, detail]);
  return { store, watch, suspected, entries, noted, details, standing, drained };
}

it("begins where the last process stopped, and is live once all since then has been judged", async () => {
  const { watch, store, suspected, standing } = setUp([
    ofBlock(3, { fields: ["payloads"] }),
    ofBlock(4, { operation: "delete" }),
  ]);
  expect(watch.state).toBe("starting");
  await expect.poll(() => watch.state).toBe("live");
  expect(store.askedFrom).toEqual(["here"]);
  expect(suspected).toEqual([
    [3, { foundBy: "watch", changedAt: AT, written: ["payloads"] }],
    [4, { foundBy: "watch", changedAt: AT, isSealInDoubt: true }],
  ]);
  expect([standing.places, standing.live]).toEqual([["place-2"], [false]]);
  await watch.stop();
});

it("has caught up once what was changed before its start has been judged, and not while it begins, nor where it is down", async () => {
  const { watch, suspected } = setUp([ofBlock(3, { operation: "replace" })]);
  expect(watch.state).toBe("starting");
  expect(await watch.caughtUp()).toBe(true);
  expect(suspected.map(([at]) => at)).toEqual([3]);
  await watch.stop();
  expect(await watch.caughtUp()).toBe(false);
  const deaf = setUp([new WatchError("unsupported", "standalone")]);
  expect(await deaf.watch.caughtUp()).toBe(false);
  await deaf.watch.stop();
});

it("shows that it goes on with each batch that it has judged, before it is through with all", async () => {
  const much = Array.from({ length: 2_500 }, () => ofBlock(3));
  const seen: number[][] = [];
  const { watch } = setUp(much, { settled: async () => void seen.push([watch.signs, watch.drains]) });
  await expect.poll(() => watch.state).toBe("live");
  expect(seen.slice(0, 3)).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
  ]);
  expect(watch.signs).toBeGreaterThan(3);
  await watch.stop();
});

it("shows that it goes on with each part of what it judges", async () => {
  const [clock, silent] = [hastyClock(), [] as string[]];
  let heard = [0, 0];
  /** As long as this takes, the watch says nothing else. */
  const inParts = (onPart: () => void): void => {
    for (let part = 0; part < 40; part++) {
      clock.pass(1_000);
      onPart();
      if (watch.signs === heard[0] && clock.now() - (heard[1] ?? 0) > 30_000) silent.push("watch_down");
      if (watch.signs !== heard[0]) heard = [watch.signs, clock.now()];
    }
  };
  const { watch } = setUp([null, ...Array.from({ length: 2_000 }, (_, i) => ofEntry(i + 1))], {
    clock,
    heldThrough: () => height(2_000),
    inspectEntries: async (_heights, _at, onPart) => {
      inParts(onPart);
      return true;
    },
    settled: async (onPart) => inParts(onPart),
  });
  await expect.poll(() => watch.state).toBe("live");
  expect(silent).toEqual([]);
  expect(watch.signs).toBeGreaterThan(4 * 40);
  await watch.stop();
});

/** A watch that judges for long, until `judged` is called. */
function setUpSlow(stream: readonly (StoreChange | Error | null)[]) {
  const store = new MemoryIntegrity([]);
  store.stream.push(...stream);
  const asked = { count: 0 };
  const changes = async (from: string | null): Promise<StoreChanges> => {
    const all = await store.changes(from);
    return {
      next() {
        asked.count += 1;
        return all.next();
      },
      get place() {
        return all.place;
      },
      close: all.close,
    };
  };
  let judged = (): void => {};
  const pending = new Promise<void>((resolve) => {
    judged = resolve;
  });
  const more = { store: Object.assign(Object.create(store), { changes }), settled: () => pending };
  return { ...setUp([], more), store, asked, judged };
}

it("reads on while it judges for long, so that MongoDB's log does not go on without it, and counts nothing as judged before", async () => {
  const { watch, store, asked, judged, suspected, standing, details } = setUpSlow([ofBlock(3), null]);
  await expect.poll(() => suspected.length).toBe(1);
  const before = asked.count;
  await expect.poll(() => asked.count).toBeGreaterThan(before + 5);
  store.stream.push(ofBlock(4), ofBlock(5));
  await expect.poll(() => store.stream.length).toBe(0);
  expect([suspected.map(([at]) => at), standing.places, watch.drains, watch.state]).toEqual([[3], [], 0, "starting"]);
  // No more is read than can be kept.
  store.stream.push(...Array.from({ length: 1_500 }, () => ofBlock(6)));
  await expect.poll(() => store.stream.length).toBe(502);
  const full = asked.count;
  await sleep(20);
  expect(asked.count).toBe(full);
  judged();
  await expect.poll(() => watch.state).toBe("live");
  expect(suspected.map(([at]) => at)).toEqual([3, 4, 5, ...Array.from({ length: 1_500 }, () => 6)]);
  expect([standing.places[0], standing.places.at(-1), standing.blind]).toEqual(["place-1", "place-1503", 0]);
  expect(details()).toEqual([]);
  await watch.stop();
});

it("counts nothing as judged that it judged as it was stopped: it comes again after the restart", async () => {
  const { watch, judged, suspected, standing } = setUpSlow([ofBlock(3), null]);
  await expect.poll(() => suspected.length).toBe(1);
  await Promise.all([watch.stop(), judged()]);
  expect([standing.places, watch.signs]).toEqual([[], 0]);
});

it("judges what it has read meanwhile also where the stream ends there, and goes on behind it", async () => {
  const { watch, store, judged, suspected, standing } = setUpSlow([
    ...[ofBlock(3), null, ofBlock(4), new StoreError("unknown", "ended")],
  ]);
  await expect.poll(() => store.stream.length).toBe(0);
  expect([suspected.map(([at]) => at), store.askedFrom]).toEqual([[3], ["here"]]);
  judged();
  await expect.poll(() => watch.state).toBe("live");
  expect([suspected.map(([at]) => at), standing.places]).toEqual([
    [3, 4],
    ["place-1", "place-2"],
  ]);
  expect(store.askedFrom).toEqual(["here", "place-2"]);
  await watch.stop();
});

it("judges what it has after half a second, where slowly one change follows the other without an end", async () => {
  const [clock, sizes] = [hastyClock(), [] as number[]];
  const store = new MemoryIntegrity([]);
  store.stream.push(...Array.from({ length: 50 }, () => ofBlock(3)));
  const changes = async (from: string | null): Promise<StoreChanges> => {
    const all = await store.changes(from);
    const next = (): Promise<StoreChange | null> => {
      clock.pass(100);
      return all.next();
    };
    return { next, place: null, close: all.close };
  };
  const settled = async () => void sizes.push(store.stream.length);
  const { watch } = setUp([], { clock, settled, store: Object.assign(Object.create(store), { changes }) });
  await expect.poll(() => watch.state).toBe("live");
  expect(sizes.slice(0, 3)).toEqual([44, 38, 32]);
  await watch.stop();
});

it("takes a replaced document for written as a whole", async () => {
  const { watch, suspected } = setUp([ofBlock(3, { operation: "replace" })]);
  await expect.poll(() => watch.state).toBe("live");
  await watch.stop();
  expect(suspected.map(([at, { written }]) => [at, written])).toEqual([[3, ["the whole document"]]]);
});

it("lets entries that are not committed wait until they are", async () => {
  const { watch, store, entries, standing } = setUp([ofEntry(3), ofEntry(12, { operation: "delete" })]);
  await expect.poll(() => entries).toEqual([[3]]);
  standing.held = 12;
  store.stream.push(ofEntry(4));
  await expect.poll(() => entries.length).toBe(2);
  expect(entries[1]?.sort()).toEqual([12, 4]);
  await watch.stop();
});

it("lets entries wait that were altered while the index is made anew, and looks at all where it forgets some", async () => {
  const asked: number[][] = [];
  const index = { isWhole: false };
  const more = {
    inspectEntries: async (heights: readonly Height[]) => {
      asked.push([...heights]);
      return index.isWhole;
    },
  };
  const { watch, store, standing } = setUp([ofEntry(3, { operation: "delete" })], more);
  await expect.poll(() => asked.length).toBeGreaterThan(2);
  index.isWhole = true;
  const before = asked.length;
  await expect.poll(() => asked.length).toBe(before + 1);
  expect([asked.at(-1), standing.blind]).toEqual([[3], 0]);

  standing.held = 20_000;
  index.isWhole = false;
  const many = Array.from({ length: 10_001 }, (_, i) => ofEntry(i + 1));
  store.stream.push(...many);
  await expect.poll(() => asked.some((heights) => heights.length > 10_000), { timeout: 20_000 }).toBe(true);
  index.isWhole = true;
  await expect.poll(() => standing.blind).toBe(1);
  const last = asked.length;
  await sleep(20);
  expect([asked.length, standing.blind]).toEqual([last, 1]);
  await watch.stop();
});

it("judges state, anchors, evidence, alerts and the marker by what stands there", async () => {
  const id = { id: 0, place: { kind: "marker" as const } };
  const stream = [
    change({ collection: "state" }),
    change({ collection: "anchors", id: 3 }),
    change({ collection: "quarantine", operation: "delete", id: "x" }),
    change({ collection: "quarantine", id: "z", fields: ["hasBody", "x"] }),
    change({ collection: "alerts", operation: "delete", id: "x" }),
    change({ collection: "alerts", operation: "replace", id: "x" }),
    change(id),
  ];
  const sound = setUp(stream.slice(0, 2));
  await sound.drained();
  await expect.poll(() => sound.watch.state).toBe("live");
  expect(sound.noted).toEqual([]);
  await sound.watch.stop();

  const { watch, store, details, standing } = setUp([null]);
  Object.assign(store, { state: "the term is another one", anchors: "altered" });
  store.stream.push(...stream);
  await expect.poll(() => details().length).toBe(6);
  expect(
    details()
      .map(([kind]) => kind)
      .sort(),
  ).toEqual(["index_differs", ...Array.from({ length: 5 }, () => "state_altered")]);
  expect(standing.again).toBe(1);
  await watch.stop();
});

it("says nothing of anchors while it is not known which log's they should be", async () => {
  const { watch, store, standing, details } = setUp([null]);
  Object.assign(store, { anchors: "altered" });
  standing.clusterId = "";
  store.stream.push(change({ collection: "anchors", id: 3 }));
  await expect.poll(() => store.stream.length).toBe(0);
  await expect.poll(() => watch.state).toBe("live");
  expect(details()).toEqual([]);
  standing.clusterId = "c";
  await expect.poll(() => details()).toEqual([["state_altered", "page 3 of this node's anchors is not what it wrote"]]);
  await watch.stop();
});

it("tells of a collection that is dropped, looks at all of it, and goes on behind it", async () => {
  const stream = [change({ operation: "drop" }), change({ operation: "invalidate", collection: "" })];
  const { watch, store, suspected, details, standing } = setUp([...stream, new StoreError("unknown", "ended")]);
  await expect.poll(() => store.askedFrom.length).toBe(2);
  expect(details()).toEqual([["missing", "the collection blocks of this node's database was dropped"]]);
  expect([suspected.length, standing.replaced]).toEqual([9, 1]);
  expect(store.askedFrom[1]).toBe("place-2");
  await watch.stop();
});

it("takes a collection that was put in the place of one of its own for the loss of that one", async () => {
  const put = (collection: string, to: string): StoreChange => change({ operation: "rename", collection, to });
  const { watch, suspected, details, standing, drained } = setUp([put("tmp.1", "blocks"), put("tmp.2", "anchors")]);
  await drained();
  await expect.poll(() => watch.state).toBe("live");
  await watch.stop();
  const of = "of this node's database was replaced by the collection";
  expect(details()).toEqual([
    ["missing", `the collection blocks ${of} tmp.1`],
    ["state_altered", `the collection anchors ${of} tmp.2`],
  ]);
  expect([suspected.length, standing.replaced]).toEqual([9, 2]);
});

it("tells of both where one of its collections is put in the place of another", async () => {
  const { watch, details, drained } = setUp([change({ operation: "rename", collection: "blocks", to: "state" })]);
  await drained();
  await expect.poll(() => watch.state).toBe("live");
  await watch.stop();
  expect(details().map(([kind]) => kind)).toEqual(["missing", "state_altered"]);
});

it("says nothing of collections that are not its own", async () => {
  const { watch, suspected, details, standing, drained } = setUp([
    change({ operation: "rename", collection: "tmp", to: "other" }),
    change({ operation: "drop", collection: "other" }),
  ]);
  await drained();
  await expect.poll(() => watch.state).toBe("live");
  await watch.stop();
  expect([suspected, details(), standing.replaced, standing.blind]).toEqual([[], [], 0, 0]);
});

it("tells when MongoDB's log does not reach back, has all looked at, and is live again once it has begun from now", async () => {
  const states: string[] = [];
  const stream = [null, null, new WatchError("lost", "rolled over"), null, null];
  const { watch, store, standing, drained } = setUp(stream, {
    note: ({ kind }) => void queueMicrotask(() => states.push(kind, watch.state)),
  });
  await drained();
  await watch.caughtUp();
  expect(standing.live).toEqual([false, true]);
  expect([states, store.askedFrom, standing.blind]).toEqual([["watch_down", "starting"], ["here", null], 1]);
  await watch.stop();
});

it("has all looked at once more that was changed while it was down, where it had no place to go on from", async () => {
  const broken = (): Error[] => Array.from({ length: 14 }, () => new StoreError("not_stored", "cut"));
  const gone = setUp([new WatchError("lost", "rolled over"), ...broken()]);
  await gone.drained();
  await expect.poll(() => gone.watch.state).toBe("live");
  // As it was lost, as it was down, and as it was live: a pass may have ended before.
  expect([gone.standing.blind, gone.standing.live]).toEqual([3, [true]]);
  await gone.watch.stop();
});

it("tells of a server without change streams, and does not ask again", async () => {
  for (const [from, blind] of [
    ["here", 1],
    // A start without a place has begun a pass already.
    [null, 0],
  ] as const) {
    const { watch, store, details, standing } = setUp([new WatchError("unsupported", "standalone")], { from });
    await expect.poll(() => watch.state).toBe("unsupported");
    expect([details().map(([kind]) => kind), store.askedFrom.length, standing.blind]).toEqual([
      ["watch_down"],
      1,
      blind,
    ]);
    await watch.stop();
  }
});

it("begins again when it breaks, and tells only of one that stays broken beside a store that answers", async () => {
  const broken = (): Error[] => Array.from({ length: 12 }, () => new StoreError("not_stored", "cut"));
  const closed = setUp([null, ...broken(), null]);
  closed.standing.isOpen = false;
  await closed.drained();
  await expect.poll(() => closed.watch.state).toBe("live");
  expect(closed.details()).toEqual([]);
  await closed.watch.stop();
  const open = setUp([null, ...broken()]);
  await open.drained();
  await expect.poll(() => open.standing.live).toEqual([false]);
  expect(open.details()).toEqual([["watch_down", "changes cannot be watched: cut"]]);
  expect(open.standing.blind).toBe(1);
  await open.watch.stop();
});

it("is not down because it broke once after it had much to judge", async () => {
  const clock = hastyClock();
  const settled = async (): Promise<void> => clock.pass(60_000);
  const { watch, details, standing } = setUp([ofBlock(3), new StoreError("unknown", "cut"), null, null], {
    clock,
    settled,
  });
  await expect.poll(() => watch.state).toBe("live");
  expect([details(), standing.blind]).toEqual([[], 0]);
  await watch.stop();
});
