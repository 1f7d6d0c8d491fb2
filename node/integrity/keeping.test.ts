import { expect, it } from "vitest";
import { hastyClock, MemoryIntegrity } from "../../test/doubles/memory-integrity.js";
import { Keeping, PLANTED_MAX } from "./keeping.js";

function setUp() {
  const store = new MemoryIntegrity([]);
  return { store, keeping: new Keeping({ store, clock: hastyClock(), logger: { warn: () => undefined } }) };
}

it("keeps what was planted once, however often it is told of and whatever its content is by then", async () => {
  const { store, keeping } = setUp();
  let content = 0;
  store.keepPlanted = async (id) => `forged-${id}-${content++}`;
  for (let looks = 0; looks < 5; looks++) expect(await keeping.plantedAt(5, "5")).toEqual(["forged-5-0"]);
  expect(await keeping.plantedAt("5", "5")).toEqual(["forged-5-1"]);
  keeping.forget();
  expect(await keeping.plantedAt(5, "5")).toEqual(["forged-5-2"]);
});

it("keeps so many of those that were planted, and names nothing for the others or for what is gone", async () => {
  const { store, keeping } = setUp();
  const { keepPlanted } = store;
  store.keepPlanted = async () => null;
  expect(await keeping.plantedAt(0.5, "0.5")).toEqual([]);
  Object.assign(store, { keepPlanted });
  for (let i = 0; i < 3 * PLANTED_MAX; i++) await keeping.plantedAt(i, `${i}`);
  expect(store.keptPlanted).toHaveLength(PLANTED_MAX);
  expect(await keeping.plantedAt(1, "1")).toEqual(["forged-1"]);
  expect(await keeping.plantedAt(3 * PLANTED_MAX, "x")).toEqual([]);
});

it("tries again what fails, gives up, and waits no more until something is kept again", async () => {
  const { keeping } = setUp();
  let tries = 0;
  const failing = (times: number) => async (): Promise<string> => {
    tries += 1;
    if (tries <= times) throw new Error("refused");
    return "kept";
  };
  expect([await keeping.kept(failing(2)), tries]).toEqual(["kept", 3]);
  tries = 0;
  expect([await keeping.kept(failing(9)), tries]).toEqual([null, 3]);
  expect([await keeping.kept(failing(9)), tries]).toEqual([null, 4]);
  expect(await keeping.kept(failing(4))).toBe("kept");
  tries = 0;
  expect([await keeping.kept(failing(9)), tries]).toEqual([null, 3]);
});
