import { setTimeout as sleep } from "node:timers/promises";
import type { Conditions } from "../../proxy/link.js";
import { undoAll } from "../../proxy/network.js";
import { OPEN_WAY, type Way } from "../../proxy/pipe.js";
import type { Draw } from "./draw.js";
import { type FaultDefinition, type Field, type Heal, healAll, type Settings } from "./fault.js";

/** Bytes wait until the end of the fault; are swallowed; or connections are reset and refused. */
const CUTS = ["hold", "drop", "refuse"] as const;

const LASTS_MS = [300, 6_000] as const;
const FLAP_MS_MIN = 50;

/** Faults of the links between nodes, and from a node to its mongod; clients reach every node all the time. */
export const LINK_FAULTS = {
  partition: {
    about: "a minority of the nodes, with or without the leader, cut off from the others",
    lastsMs: LASTS_MS,
    draw: (draw) => ({ ranks: draw.minority(), settings: { cut: draw.pick(CUTS) } }),
    strike: cutOff,
  },
  "leader-isolated": {
    about: "the leader cut off from every other node, clients still at it",
    lastsMs: LASTS_MS,
    draw: (draw) => ({ ranks: [0], settings: { cut: draw.pick(CUTS) } }),
    strike: cutOff,
  },
  "long-isolation": {
    about: "one node cut off from every other for a hundred election timeouts",
    lastsMs: [100_000, 105_000],
    draw: (draw) => ({ ranks: draw.minority().slice(0, 1), settings: { cut: draw.pick(CUTS) } }),
    strike: cutOff,
  },
  "partial-partition": {
    about: "two nodes cut off from each other, while both reach the others",
    lastsMs: [1_000, 8_000],
    draw: (draw) => ({ ranks: draw.ranks(2), settings: { cut: draw.pick(CUTS) } }),
    strike: (field, [a = "", b = ""], settings) => allPairs(field, [a], [b], cutOf(settings)),
  },
  "one-way": {
    about: "a random set of directed cuts: who speaks does not hear, who hears does not speak",
    lastsMs: LASTS_MS,
    draw: (draw) => {
      const ways = Array.from({ length: draw.nodes * (draw.nodes - 1) }, () => draw.between(0, 1));
      return { ranks: draw.ranks(draw.nodes), settings: { ways: ways.join(""), cut: drawFlow(draw) } };
    },
    strike: ({ network }, ids, { ways, cut }) => {
      const pairs = ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => ({ from, to })));
      const cuts = pairs.filter((_, place) => String(ways)[place] === "1");
      return undoAll(
        cuts.map(({ from, to }) => network.worsenWay(from, to, { ...OPEN_WAY, flow: cut as Way["flow"] })),
      );
    },
  },
  flapping: {
    about: "the links of one node going away and coming back about as fast as elections time out",
    lastsMs: [3_000, 8_000],
    draw: (draw) => ({ ranks: draw.ranks(1), settings: { everyMs: draw.between(200, 1_500), cut: drawFlow(draw) } }),
    strike: (field, [id = ""], { everyMs, cut }) => flapping(field, id, Number(everyMs), cutOf({ cut: cut as string })),
  },
  swizzle: {
    about: "every node cut off, one after the other, and let back in another order",
    lastsMs: [500, 3_000],
    draw: (draw) => ({
      ranks: draw.shuffled(draw.ranks(draw.nodes)),
      settings: { everyMs: draw.between(50, 600), cut: drawFlow(draw) },
    }),
    strike: (field, ids, { everyMs, cut }) => swizzled(field, ids, Number(everyMs), cutOf({ cut: cut as string })),
  },
  delay: {
    about: "bytes between the nodes delayed, unevenly",
    lastsMs: [2_000, 8_000],
    draw: (draw) => ({ ranks: draw.ranks(draw.between(1, draw.nodes)), settings: drawDelay(draw) }),
    strike: (field, ids, { delayMs, jitterMs }) =>
      slowed(field, ids, { ...OPEN_WAY, delayMs: Number(delayMs), jitterMs: Number(jitterMs) }),
  },
  bandwidth: {
    about: "the links of some nodes narrow",
    lastsMs: [2_000, 8_000],
    draw: (draw) => ({
      ranks: draw.ranks(draw.between(1, draw.nodes)),
      settings: { kilobytesPerSecond: draw.between(10, 200) },
    }),
    strike: (field, ids, { kilobytesPerSecond }) =>
      slowed(field, ids, { ...OPEN_WAY, bytesPerSecond: 1000 * Number(kilobytesPerSecond) }),
  },
  resets: {
    about: "connections between nodes reset at random, in the middle of what they carry",
    lastsMs: [1_000, 6_000],
    draw: (draw) => ({ ranks: draw.ranks(draw.nodes), settings: { perMille: draw.between(2, 100) } }),
    strike: (field, ids, { perMille }) => among(field, ids, { resetShare: Number(perMille) / 1000 }),
  },
  replay: {
    about: "requests between nodes delivered twice, the copy up to half a second later",
    lastsMs: [1_000, 6_000],
    draw: (draw) => ({ ranks: draw.ranks(draw.nodes), settings: { percent: draw.between(5, 50) } }),
    strike: (field, ids, { percent }) => among(field, ids, { replayShare: Number(percent) / 100 }),
  },
  "reply-lost": {
    about: "requests between nodes carried out, their answers swallowed and the connections broken",
    lastsMs: [1_000, 6_000],
    draw: (draw) => ({ ranks: draw.ranks(draw.nodes), settings: { percent: draw.between(2, 40) } }),
    strike: (field, ids, { percent }) => among(field, ids, { lostReplyShare: Number(percent) / 100 }),
  },
  "store-cut": {
    about: "the way between a node and its mongod cut",
    lastsMs: [200, 5_000],
    draw: (draw) => ({ ranks: draw.minority(), settings: { cut: draw.pick(CUTS) } }),
    strike: ({ network }, ids, settings) => healAll(ids.map((id) => network.store(id).worsen(cutOf(settings)))),
  },
  "store-reply-lost": {
    about: "a write is carried out by the mongod, its answer swallowed and the connection broken",
    lastsMs: [500, 4_000],
    draw: (draw) => ({ ranks: draw.minority(), settings: { percent: draw.between(2, 50) } }),
    strike: ({ network }, ids, { percent }) =>
      healAll(ids.map((id) => network.store(id).worsen({ lostReplyShare: Number(percent) / 100 }))),
  },
} satisfies Record<string, FaultDefinition>;

/** Both ways at once. */
function cutOf({ cut }: Settings): Partial<Conditions> {
  if (cut === "refuse") return { isRefusing: true };
  const way = { ...OPEN_WAY, flow: cut as Way["flow"] };
  return { there: way, back: way };
}

const drawFlow = (draw: Draw): string => draw.pick(["hold", "drop"]);

function drawDelay(draw: Draw): Settings {
  // Up to about a third of an election timeout, and in every fourth draw beyond a whole one.
  const delayMs = draw.next() < 0.75 ? draw.between(2, 150) : draw.between(300, 1_200);
  return { delayMs, jitterMs: draw.between(0, delayMs) };
}

function allPairs({ network }: Field, some: readonly string[], others: readonly string[], how: Partial<Conditions>) {
  return undoAll(some.flatMap((a) => others.map((b) => network.worsenPair(a, b, how))));
}

function among({ network }: Field, ids: readonly string[], how: Partial<Conditions>): Heal {
  return undoAll(ids.flatMap((a, index) => ids.slice(index + 1).map((b) => network.worsenPair(a, b, how))));
}

/** Cuts the nodes off from all others. */
function cutOff(field: Field, ids: readonly string[], settings: Settings): Heal {
  return isolated(field, ids, cutOf(settings));
}

function isolated(field: Field, ids: readonly string[], how: Partial<Conditions>): () => void {
  const others = field.network.ids.filter((id) => !ids.includes(id));
  return allPairs(field, ids, others, how);
}

function slowed({ network }: Field, ids: readonly string[], way: Way): Heal {
  return undoAll(
    ids.flatMap((id) => network.ids.filter((other) => other !== id).map((other) => network.worsenWay(id, other, way))),
  );
}

function flapping(field: Field, id: string, everyMs: number, how: Partial<Conditions>): Heal {
  let undo: (() => void) | undefined = isolated(field, [id], how);
  const timer = setInterval(
    () => {
      undo?.();
      undo = undo === undefined ? isolated(field, [id], how) : undefined;
    },
    Math.max(FLAP_MS_MIN, everyMs),
  );
  return () => {
    clearInterval(timer);
    undo?.();
  };
}

async function swizzled(
  field: Field,
  ids: readonly string[],
  everyMs: number,
  how: Partial<Conditions>,
): Promise<Heal> {
  const undo = new Map<string, () => void>();
  for (const id of ids) {
    undo.set(id, isolated(field, [id], how));
    await sleep(everyMs);
  }
  return async () => {
    // They come back by id: that is another order than the one in which they were cut off.
    for (const id of [...ids].sort()) {
      undo.get(id)?.();
      await sleep(everyMs);
    }
  };
}
