import { expect, it, vi } from "vitest";
import type { ReplicaView } from "../../cluster/types.js";
import { type Height, height } from "../../shared/ids.js";
import type { AnswerOf } from "../../shared/protocol/requests.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { StoreError } from "../storage/port.js";
import { LogCleared } from "../storage/repair-port.js";
import type { Places } from "./place-file.js";
import { Rebuild } from "./rebuild.js";
import { RepairRefused } from "./repair.js";

type Status = AnswerOf<"status">;
const NOWHERE: Places = { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null };

/** n3 of three nodes, which follows n1. */
function setUp(rebuild: Places["rebuild"] = null) {
  const places = { ...NOWHERE, rebuild };
  const file = {
    get places() {
      return places;
    },
    set: (change: Partial<Places>) => void Object.assign(places, change),
    write: async () => undefined,
  };
  const heights = { commitHeight: 9 as Height, durableHeight: 9 as Height };
  const own = { role: "follower", leaderId: "n1", isLearner: false, members: [1, 2, 3], ...heights };
  const others = ["n1", "n2"].map(
    (id) => ({ id, health: "sound", leaderId: "n1", lastHeight: 9, commitHeight: 9 }) as Status,
  );
  const store = {
    cleared: 0,
    failing: null as StoreError | null,
    onClear: (): void => {},
    onAside: (): void => {},
    onClearing: (_: number): void => {},
  };
  const asked = { failing: null as StoreError | null };
  const state = { isStopped: false };
  const clock = hastyClock();
  const made = new Rebuild({
    nodeId: "n3",
    repairs: {
      clear: async (mayGoOn) => {
        await mayGoOn();
        store.onClear();
        if (store.failing !== null) throw store.failing;
        store.cleared += 1;
        own.isLearner = true;
        throw new LogCleared();
      },
    },
    view: () => own as unknown as ReplicaView,
    heldThrough: () => own.commitHeight,
    askStatus: async () => {
      if (asked.failing !== null) throw asked.failing;
      return others.map((answer) => ({ answer }));
    },
    aside: async (_reason, work) => {
      store.onAside();
      await work(own.durableHeight);
    },
    places: () => file,
    onClearing: async (through) => {
      store.onClearing(through);
    },
    fullPass: async () => undefined,
    clock,
    isStopped: () => state.isStopped,
  });
  return { made, own, others, asked, store, state, places, clock };
}

const change = (status: Status | undefined, to: Partial<Status>): unknown => Object.assign(status as Status, to);

it("is refused while another node is rebuilt, and says from the question on that it is", async () => {
  const { made, others } = setUp();
  expect(await made.refusal("a")).toBeNull();
  expect(made.isUnderWay).toBe(true);
  made.giveUp("a");
  change(others[1], { isRebuilding: true });
  expect(await made.refusal("a")).toContain("n2 is being rebuilt");
  expect(made.isUnderWay).toBe(false);
});

it("is not said to be wanted any more where the others could not be asked", async () => {
  const { made, asked } = setUp();
  asked.failing = new StoreError("unknown", "cut");
  await expect(made.refusal("a")).rejects.toThrow("cut");
  expect(made.isUnderWay).toBe(false);
});

it("is refused where the others are no majority that has what is committed", async () => {
  const { made, others } = setUp();
  change(others[1], { lastHeight: 8, commitHeight: 8 });
  expect(await made.refusal("a")).toContain("are no majority");
  change(others[1], { lastHeight: 9, commitHeight: 9, health: "stalled" });
  expect(await made.refusal("a")).toContain("are no majority");
});

it("counts no voter whose blocks at these heights are of a tail that nobody has committed", async () => {
  const { made, others, store } = setUp();
  // A deposed leader hears n1 again, and what it sealed itself up to block 9 has not been replaced yet.
  change(others[1], { lastHeight: 9, commitHeight: 7 });
  expect(await made.refusal("a")).toContain("are no majority");
  await expect(made.run("a", async () => undefined)).rejects.toBeInstanceOf(RepairRefused);
  expect(store.cleared).toBe(0);
});

it("counts no damaged node as one that could give the log back, and says whose alerts come first", async () => {
  const { made, others } = setUp();
  change(others[1], { health: "damaged" });
  expect(await made.refusal("a")).toMatch(/are no majority.*See to the alerts of n2 first; or,.* an empty database/);
});

it("asks once more before it deletes: the decision may have waited", async () => {
  const { made, others, store, places } = setUp();
  expect(await made.refusal("a")).toBeNull();
  change(others[1], { health: "learner" });
  await expect(made.run("a", async () => undefined)).rejects.toBeInstanceOf(RepairRefused);
  expect(store.cleared).toBe(0);
  expect(places.rebuild).toBeNull();
  expect(made.isUnderWay).toBe(false);
});

it("asks for the last time when it acknowledges nothing any more, for all that it has acknowledged", async () => {
  const { made, own, store, places } = setUp();
  store.onAside = () => Object.assign(own, { durableHeight: 10 });
  await expect(made.run("a", async () => undefined)).rejects.toThrow(
    "have block 10 as it was committed are no majority",
  );
  expect(store.cleared).toBe(0);
  expect(places.rebuild).toBeNull();
  expect(made.isClearing).toBe(false);
});

it("asks as well when it goes on after a start, unless the node counts for nothing already", async () => {
  const { made, others, store, own } = setUp({ id: "a", height: height(9), isCleared: false });
  change(others[1], { health: "learner" });
  await expect(made.run("a", async () => undefined)).rejects.toBeInstanceOf(RepairRefused);
  const { made: again, store: emptied, own: learner } = setUp({ id: "a", height: height(9), isCleared: false });
  learner.isLearner = true;
  emptied.onClear = () => setTimeout(() => Object.assign(learner, { isLearner: false }), 1);
  await again.run("a", async () => undefined);
  expect([store.cleared, emptied.cleared, own.isLearner]).toEqual([0, 1, false]);
});

it("takes no failure of the store for an empty log, and does not go on looking away", async () => {
  const { made, store, places } = setUp();
  store.failing = new StoreError("unknown", "The connection broke.");
  await expect(made.run("a", async () => undefined)).rejects.toThrow("The connection broke.");
  expect(made.isClearing).toBe(false);
  expect(places.rebuild).toMatchObject({ id: "a", isCleared: false });
});

it("deletes nothing a second time after a stop in between", async () => {
  const { made, store, state, places } = setUp();
  store.onClear = () => setTimeout(() => Object.assign(state, { isStopped: true }), 1);
  await made.run("a", async () => undefined);
  expect(store.cleared).toBe(1);
  expect(places.rebuild).toMatchObject({ id: "a", isCleared: true });
});

it("goes on with a log that was copied before anybody has seen the node as a learner", async () => {
  const { made, own, store, places } = setUp();
  Object.defineProperty(own, "isLearner", { get: () => false, set: () => undefined });
  await made.run("a", async () => undefined);
  expect([store.cleared, made.isClearing, made.isUnderWay, places.rebuild]).toEqual([1, false, false, null]);
});

it("gives the others time to get the newest block before it refuses", async () => {
  const { made, own, others, store, clock } = setUp();
  store.onAside = () => {
    Object.assign(own, { durableHeight: 10 });
    clock.after(1, () => {
      for (const other of others) change(other, { lastHeight: 10, commitHeight: 10 });
    });
  };
  store.onClear = () => setTimeout(() => Object.assign(own, { isLearner: false }), 1);
  await made.run("a", async () => undefined);
  expect(store.cleared).toBe(1);
});

it("deletes nothing of a node that stops while the others are asked", async () => {
  const { made, store, state, places } = setUp();
  store.onAside = () => Object.assign(state, { isStopped: true });
  await expect(made.run("a", async () => undefined)).rejects.toThrow("The node stops.");
  expect(store.cleared).toBe(0);
  expect(places.rebuild).toMatchObject({ id: "a", isCleared: false });
});

it("says which blocks go before it deletes one, and deletes none if that cannot be kept", async () => {
  const { made, store } = setUp();
  const said: [number, number][] = [];
  store.onClearing = (through) => void said.push([through, store.cleared]);
  expect(await made.refusal("a")).toBeNull();
  store.onClear = () => expect(said).toEqual([[9, 0]]);
  void made.run("a", async () => undefined);
  await vi.waitFor(() => expect(store.cleared).toBe(1));

  const other = setUp();
  other.store.onClearing = () => {
    throw new StoreError("unknown", "The identity file cannot be written.");
  };
  expect(await other.made.refusal("b")).toBeNull();
  await expect(other.made.run("b", async () => undefined)).rejects.toThrow("cannot be written");
  expect([other.store.cleared, other.made.isClearing]).toEqual([0, false]);
});
