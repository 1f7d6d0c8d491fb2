import { expect, it } from "vitest";
import { MemoryAlertStore } from "../../test/doubles/memory-alert-store.js";
import { MemoryDatabase } from "../../test/doubles/memory-database.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import type { IncidentKind } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import { Incidents } from "./incidents.js";

function setUp(store = new MemoryAlertStore(new MemoryDatabase("1".repeat(32)))) {
  const clock = hastyClock();
  const told: AlertRecord[] = [];
  const damage: boolean[] = [];
  const none = (): void => undefined;
  const incidents = new Incidents({
    ...{ nodeId: "n2", store, clock, logger: { error: none, warn: none, info: none } },
    onStep: (alert) => told.push(alert),
    onStored: () => undefined,
    onDamage: (isDamaged) => damage.push(isDamaged),
  });
  const note = (at: number, kind: IncidentKind = "payload_modified"): void =>
    incidents.note({ kind, foundBy: "watch", heights: [at, at], detail: `block ${at}` });
  const kept = async (): Promise<AlertRecord[]> => {
    await incidents.saved();
    return store.list(100);
  };
  return { incidents, store, clock, told, damage, note, kept };
}

it("knows what is open as soon as its store answers, once each", async () => {
  const first = setUp();
  for (const at of [4, 40]) first.note(at, at === 4 ? undefined : "missing");
  await first.kept();
  const { store } = first;
  for (const method of ["list", "count", "foundHeights"] as const) {
    const sound = store[method].bind(store) as () => Promise<never>;
    const refused = async (): Promise<never> => {
      store[method] = sound;
      throw new Error("no connection");
    };
    store[method] = refused;
    const second = setUp(store);
    expect(second.incidents.isDamaged).toBe(false);
    await second.incidents.load();
    expect([second.incidents.isDamaged, second.damage, second.incidents.unresolved.length]).toEqual([true, [true], 2]);
  }
});

it("joins what it finds while it does not know yet what is open to that", async () => {
  const first = setUp();
  first.note(4);
  const [before] = await first.kept();
  const { store } = first;
  const { list } = store;
  const second = setUp(store);
  store.list = async (...wanted) => {
    store.list = list;
    second.note(4);
    second.note(90, "missing");
    return list.apply(store, wanted);
  };
  const loading = second.incidents.load();
  await second.incidents.saved();
  await loading;
  const alerts = await store.list(10);
  expect(alerts.map(({ kind, heights, occurrences }) => [kind, heights, occurrences]).sort()).toEqual([
    ["missing", [[90, 90]], 1],
    ["payload_modified", [[4, 4]], 2],
  ]);
  expect([alerts.some(({ id }) => id === before?.id), second.told.map(({ kind }) => kind)]).toEqual([
    true,
    ["missing"],
  ]);
});

it("tells of what it finds though it never comes to know what is open, and each once when it does", async () => {
  const first = setUp();
  first.note(4);
  await first.kept();
  const { store } = first;
  const { list } = store;
  const second = setUp(store);
  store.list = async () => {
    throw new Error("no connection");
  };
  second.clock.pass(1);
  const loading = second.incidents.load();
  for (const at of [4, 5]) second.note(at);
  await second.incidents.saved();
  expect(second.told.map(({ heights }) => heights)).toEqual([[[4, 5]]]);
  expect([second.incidents.isDamaged, second.damage]).toEqual([true, [true]]);
  store.list = list;
  await loading;
  for (const at of [4, 5]) second.note(at);
  await second.incidents.saved();
  expect([second.told.length, second.incidents.unresolved.length, second.damage]).toEqual([1, 2, [true]]);
});

it("gives up what cannot be read when the node stops", async () => {
  const { incidents, store, note } = setUp();
  store.list = async () => {
    throw new Error("no connection");
  };
  const loading = incidents.load();
  note(4);
  incidents.stop();
  await loading;
  await incidents.saved();
});
