import { ProblemError } from "../../node/problems.js";
import type { Answered, PageRequest } from "../../node/service/log-port.js";
import { IndexDiffers } from "../../node/service/page-builder.js";
import { StoreError } from "../../node/storage/port.js";
import type { ShownEvent } from "../../shared/log/event.js";
import { type EventFilter, matches } from "../../shared/log/filter.js";
import { instantOf } from "../../shared/timestamp.js";
import { SOURCES, TIMES, TYPES } from "./clients.js";
import type { SimNode } from "./node.js";
import type { SimProcess } from "./process.js";
import type { Random } from "./random.js";
import { check, noteError } from "./violation.js";
import type { World } from "./world.js";

const RETRY_MS = 100;
/** Reads that must see what any node acknowledged before, and how often a read is for an event that may not be there. */
const LINEARIZABLE = 0.1;
const ABSENT = 0.05;

/** Readers of single events, lists and counts, at any node, as the routes read. */
export class Readers {
  isStopped = false;

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
          if (committed.treeSize > process.driver.log.committed.size) return;
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
        // What it lost is not all known yet: it serves nothing but streams. What it reads for them it must not call altered.
        const isLearner = process.driver.standing()?.isLearner === true;
        void this.guarded(process, () => (isLearner ? this.readShown(process) : this.readOnce(process))).catch(
          noteError,
        );
      });
      this.readLater();
    });
  }

  private async readShown(process: SimProcess): Promise<void> {
    const { logSize } = process.service.reads;
    if (logSize > 0) await this.one(process, this.random.between(0, logSize - 1));
  }

  private async readOnce(process: SimProcess): Promise<void> {
    const { random } = this;
    const size = await this.begin(process, random.chance(LINEARIZABLE));
    if (random.chance(ABSENT)) return this.one(process, size + random.pick([0, 0, 2]));
    if (size === 0) return;
    const kind = random.unit();
    if (kind < 0.4) return this.one(process, random.between(Math.max(0, size - random.pick([5, 500])), size - 1));
    if (kind < 0.85) return this.list(process, this.drawn(process, size));
    return this.count(process, this.drawn(process, size));
  }

  /** How much of the log the node answers from. */
  private async begin(process: SimProcess, isLinearizable: boolean): Promise<number> {
    const { reads, ledger } = this.world.checkers;
    const judge = reads.begin(process);
    const judgeNewest = isLinearizable ? ledger.beginRead(process.node.id) : null;
    await process.service.reads.awaitReadable({ isLinearizable });
    const { logSize } = process.service.reads;
    judge(logSize);
    judgeNewest?.(process.driver.log.committed.height);
    return logSize;
  }

  /** True if it was answered. */
  private async guarded(process: SimProcess, read: () => Promise<void>): Promise<boolean> {
    const { node } = process;
    const { reads } = this.world.checkers;
    try {
      await read();
      return true;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const { cause } = error;
      if (cause instanceof IndexDiffers) {
        // Or what arrived late, where a block without events has been stored since.
        const isMisplaced = node.disk.at(cause.height)?.block.header.eventCount === 0;
        check(
          isMisplaced || node.disk.everTouched.has(cause.height),
          "alert",
          () => `${node.id}: ${cause.message}; nobody touched it`,
        );
      }
      reads.onRefused(cause instanceof StoreError ? cause.failure : error.code);
      return false;
    }
  }

  private async one(process: SimProcess, sequence: number): Promise<void> {
    const { node, service } = process;
    const mayBeAbsent = this.world.checkers.reads.beginAbsence(process, sequence);
    const isShown = sequence < service.reads.logSize;
    const found = await service.reads.get(sequence);
    if (found !== null) return this.shown(process, [found.event.shown()]);
    check(!isShown, "I10", () => `${node.id} denies #${sequence}, which it has`);
    mayBeAbsent();
  }

  private drawn(process: SimProcess, size: number): PageRequest {
    const { random } = this;
    const maybe = <T>(chance: number, of: () => T | null): T | undefined =>
      random.chance(chance) ? (of() ?? undefined) : undefined;
    const indexed = process.service.reads.indexedPaths;
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
    };
  }

  private async list(process: SimProcess, search: PageRequest): Promise<void> {
    const { node } = process;
    const found = await process.service.reads.page(search);
    this.shown(
      process,
      found.events.map((event) => event.shown()),
    );
    const { order, skip = 0 } = search;
    const due = this.scan(search);
    const sequences = found.events.map(({ sequence }) => sequence);
    const says = (): string => `${node.id} answers ${JSON.stringify(search)} with ${sequences}; ${due} are due`;
    // An entry that somebody touched can hide events until that is found.
    if (this.isTouched(node, found)) return check(isWithin(sequences, due), "I10", says);
    const until = found.next ?? (order === "asc" ? search.high : search.low - 1);
    const passed = due.filter((sequence) => (order === "asc" ? sequence < until : sequence > until));
    check(isSame(sequences, passed.slice(skip, skip + search.limit)), "I10", says);
    const isShort = found.next === null && sequences.length < Math.min(search.limit, Math.max(0, due.length - skip));
    check(!isShort, "I10", says);
  }

  private async count(process: SimProcess, { filter, high, limit: cap }: PageRequest): Promise<void> {
    const { node } = process;
    const counted = await process.service.reads.count(filter, { high, cap });
    this.world.checkers.reads.answered += 1;
    if (this.isTouched(node, counted)) return;
    const due = this.scan({ filter, order: "asc", low: 0, high }).length;
    check(
      counted.total === Math.min(due, cap) && counted.isCapped === due > cap,
      "I10",
      () => `${node.id} counts ${JSON.stringify(counted)} of ${JSON.stringify(filter)} below ${high}; ${due} are due`,
    );
  }

  /**
   * Whoever has decided what is found may rest on entries that somebody touched; or that an opening took for what a crash has
   * left, as their blocks are gone: no start of the product is satisfied with so short a tail.
   */
  private isTouched(node: SimNode, { from }: Answered): boolean {
    return [node, ...this.world.nodes.filter(({ id }) => from.includes(id))].some(
      ({ disk }) => disk.touched.size + disk.removed.size > 0,
    );
  }

  private scan({ filter, order, low, high }: Pick<PageRequest, "filter" | "order" | "low" | "high">): number[] {
    const due: number[] = [];
    const { events } = this.world.checkers.history;
    for (let at = low; at < high; at++) {
      const event = events[at]?.event;
      if (event !== undefined && matches(event, filter)) due.push(at);
    }
    return order === "asc" ? due : due.reverse();
  }

  private shown(process: SimProcess, events: readonly ShownEvent[]): void {
    this.world.checkers.reads.onShown(process, events);
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
      const all = async (): Promise<void> => {
        const high = await this.begin(process, false);
        await this.list(process, { filter, order: "asc", low: 0, high, limit: high + 1 });
      };
      void this.guarded(process, all)
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
