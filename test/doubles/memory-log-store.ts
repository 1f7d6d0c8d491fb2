import type { HardState } from "../../cluster/types.js";
import {
  type IndexStanding,
  type IndexWork,
  type LogStore,
  type NewBlock,
  type OpenedStore,
  type PutOptions,
  type StoredBlock,
  type StoredEntry,
  StoreError,
} from "../../node/storage/port.js";
import { anchorPage, type StateMac } from "../../node/storage/state-mac.js";
import type { HashHex, Height, NodeId, Term } from "../../shared/ids.js";
import {
  blocksFrom,
  blocksOfKinds,
  heightsFrom,
  inOrder,
  newestAdmissions,
  newestOf,
  tailHeightOf,
} from "./memory-blocks.js";
import type { MemoryDatabase, MemoryState } from "./memory-database.js";
import {
  beginWork,
  dropEntry,
  endWork,
  entriesFrom,
  type MemoryWork,
  putEntries,
  standingOf,
  tidy,
} from "./memory-index.js";
import { MemoryInserts } from "./memory-inserts.js";

/** The process that a store in memory belongs to. */
export interface MemorySelf {
  readonly nodeId: NodeId;
  readonly bootId: string;
  readonly stateMac: StateMac;
}

interface Opening {
  readonly serverRun: number;
  version: number;
  isLost: boolean;
  /** The hard state in the database is not what its node wrote; over once another one is saved. */
  isStateAltered: boolean;
  readonly unwatch: () => void;
  /** The work on entries that was begun in this opening. */
  work: MemoryWork | null;
}

/** The log store of one process on a database in memory: the same contract as the one in MongoDB, without waiting. */
export class MemoryLogStore implements LogStore {
  private opening: Opening | null = null;
  private bootCounter: number | null = null;
  /** The run of the server that reads are answered by. */
  private readsRun: number | null = null;
  private readonly listeners: (() => void)[] = [];
  private readonly inserts: MemoryInserts;

  constructor(
    private readonly database: MemoryDatabase,
    private readonly self: MemorySelf,
  ) {
    this.inserts = new MemoryInserts(database);
  }

  onServerChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  async open(knownBootCounter = 0): Promise<OpenedStore> {
    this.drop();
    const { database } = this;
    const { serverRun } = database;
    const previousBootCounter = database.state?.bootCounter ?? 0;
    const version = await this.claim(knownBootCounter);
    const opening: Opening = {
      serverRun,
      version,
      isLost: false,
      isStateAltered: this.isAltered(database.state),
      unwatch: database.watch(() => this.onRestart()),
      work: null,
    };
    this.opening = opening;
    try {
      const truncating = database.state?.truncating ?? null;
      if (truncating !== null) await this.runTruncation(opening, truncating);
      const tailHeight = tailHeightOf(database);
      await tidy(database, tailHeight);
      const isOver = tailHeight === 0 || standingOf(database) !== null;
      if (isOver && database.state?.indexWork != null) await this.swap(opening, { indexWork: null });
    } catch (error) {
      this.drop();
      throw error;
    }
    const { isStateAltered } = opening;
    const { hard, bootCounter, indexWork } = database.state as MemoryState;
    this.bootCounter = bootCounter;
    this.readsRun = serverRun;
    return {
      hardState: isStateAltered ? null : hard,
      isStateAltered,
      storeId: database.storeId,
      bootCounter,
      previousBootCounter,
      tailHeight: tailHeightOf(database),
      newest: newestOf(database),
      index: standingOf(database),
      indexWork,
      warnings: [],
    };
  }

  async saveState(hard: HardState, bootCounter?: number): Promise<void> {
    const counted = bootCounter === undefined ? {} : { bootCounter };
    await this.guarded((opening) => this.swap(opening, { hard, mac: this.self.stateMac(hard), ...counted }));
    this.bootCounter = bootCounter ?? this.bootCounter;
  }

  async insertBlocks(blocks: readonly NewBlock[]): Promise<void> {
    await this.guarded(() => this.inserts.write(blocks));
  }

  async truncate(from: Height, by: { term: Term; leaderId: NodeId }): Promise<void> {
    await this.guarded((opening) => this.runTruncation(opening, { from, ...by }));
  }

  async readBlocks(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<StoredBlock[]> {
    this.alive();
    return blocksFrom(this.database, from, limit);
  }

  async nextHeight(from: Height): Promise<Height | null> {
    this.alive();
    return heightsFrom(this.database, from)[0] ?? null;
  }

  async readEntries(from: Height, limit: number): Promise<StoredEntry[]> {
    this.alive();
    return entriesFrom(this.database, from, limit).map(({ stored }) => structuredClone(stored));
  }

  async beginIndexWork(work: IndexWork, isLost: boolean, onTaken?: (wasWhole: boolean) => void): Promise<void> {
    await this.guarded(async (opening) => {
      opening.work = await beginWork(this.database, isLost, onTaken);
      await this.swap(opening, { indexWork: work });
    });
  }

  async putEntries(
    due: Parameters<LogStore["putEntries"]>[0],
    options: PutOptions = { ownMayDiffer: false },
  ): Promise<{ readonly differing: Height[] }> {
    let differing: Height[] = [];
    await this.guarded(async ({ work }) => {
      if (work === null) throw noWork();
      differing = await putEntries(this.database, due, { ...options, work });
    });
    return { differing };
  }

  async endIndexWork(standing: IndexStanding): Promise<void> {
    await this.guarded(async (opening) => {
      if (opening.work === null) throw noWork();
      await endWork(this.database, opening.work, standing);
      opening.work = null;
      await this.swap(opening, { indexWork: null });
    });
  }

  async readAnchors(page: number, clusterId: HashHex): Promise<Uint8Array | null> {
    this.alive();
    const found = this.database.anchors.get(page);
    if (found?.clusterId !== clusterId) return null;
    return found.mac === this.self.stateMac(anchorPage(found.clusterId, page, found.hashes))
      ? found.hashes.slice()
      : null;
  }

  async writeAnchors(clusterId: HashHex, pages: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const { anchors } = this.database;
    await this.guarded(() =>
      this.database.write(() => {
        for (const [page, hashes] of pages) {
          const mac = this.self.stateMac(anchorPage(clusterId, page, hashes));
          anchors.set(page, { clusterId, hashes: hashes.slice(), mac });
        }
      }),
    );
  }

  async forgetAnchors(): Promise<void> {
    await this.guarded(() => this.database.write(() => this.database.anchors.clear()));
  }

  async readMembershipBlocks(through: Height): Promise<StoredBlock[]> {
    this.alive();
    return newestAdmissions(this.database, through);
  }

  async readElectionBlocks(through: Height, blocksMax: number): Promise<StoredBlock[]> {
    this.alive();
    const found = blocksOfKinds(this.database, ["genesis", "term_started"]);
    const upTo = found.filter(({ block }) => block.header.height <= through);
    return upTo.reverse().slice(0, Math.max(1, blocksMax));
  }

  async checkOwner(): Promise<void> {
    this.alive();
    this.assertOwner();
  }

  async close(): Promise<void> {
    const { opening, database } = this;
    if (opening !== null && !opening.isLost)
      await database.write(() => database.swap(opening.version, { owner: this.ownedBy(true) })).catch(() => undefined);
    this.readsRun = null;
    this.drop();
  }

  /** Reads go on while the log is opened again, as long as it is the same server. */
  assertReadable(): void {
    if (this.readsRun === null) throw new StoreError("not_stored", "The store is not open.");
    if (this.readsRun !== this.database.serverRun) throw new StoreError("unknown", "Another process answers now.");
  }

  /** Takes the database over; the same rules as in MongoDB (owner.ts). Resolves with the state's version. */
  private async claim(known: number): Promise<number> {
    const { database, self } = this;
    const owner = this.ownedBy(false);
    return database.write(() => {
      const found = database.state;
      if (found !== null && found.owner.nodeId !== self.nodeId)
        throw new StoreError("unfit", `This database belongs to node ${found.owner.nodeId}, not ${self.nodeId}.`);
      const isOurs = found?.owner.bootId === self.bootId;
      const remembered = this.bootCounter;
      if (found !== null && remembered !== null && !isOurs && found.bootCounter >= remembered)
        throw new StoreError("not_owner", `Another process of node ${self.nodeId} has taken this database over.`);
      const version = (found?.version ?? 0) + 1;
      const nothing = { hard: null, mac: null, truncating: null, indexWork: null };
      if (found === null) database.state = { version, ...nothing, owner, bootCounter: 1 };
      else {
        const isRaised = !isOurs && remembered === null && found.bootCounter >= known;
        const bootCounter = isRaised ? found.bootCounter + 1 : found.bootCounter;
        database.swap(found.version, { owner, bootCounter });
      }
      return version;
    });
  }

  private async swap(opening: Opening, change: Partial<MemoryState>): Promise<void> {
    const { database } = this;
    const { version, isStateAltered } = opening;
    if (await database.write(() => database.swap(version, change, { isAltered: isStateAltered }))) {
      opening.version = version + 1;
      if (change.hard !== undefined) opening.isStateAltered = false;
      return;
    }
    this.assertOwner();
    throw new StoreError("conflict", "The node's state was changed by someone else, or its term would go back.");
  }

  private ownedBy(isReleased: boolean): MemoryState["owner"] {
    const { nodeId, bootId } = this.self;
    return { nodeId, bootId, isReleased };
  }

  private isAltered(state: MemoryState | null): boolean {
    return state !== null && state.hard !== null && state.mac !== this.self.stateMac(state.hard);
  }

  private async quarantine(from: Height): Promise<void> {
    const { quarantined } = this.database;
    for (const { stored } of inOrder(this.database, from)) {
      const key = `${stored.block.header.height}-${stored.block.blockHash}`;
      await this.database.write(() => quarantined.set(key, stored));
    }
  }

  /** The same rounds as in MongoDB (truncation.ts): list, copy, mark, delete what is on the list. */
  private async runTruncation(opening: Opening, truncating: NonNullable<MemoryState["truncating"]>): Promise<void> {
    const { blocks } = this.database;
    const { from } = truncating;
    for (;;) {
      const listed = inOrder(this.database, from);
      if (listed.length === 0) break;
      await this.quarantine(from);
      await this.swap(opening, { truncating });
      for (const { stored, writeId } of listed.reverse()) {
        const at = stored.block.header.height;
        await this.database.write(() => blocks.get(at)?.writeId === writeId && blocks.delete(at));
        if (this.database.entries.has(at)) await this.database.write(() => dropEntry(this.database, at, writeId));
      }
    }
    this.inserts.forgetFrom(from);
    await this.swap(opening, { truncating: null });
  }

  private assertOwner(): void {
    const owner = this.database.state?.owner;
    if (owner?.nodeId === this.self.nodeId && owner.bootId === this.self.bootId) return;
    throw new StoreError("not_owner", `This database was taken over by node ${owner?.nodeId}, boot ${owner?.bootId}.`);
  }

  private async guarded(operation: (opening: Opening) => Promise<void>): Promise<void> {
    const opening = this.alive();
    try {
      await operation(opening);
      this.alive();
    } catch (error) {
      if (error instanceof StoreError && (error.failure === "unknown" || error.failure === "not_owner"))
        opening.isLost = true;
      throw error;
    }
  }

  private alive(): Opening {
    if (this.opening === null) throw new StoreError("not_stored", "The store is not open.");
    if (this.opening.isLost) throw new StoreError("unknown", "The store must be opened again.");
    return this.opening;
  }

  private onRestart(): void {
    if (this.opening === null || this.opening.isLost) return;
    this.opening.isLost = true;
    for (const listener of this.listeners) listener();
  }

  private drop(): void {
    this.opening?.unwatch();
    this.opening = null;
  }
}

const noWork = (): StoreError => new StoreError("not_stored", "No work on the index was begun.");
