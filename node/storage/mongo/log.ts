import { type Collection, WriteConcern } from "mongodb";
import type { HardState } from "../../../cluster/types.js";
import type { HashHex, Height, NodeId, Term } from "../../../shared/ids.js";
import { height } from "../../../shared/ids.js";
import {
  type IndexStanding,
  type IndexWork,
  type LogStore,
  NEWEST_HEIGHTS,
  type NewBlock,
  type OpenedStore,
  type PutOptions,
  type StoredBlock,
  type StoredEntry,
  StoreError,
} from "../port.js";
import { LogCleared, type RepairStore } from "../repair-port.js";
import { MongoAnchors } from "./anchors.js";
import { BlockInserts } from "./block-inserts.js";
import { BLOCK_INDEXES, nextHeight, readBlocksFrom, readElectionBlocks, readMembershipBlocks } from "./blocks.js";
import type { StoredDocument } from "./documents.js";
import { entriesOf, type FoundDocument, storedEntry } from "./entries.js";
import { blocksFrom, inOrder, wholeEntries } from "./entry-ids.js";
import { readError, storeError, within } from "./errors.js";
import { IndexWorks } from "./index-work.js";
import { MongoLink, openingError } from "./link.js";
import { COMMAND_MS_DEFAULT, type Companion, type MongoLogStoreOptions } from "./options.js";
import { claim, type UncleanWait } from "./owner.js";
import { clearLog, fractionsAt, joinAnew, putBlocks, removeForged } from "./repairs.js";
import { assertFit } from "./server.js";
import { makeIndexes } from "./server-indexes.js";
import { MongoState, type Truncating } from "./state.js";
import { type Alerts, type QuarantinedDocument, runTruncation } from "./truncation.js";

const OWNER_WATCH_MS_MIN = 50;

/** All that one successful `open` holds; a lost or failed one is never used again. */
interface Opening {
  readonly link: MongoLink;
  readonly state: MongoState;
  readonly blocks: Collection<StoredDocument>;
  readonly entries: Collection<FoundDocument>;
  readonly works: IndexWorks;
  readonly anchors: MongoAnchors;
  readonly quarantine: Collection<QuarantinedDocument>;
  readonly alerts: Alerts;
  readonly durable: WriteConcern;
  /** The listeners are called once an opening. */
  isNotified: boolean;
  /** Its owner is being read. */
  isWatched: boolean;
}

/** The log in MongoDB. */
export class MongoLogStore implements LogStore, RepairStore {
  private opening: Opening | null = null;
  private ownerWatch: NodeJS.Timeout | null = null;
  private bootCounter: number | null = null;
  private readonly listeners: (() => void)[] = [];
  private readonly inserts: BlockInserts;
  private readonly uncleanWait: UncleanWait = { isDue: false };

  constructor(
    private readonly options: MongoLogStoreOptions,
    private readonly companion: Companion,
  ) {
    this.inserts = new BlockInserts(options);
  }

  onServerChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  async open(knownBootCounter = 0): Promise<OpenedStore> {
    await this.dropOpening();
    const { options } = this;
    const link = await MongoLink.connect({
      ...options,
      commandMs: options.commandMs ?? COMMAND_MS_DEFAULT,
      appName: `quorumlog-${options.nodeId}-log`,
      isRetryingReads: false,
      connectionsMax: 4,
      survivesBreaks: false,
    });
    try {
      return await this.openOn(link, knownBootCounter);
    } catch (error) {
      this.opening = null;
      await link.close();
      throw openingError(error, options.mongodbUri, storeError(error, "Opening the database"));
    }
  }

  private async openOn(link: MongoLink, knownBootCounter: number): Promise<OpenedStore> {
    const { db } = link;
    const isMember = link.server.setName !== undefined;
    const { warnings } = await assertFit(db, link.server, this.options);
    const durable = new WriteConcern(isMember ? "majority" : 1, undefined, true);
    const blocks = db.collection<StoredDocument>("blocks");
    const into = db.collection<QuarantinedDocument>("quarantine");
    const alerts: Alerts = db.collection("alerts");
    const opening: Opening = {
      link,
      state: new MongoState(db.collection("state"), durable, this.options.stateMac),
      blocks,
      entries: entriesOf(db),
      alerts,
      works: new IndexWorks(db, { blocks, quarantine: into, alerts, durable, stateMac: this.options.stateMac }),
      anchors: new MongoAnchors(db.collection("anchors"), durable, this.options.stateMac),
      quarantine: into,
      durable,
      isNotified: false,
      isWatched: false,
    };
    const { options } = this;
    const { previousBootCounter } = await claim(opening.state, {
      ...options,
      isMember,
      rememberedBootCounter: this.bootCounter,
      knownBootCounter,
      uncleanWait: this.uncleanWait,
    });
    await makeIndexes(blocks, BLOCK_INDEXES);
    const { truncating } = opening.state.record;
    if (truncating !== null) await this.cut(opening, truncating);
    const newest = await newestHeights(blocks);
    const [tailHeight = height(0)] = newest;
    await opening.works.tidy(tailHeight, () => opening.state.swapOrThrow({}, options));
    const index = await opening.works.standing();
    // An insert whose reply was lost may be visible and not journaled yet: a journaled write after the read makes
    // everything that it saw durable, before it is counted on. Of an index that is whole no work is left to be done.
    await opening.state.swapOrThrow(tailHeight === 0 || index !== null ? { indexWork: null } : {}, options);
    await this.companion.open(link.processId, durable, () => this.notify(opening));
    await opening.state.assertOwner(options);
    await link.verifyProcess();

    const { isAltered } = opening.state;
    const { hard, storeId, bootCounter, indexWork } = opening.state.record;
    this.opening = opening;
    this.ownerWatch = setInterval(
      () => void this.watchOwner(opening),
      Math.max(OWNER_WATCH_MS_MIN, options.slowMs),
    ).unref();
    this.bootCounter = bootCounter;
    link.onLost(() => this.notify(opening));
    return {
      hardState: isAltered ? null : hard,
      isStateAltered: isAltered,
      storeId,
      bootCounter,
      previousBootCounter,
      tailHeight,
      newest,
      index,
      indexWork,
      warnings,
    };
  }

  async saveState(state: HardState, bootCounter?: number): Promise<void> {
    const save = (opening: Opening): Promise<void> => opening.state.save(state, this.options, bootCounter);
    await this.guarded("Writing the node's state", save, this.options.stallMs);
    this.bootCounter = bootCounter ?? this.bootCounter;
  }

  async insertBlocks(stored: readonly NewBlock[]): Promise<void> {
    if (stored.length > 1 && this.inserts.isAnyInDoubt(stored)) {
      // What may be there already has to be looked at one by one.
      for (const one of stored) await this.insertBlocks([one]);
      return;
    }
    const inserts = this.inserts.begin(stored);
    await this.guarded("Storing blocks", (opening) => this.inserts.write(opening, inserts), this.options.stallMs);
    this.inserts.stored(inserts);
  }

  truncate(from: Height, by: { term: Term; leaderId: NodeId }): Promise<void> {
    return this.guarded("Replacing the log's tail", (opening) => this.cut(opening, { from, ...by }));
  }

  /** Begins a truncation, or finishes one that was begun: the steps are the same. */
  private async cut(opening: Opening, truncating: Truncating): Promise<void> {
    await runTruncation(opening, truncating, this.options);
    this.inserts.forgetFrom(truncating.from);
    await opening.state.swapOrThrow({ truncating: null }, this.options);
  }

  readBlocks(from: Height, limit: Parameters<LogStore["readBlocks"]>[1]): Promise<StoredBlock[]> {
    return this.reading(({ blocks }) => readBlocksFrom(blocks, from, limit));
  }

  nextHeight(from: Height): Promise<Height | null> {
    return this.reading(({ blocks }) => nextHeight(blocks, from));
  }

  readMembershipBlocks(through: Height): Promise<StoredBlock[]> {
    return this.reading(({ blocks }) => readMembershipBlocks(blocks, through));
  }

  readElectionBlocks(through: Height, blocksMax: number): Promise<StoredBlock[]> {
    return this.reading(({ blocks }) => readElectionBlocks(blocks, through, blocksMax));
  }

  readEntries(from: Height, limit: number): Promise<StoredEntry[]> {
    return this.reading(async ({ entries }) => {
      const found = entries.find(wholeEntries(from)).sort(inOrder("asc"));
      return (await found.limit(Math.max(1, limit)).toArray()).map(storedEntry);
    });
  }

  async beginIndexWork(work: IndexWork, isLost: boolean, onTaken?: (wasWhole: boolean) => void): Promise<void> {
    await this.guarded("Beginning work on the index", async ({ works, state }) => {
      // The marker goes first: a crash in between must not leave an index that says it is whole.
      await works.begin(isLost, () => onTaken?.(state.record.indexWork === null));
      await state.swapOrThrow({ indexWork: work }, this.options);
      if (isLost) await this.companion.ensureIndexes();
    });
  }

  async putEntries(
    due: Parameters<LogStore["putEntries"]>[0],
    options: PutOptions = { ownMayDiffer: false },
  ): Promise<{ readonly differing: Height[] }> {
    let differing: Height[] = [];
    await this.guarded("Making entries anew", async ({ works }) => {
      differing = await works.put(due, options);
    });
    return { differing };
  }

  async endIndexWork(standing: IndexStanding): Promise<void> {
    await this.guarded("Ending work on the index", async ({ works, state }) => {
      if (!(await this.companion.ensureIndexes()))
        throw new StoreError("not_stored", "The server is still making the indexes of the entries.");
      await works.end(standing);
      await state.swapOrThrow({ indexWork: null }, this.options);
    });
  }

  readAnchors(page: number, clusterId: HashHex): Promise<Uint8Array | null> {
    return this.reading(({ anchors }) => anchors.read(page, clusterId));
  }

  writeAnchors(clusterId: HashHex, pages: ReadonlyMap<number, Uint8Array>): Promise<void> {
    return this.guarded("Noting hashes", ({ anchors }) => anchors.write(clusterId, pages));
  }

  forgetAnchors(): Promise<void> {
    return this.guarded("Forgetting hashes", ({ anchors }) => anchors.clear());
  }

  putBlocks(stored: readonly StoredBlock[]): Promise<void> {
    return this.guarded("Repairing blocks", (opening) => putBlocks(opening, stored, this.options));
  }

  async removeForged(ids: readonly unknown[], besides: readonly number[]): Promise<string[]> {
    let kept: string[] = [];
    await this.guarded("Taking forged documents out", async (opening) => {
      kept = await removeForged(opening, [...ids, ...(await fractionsAt(opening, besides))], this.options);
    });
    return kept;
  }

  async clear(mayGoOn: () => Promise<void>): Promise<void> {
    const opening = this.alive();
    const { hard } = opening.state.record;
    await this.guarded("Taking a new join nonce", () => joinAnew(opening, this.options));
    try {
      await mayGoOn();
    } catch (error) {
      // All is there, and nobody has heard of the new one. Where it stays, the node is admitted again in time.
      if (hard !== null) await this.saveState(hard as HardState).catch(() => undefined);
      throw error;
    }
    // Blocks that are copied anew have other names: a delete of this clearing that arrives late must not find them.
    this.inserts.forgetFrom(height(1));
    try {
      await this.guarded("Clearing the log", () => clearLog(opening, this.options));
    } catch (error) {
      // Some of it may be gone: the replica that knows it must not go on, also where this very write was not made.
      const { failure, message } = storeError(error, "Clearing the log");
      opening.link.fail(message);
      throw failure === "not_owner" ? error : new StoreError("unknown", message, { cause: error });
    }
    // What this opening knows of its log is so no longer.
    opening.link.fail("The log was cleared");
    throw new LogCleared();
  }

  async checkOwner(): Promise<void> {
    const opening = this.alive();
    await opening.state.assertOwner(this.options);
    await opening.link.verifyProcess();
  }

  /** A clean stop: says in the state that a successor need not wait. Never throws. */
  async close(): Promise<void> {
    const { opening } = this;
    await this.companion.close();
    try {
      opening?.link.assertAlive();
      const { nodeId, bootId } = this.options;
      await opening?.state.swap({ owner: { nodeId, bootId, isReleased: true } });
    } catch {
      // Then it is an unclean stop, and the successor waits.
    }
    await this.dropOpening();
  }

  private notify(opening: Opening): void {
    if (opening !== this.opening || opening.isNotified) return;
    opening.isNotified = true;
    opening.link.fail("The MongoDB server changed");
    for (const listener of this.listeners) listener();
  }

  /**
   * Runs a write, and answers it only if the same mongod process and the same owner stood behind it all along: an answer
   * within `slowMs` of a proof of ownership is safe, since a successor waits longer than that before it reads the log. Beyond
   * `limitMs` its outcome is unknown, whatever becomes of it.
   */
  private async guarded(
    doing: string,
    operation: (opening: Opening) => Promise<void>,
    limitMs: number | null = null,
  ): Promise<void> {
    const opening = this.alive();
    const write = async (): Promise<void> => {
      await operation(opening);
      await opening.link.verifyProcess();
      await this.proveOwner(opening);
      opening.link.assertAlive();
    };
    try {
      await (limitMs === null ? write() : within(limitMs, write(), doing));
    } catch (error) {
      const failed = storeError(error, doing);
      // What is stored is not known any more: nothing is written on this opening until it has been read again.
      if (failed.failure === "unknown" || failed.failure === "not_owner") opening.link.fail(failed.message);
      throw failed;
    }
  }

  /** A process that only follows and reads speaks for its log, too, and must not go on doing so beside its successor. */
  private async watchOwner(opening: Opening): Promise<void> {
    // A server that hangs gets one question, not one after the other: they would take the connections from the writes.
    if (opening.isWatched) return;
    opening.isWatched = true;
    try {
      opening.link.assertAlive();
      await this.proveOwner(opening);
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure !== "not_owner") return;
      opening.link.fail(error.message);
      this.notify(opening);
    } finally {
      opening.isWatched = false;
    }
  }

  private async proveOwner({ state }: Opening): Promise<void> {
    if (performance.now() - state.ownerProvenAt > this.options.slowMs) await state.assertOwner(this.options);
  }

  private async reading<T>(operation: (opening: Opening) => Promise<T>): Promise<T> {
    const opening = this.alive();
    try {
      const result = await operation(opening);
      await opening.link.verifyProcess();
      return result;
    } catch (error) {
      throw readError(error, "Reading the log");
    }
  }

  private alive(): Opening {
    if (this.opening === null) throw new StoreError("not_stored", "The store is not open.");
    this.opening.link.assertAlive();
    return this.opening;
  }

  private async dropOpening(): Promise<void> {
    const { opening } = this;
    this.opening = null;
    if (this.ownerWatch !== null) clearInterval(this.ownerWatch);
    await opening?.link.close();
  }
}

/** The highest places where blocks stand, the highest first. The server reads their ids alone, unless one is no height. */
async function newestHeights(blocks: Collection<StoredDocument>): Promise<Height[]> {
  const options = { sort: { _id: -1 }, projection: { _id: 1 }, hint: { _id: 1 }, limit: NEWEST_HEIGHTS } as const;
  const numbers = await blocks.find({ _id: { $gte: 1, $lte: Number.MAX_SAFE_INTEGER } }, options).toArray();
  const areWhole = numbers.every(({ _id }) => Number.isSafeInteger(Number(_id)));
  const found = areWhole ? numbers : await blocks.find(blocksFrom(1), options).toArray();
  return found.map(({ _id }) => height(Number(_id)));
}
