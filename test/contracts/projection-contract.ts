import { describe, expect, it } from "vitest";
import type { EventFilter, Storage } from "../../node/storage/port.js";
import type { EventView } from "../../shared/log/event.js";
import { type TestEvent, TestLog } from "./fixtures.js";

export interface ProjectionHarness {
  /** A new process's storage on the same database, opened. */
  open(): Promise<Storage & { projectedThrough: number }>;
  restartServer(): Promise<void>;
}

/** Three events a block, so that `recordedAt` has runs of equal values. */
function views(count: number, event: (i: number) => TestEvent = () => ({})): EventView[] {
  const log = new TestLog();
  const all: EventView[] = [];
  for (let i = 0; i < count; i += 3) {
    const size = Math.min(3, count - i);
    all.push(...log.block(Array.from({ length: size }, (_, k) => event(i + k))).views);
  }
  return all;
}

/** Part of the storage contract: what the projection must do. */
export function projectionContract(harness: ProjectionHarness): void {
  describe("the projection", () => {
    it("takes events in order, skips what it has, refuses a hole", async () => {
      const { projection } = await harness.open();
      const events = views(9);
      await projection.apply(events.slice(0, 4));
      await projection.apply(events.slice(2, 6));
      await expect(projection.apply(events.slice(7))).rejects.toThrow(RangeError);
      expect(projection.through).toBe(6);
      await projection.apply(events.slice(6));
      expect(projection.through).toBe(9);
      expect(await projection.list({}, { order: "asc", limit: 100 })).toEqual(events);
      expect(await projection.get(8)).toEqual(events[8]);
      expect(await projection.get(9)).toBeNull();
      expect(await projection.get(-1)).toBeNull();
    });

    it("goes on where it stood in another process, after a clean stop and after none", async () => {
      const events = views(12);
      const first = await harness.open();
      await first.projection.apply(events.slice(0, 5));
      await first.log.close();
      const second = await harness.open();
      expect(second.projectedThrough).toBe(5);
      await second.projection.apply(events.slice(5, 8));
      const third = await harness.open();
      expect(third.projectedThrough).toBe(8);
      expect(third.projection.through).toBe(8);
      await third.projection.apply(events.slice(6));
      expect(await third.projection.list({}, { order: "asc", limit: 100 })).toEqual(events);
    });

    it("has no hole after the server was killed under it", async () => {
      const events = views(300);
      const { log, projection } = await harness.open();
      await projection.apply(events.slice(0, 280));
      await harness.restartServer();
      await expect
        .poll(
          () =>
            log.checkOwner().then(
              () => false,
              () => true,
            ),
          { timeout: 20_000 },
        )
        .toBe(true);
      const { projectedThrough } = await log.open();
      expect(projectedThrough).toBe(projection.through);
      await projection.apply(events.slice(projectedThrough));
      expect(await projection.list({}, { order: "asc", limit: 1_000 })).toEqual(events);
    });

    it("filters and pages as a plain list would", async () => {
      const { projection } = await harness.open();
      const zones = ["Z", "", "+02:00", "-05:30", ".999999Z"];
      const events = views(60, (i) => ({
        eventType: `type.${i % 3}`,
        sourceAppId: `app-${i % 4}`,
        timestamp: `2026-01-${String((i % 20) + 1).padStart(2, "0")}T12:00:00${zones[i % 5]}`,
        dataPayload: { i },
      }));
      await projection.apply(events);
      const day = (n: number): number => Date.UTC(2026, 0, n, 12);
      const at = (i: number): string => (events[i] as EventView).recordedAt;
      const filters: [EventFilter, number[]][] = [
        [{}, [...events.keys()]],
        [{ eventType: "type.1" }, where((i) => i % 3 === 1)],
        [{ eventType: "type.1", sourceAppId: "app-2" }, where((i) => i % 3 === 1 && i % 4 === 2)],
        [{ eventType: "none" }, []],
        [{ recordedSince: at(10) }, where((i) => i >= 9)],
        [{ recordedUntil: at(10) }, where((i) => i < 9)],
        [
          { recordedSince: at(10), recordedUntil: at(31), sourceAppId: "app-0" },
          where((i) => i >= 9 && i < 30 && i % 4 === 0),
        ],
        [{ recordedSince: "2099" }, []],
        [{ timestampFrom: day(1), timestampTo: day(2) }, [0, 1, 20, 21, 40, 41]],
        [{ timestampFrom: day(3) - 7_200_000, timestampTo: day(3) - 7_200_000 }, [2, 22, 42]],
        [{ timestampFrom: day(20) + 900 }, where((i) => i % 20 === 19 && i % 5 === 4)],
        [{ timestampFrom: -1e18, timestampTo: 1e18, eventType: "type.0" }, where((i) => i % 3 === 0)],
      ];
      for (const [filter, expected] of filters) {
        const list = (page: Parameters<typeof projection.list>[1]): Promise<number[]> =>
          projection.list(filter, page).then((found) => found.map(({ sequence }) => sequence));
        expect(await list({ order: "asc", limit: 100 })).toEqual(expected);
        expect(await list({ order: "desc", limit: 100 })).toEqual([...expected].reverse());
        expect(await list({ order: "desc", limit: 2, skip: 1 })).toEqual([...expected].reverse().slice(1, 3));
        expect(await list({ order: "asc", limit: 3, after: 10, before: 40 })).toEqual(
          expected.filter((i) => i > 10 && i < 40).slice(0, 3),
        );
        expect(await projection.count(filter, 1_000)).toEqual({ total: expected.length, isCapped: false });
      }
      expect(await projection.list({}, { order: "asc", limit: 100, through: 60 })).toHaveLength(60);
      await expect(projection.list({}, { order: "asc", limit: 100, through: 61 })).rejects.toThrow("projected anew");
      expect(await projection.count({ eventType: "type.1" }, 7)).toEqual({ total: 7, isCapped: true });
      expect(await projection.count({ eventType: "type.1" }, 20)).toEqual({ total: 20, isCapped: false });
      expect(await projection.count({}, 7)).toEqual({ total: 60, isCapped: false });
    });

    it("finds events by key, the first of equal ones", async () => {
      const { projection } = await harness.open();
      const key = (sourceAppId: string, idempotencyKey: string): TestEvent => ({ sourceAppId, idempotencyKey });
      const events = views(
        4,
        (i) => [key("a", "k"), {}, key("b", "k"), { ...key("a", "k"), batch: [0, 2] as const }][i] as TestEvent,
      );
      await projection.apply(events);
      const { id, hash, height } = events[0] as EventView;
      expect(await projection.findByKey("a", "k")).toEqual({ sequence: 0, id, hash, height });
      expect(await projection.findByKey("b", "k")).toMatchObject({ sequence: 2 });
      expect(await projection.findByKey("b", "other")).toBeNull();
      expect(await projection.get(3)).toEqual(events[3]);
    });
  });
}

const where = (isIn: (i: number) => boolean): number[] => Array.from({ length: 60 }, (_, i) => i).filter(isIn);
