import { AlteredBlock } from "../../node/replica/anchors.js";
import type { EventAt } from "../../node/replica/proved-blocks.js";
import { IndexDiffers, type Search } from "../../node/service/page-builder.js";
import { Searches } from "../../node/service/search.js";
import { StoreError } from "../../node/storage/port.js";
import { type ShownEvent, shownEvent } from "../../shared/log/event.js";
import { type EventFilter, matches } from "../../shared/log/filter.js";
import { instantOf } from "../../shared/timestamp.js";
import { SOURCES, TIMES, TYPES } from "./clients.js";
import type { SimNode } from "./node.js";
import type { SimProcess } from "./process.js";
import type { Random } from "./random.js";
import { check, noteError } from "./violation.js";
import type { World } from "./world.js";

const SEARCH_MS_MAX = 1_500;
const RETRY_MS = 100;

/** Readers of single events, lists and counts, at any node, through the product's own searches. */
export class Readers {
  isStopped = false;
  private readonly searches = new WeakMap<SimProcess, Searches>();

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly thinkMaxMs: number,
  ) {
    this.readLater();
    world.onReplaced = (node, at) => this.comeBy(node, at);
  }

  /** Events of a block that is not the committed one any more are read from the disk, and were kept in no memory. */
  private comeBy(node: SimNode, at: number): void {
    const { world, random } = this;
    const committed = world.checkers.history.committed[at - 1]?.block.block.header;
    if (committed === undefined || committed.eventCount === 0) return;
    for (const delayMs of [1, 30, 300, 1_000])
      world.scheduler.after(delayMs, () => {
        const { process } = node;
        process?.run(() => {
          if (committed.treeSize > process.driver.committed.size) return;
          const sequence = random.between(committed.firstSequence, committed.treeSize - 1);
          void this.guarded(process, () => this.one(process, sequence)).catch(noteError);
        });
      });
  }

  private readLater(): void {
    const { world, random } = this;
    world.scheduler.after(random.between(0, 2 * this.thinkMaxMs), () => {
      if (this.isStopped) return;
      const { process } = random.pick(world.nodes);
      process?.run(() => {
        // What it lost is not all known yet: it serves nothing. What it reads all the same it must not call altered.
        const isLearner = process.driver.standing()?.isLearner === true;
        void (isLearner ? this.readShown(process) : this.readOnce(process)).catch(noteError);
      });
      this.readLater();
    });
  }

  private async readShown(process: SimProcess): Promise<void> {
    const { size } = process.driver.committed;
    if (size > 0) await this.guarded(process, () => this.one(process, this.random.between(0, size - 1)));
  }

  private async readOnce(process: SimProcess): Promise<void> {
    const size = this.world.checkers.reads.begin(process);
    if (size === 0) return;
    const { random } = this;
    const kind = random.unit();
    await this.guarded(process, async () => {
      if (kind < 0.4) return this.one(process, random.between(Math.max(0, size - random.pick([5, 500])), size - 1));
      if (kind < 0.85) return this.list(process, this.drawn(process, size));
      return this.count(process, this.drawn(process, size));
    });
  }

  /** What a route does with what goes wrong: true if it was answered. */
  private async guarded(process: SimProcess, read: () => Promise<void>): Promise<boolean> {
    const { node, driver } = process;
    const { reads } = this.world.checkers;
    try {
      await read();
      return true;
    } catch (error) {
      if (error instanceof IndexDiffers) {
        // Or what arrived late, where a block without events has been stored since.
        const isMisplaced = node.disk.at(error.height)?.block.header.eventCount === 0;
        check(
          isMisplaced || node.disk.everTouched.has(error.height),
          "alert",
          () => `${node.id}: ${error.message}; nobody touched it`,
        );
        driver.onIndexDiffers(error.height);
        reads.onRefused("index_differs");
      } else if (error instanceof AlteredBlock) reads.onRefused("altered");
      else if (error instanceof StoreError) {
        if (error.failure === "index_lost") driver.onIndexLost();
        reads.onRefused(error.failure);
      } else throw error;
      return false;
    }
  }

  private searchesOf(process: SimProcess): Searches {
    let searches = this.searches.get(process);
    if (searches === undefined) {
      const { driver, storage } = process;
      const commitHeight = () => driver.committed.height;
      searches = new Searches({
        reader: storage.reader,
        blocks: driver.blocks,
        clock: process,
        commitHeight,
        heldThrough: () => driver.heldThrough,
        onIndexDiffers: (at) => driver.onIndexDiffers(at),
      });
      this.searches.set(process, searches);
    }
    return searches;
  }

  private async one(process: SimProcess, sequence: number): Promise<void> {
    const { events, header } = await this.searchesOf(process).places.blockOf(sequence);
    this.shown(process, [{ event: events.event(sequence - header.firstSequence), header }]);
  }

  private drawn(process: SimProcess, size: number): Search {
    const { random } = this;
    const maybe = <T>(chance: number, of: () => T | null): T | undefined =>
      random.chance(chance) ? (of() ?? undefined) : undefined;
    const indexed = process.driver.index.indexedPaths;
    const recorded = (): ReturnType<typeof instantOf> => {
      const at = this.world.checkers.history.events[random.between(0, size - 1)];
      return instantOf(at?.event.record.recordedAt ?? "");
    };
    const conditions = {
      eventType: maybe(0.3, () => random.pick(TYPES)),
      sourceAppId: maybe(0.3, () => random.pick(SOURCES)),
      typePrefix: maybe(0.2, () => random.pick(["simulated", "simulated.now"])),
      timestampFrom: maybe(0.15, () => instantOf(random.pick(TIMES))),
      timestampTo: maybe(0.1, () => instantOf(random.pick(TIMES))),
      timestampBefore: maybe(0.1, () => instantOf(random.pick(TIMES))),
      recordedSince: maybe(0.1, recorded),
      recordedUntil: maybe(0.1, recorded),
      payload: maybe(indexed.length > 0 ? 0.3 : 0, () => [
        { path: random.pick(indexed), texts: [String(random.between(0, 9)), '"x"'] },
      ]),
    };
    const filter = Object.fromEntries(Object.entries(conditions).filter(([, value]) => value !== undefined));
    const low = random.between(0, random.pick([0, size]));
    return {
      filter,
      order: random.pick(["asc", "desc"]),
      low,
      high: random.between(low, size),
      skip: random.pick([0, 0, 3]),
      limit: random.pick([1, 5, 100]),
      bytesMax: random.pick([1, 1_000, 1_000_000]),
      deadline: process.now() + random.pick([0, 20, SEARCH_MS_MAX]),
    };
  }

  private async list(process: SimProcess, search: Search): Promise<void> {
    const { node } = process;
    const found = await this.searchesOf(process).find(search);
    this.shown(process, found.events);
    const { order, skip = 0 } = search;
    const due = this.scan(search);
    const sequences = found.events.map(({ event }) => event.record.sequence as number);
    const says = (): string => `${node.id} answers ${JSON.stringify(search)} with ${sequences}; ${due} are due`;
    // An entry that somebody touched can hide events until that is found.
    if (node.disk.touched.size > 0) return check(isWithin(sequences, due), "I10", says);
    const until = found.next ?? (order === "asc" ? search.high : search.low - 1);
    const passed = due.filter((sequence) => (order === "asc" ? sequence < until : sequence > until));
    check(isSame(sequences, passed.slice(skip, skip + search.limit)), "I10", says);
    const isShort = found.next === null && sequences.length < Math.min(search.limit, Math.max(0, due.length - skip));
    check(!isShort, "I10", says);
  }

  private async count(process: SimProcess, { filter, high, deadline, limit: cap }: Search): Promise<void> {
    const { node } = process;
    const counted = await this.searchesOf(process).count(filter, { high, cap, deadline });
    this.world.checkers.reads.answered += 1;
    if (counted === null || node.disk.touched.size > 0) return;
    const due = this.scan({ filter, order: "asc", low: 0, high }).length;
    check(
      counted.total === Math.min(due, cap) && counted.isCapped === due > cap,
      "I10",
      () => `${node.id} counts ${JSON.stringify(counted)} of ${JSON.stringify(filter)} below ${high}; ${due} are due`,
    );
  }

  private scan({ filter, order, low, high }: Pick<Search, "filter" | "order" | "low" | "high">): number[] {
    const due: number[] = [];
    const { events } = this.world.checkers.history;
    for (let at = low; at < high; at++) {
      const event = events[at]?.event;
      if (event !== undefined && matches(event, filter)) due.push(at);
    }
    return order === "asc" ? due : due.reverse();
  }

  private shown(process: SimProcess, events: readonly EventAt[]): void {
    const shown: ShownEvent[] = events.map(({ event, header }) => shownEvent(event, header));
    this.world.checkers.reads.onShown(process, shown);
  }

  /** In the calm every read is answered, the first ones perhaps with a hint at what has to be mended. */
  finish(withinMs: number): void {
    const { world, random } = this;
    const whole = random.pick(world.nodes);
    for (const node of world.nodes) {
      const all: EventFilter[] = [{ eventType: random.pick(TYPES) }, { sourceAppId: random.pick(SOURCES) }];
      if (node === whole) all.push({});
      for (const filter of all) this.mustAnswer(node, filter, withinMs);
    }
  }

  private mustAnswer(node: SimNode, filter: EventFilter, withinMs: number): void {
    const { world } = this;
    const end = world.scheduler.now + withinMs;
    let isAnswered = false;
    const read = (): void => {
      const { process } = node;
      const again = (): void => world.scheduler.after(RETRY_MS, () => world.scheduler.now < end && read());
      if (process === null) return again();
      const high = world.checkers.reads.begin(process);
      const limits = { limit: high + 1, bytesMax: 1e9, deadline: process.now() + withinMs };
      const search: Search = { filter, order: "asc", low: 0, high, ...limits };
      void this.guarded(process, () => this.list(process, search))
        .then((isDone) => {
          isAnswered ||= isDone;
          if (!isDone) again();
        })
        .catch(noteError);
    };
    read();
    world.runUntil(() => isAnswered, withinMs);
    check(isAnswered, "I10", () => `${node.id} does not answer ${JSON.stringify(filter)} in the calm`);
  }
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i]);
const isWithin = (found: readonly number[], due: readonly number[]): boolean => {
  const all = new Set(due);
  return found.every((one) => all.has(one));
};
