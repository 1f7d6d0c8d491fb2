import type { HardState } from "../../cluster/types.js";
import { entryOf } from "../../node/storage/entries.js";
import {
  type IndexStanding,
  type IndexWork,
  type LogStore,
  type NewBlock,
  type OpenedStore,
  type StoredBlock,
  type StoredEntry,
  StoreError,
} from "../../node/storage/port.js";
import { anchorPage, type StateMac } from "../../node/storage/state-mac.js";
import { type HashHex, type Height, height, type NodeId, type Term } from "../../shared/ids.js";
import { blockBytes } from "../../shared/log/block.js";
import type { MemoryDatabase, MemoryState } from "./memory-database.js";
import { beginWork, dropEntry, endWork, entriesFrom, putEntries, standingOf, tidy } from "./memory-index.js";

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
  work: number | null;
}

/** The log store of one process on a database in memory: the same contract as the one in MongoDB, without waiting. */
export class MemoryLogStore implements LogStore {
  private opening: Opening | null = null;
  private bootCounter: number | null = null;
  /** The run of the server that reads are answered by. */
  private readsRun: number | null = null;
  private readonly listeners: (() => void)[] = [];
  private readonly inDoubt = new Map<Height, { blockHash: HashHex; writeId: number }>();

  constructor(
    private readonly database: MemoryDatabase,
    private readonly self: MemorySelf,
  ) {}

  get serverProcessId(): string {
    return this.opening === null ? "" : `memory-${this.opening.serverRun}`;
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
      const tailHeight = this.tailHeight();
      await tidy(database, tailHeight);
      if (tailHeight === 0 && database.state?.indexWork != null) await this.swap(opening, { indexWork: null });
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
      tailHeight: this.tailHeight(),
      index: standingOf(database),
      indexWork,
      warnings: [],
      serverProcessId: this.serverProcessId,
    };
  }

  async saveState(hard: HardState, bootCounter?: number): Promise<void> {
    const counted = bootCounter === undefined ? {} : { bootCounter };
    await this.guarded((opening) => this.swap(opening, { hard, mac: this.self.stateMac(hard), ...counted }));
    this.bootCounter = bootCounter ?? this.bootCounter;
  }

  async insertBlocks(blocks: readonly NewBlock[]): Promise<void> {
    await this.guarded(async (opening) => {
      const { database, inDoubt } = this;
      const inserts = blocks.map(({ block, frontier, entry }) => {
        const { blockHash, header } = block;
        const at = header.height;
        const doubt = inDoubt.get(at);
        const isSentBefore = doubt?.blockHash === blockHash;
        const writeId = isSentBefore ? doubt.writeId : nextWriteId++;
        inDoubt.set(at, { blockHash, writeId });
        return { at, writeId, isSentBefore, stored: { block, frontier }, entry: entry && entryOf(block, entry) };
      });
      const withEntry = inserts.filter(({ entry }) => entry !== null);
      if (withEntry.length > 0) {
        await database.write(() => {
          for (const { at, entry, ...insert } of withEntry.slice(0, database.reach(withEntry.length)))
            if (isNew(at, database.entries.get(at), insert))
              database.entries.set(at, { stored: entry as StoredEntry, writeId: insert.writeId });
        });
        if (opening.isLost) throw new StoreError("unknown", "The store must be opened again.");
      }
      await database.write(() => {
        for (const { at, stored, ...insert } of inserts.slice(0, database.reach(inserts.length)))
          if (isNew(at, database.blocks.get(at), insert))
            database.blocks.set(at, { stored: structuredClone(stored), writeId: insert.writeId });
      });
      for (const { at } of inserts) inDoubt.delete(at);
    });
  }

  async truncate(from: Height, by: { term: Term; leaderId: NodeId }): Promise<void> {
    await this.guarded((opening) => this.runTruncation(opening, { from, ...by }));
  }

  async readBlocks(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<StoredBlock[]> {
    this.alive();
    const found: StoredBlock[] = [];
    let bytes = 0;
    for (const { stored } of this.inOrder(from)) {
      bytes += blockBytes(stored.block);
      if (found.length > 0 && (bytes > limit.bytesMax || found.length >= limit.blocksMax)) break;
      found.push(structuredClone(stored));
    }
    return found;
  }

  async readEntries(from: Height, limit: number): Promise<StoredEntry[]> {
    this.alive();
    return entriesFrom(this.database, from, limit).map(({ stored }) => structuredClone(stored));
  }

  async beginIndexWork(work: IndexWork, isLost: boolean): Promise<void> {
    await this.guarded(async (opening) => {
      opening.work = await beginWork(this.database, isLost);
      await this.swap(opening, { indexWork: work });
    });
  }

  async putEntries(
    due: Parameters<LogStore["putEntries"]>[0],
    options = { ownMayDiffer: false },
  ): Promise<{ readonly differing: Height[] }> {
    let differing: Height[] = [];
    await this.guarded(async ({ work }) => {
      if (work === null) throw noWork();
      differing = await putEntries(this.database, due, options);
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

  async readAnchors(page: number): Promise<Uint8Array | null> {
    this.alive();
    const found = this.database.anchors.get(page);
    if (found === undefined) return null;
    return found.mac === this.self.stateMac(anchorPage(found.clusterId, page, found.hashes)) ? found.hashes : null;
  }

  async writeAnchors(page: number, clusterId: HashHex, hashes: Uint8Array): Promise<void> {
    const mac = this.self.stateMac(anchorPage(clusterId, page, hashes));
    await this.guarded(() =>
      this.database.write(() => void this.database.anchors.set(page, { clusterId, hashes: hashes.slice(), mac })),
    );
  }

  async readMembershipBlocks(): Promise<StoredBlock[]> {
    this.alive();
    const isMembership = ({ stored }: { stored: StoredBlock }): boolean =>
      ["genesis", "node_admitted"].includes(stored.block.header.control?.kind ?? "");
    return this.inOrder(height(0))
      .filter(isMembership)
      .map(({ stored }) => structuredClone(stored));
  }

  async readElectionBlocks(through: Height, blocksMax: number): Promise<StoredBlock[]> {
    this.alive();
    const isElection = ({ stored }: { stored: StoredBlock }): boolean =>
      stored.block.header.height <= through &&
      ["genesis", "term_started"].includes(stored.block.header.control?.kind ?? "");
    const found = this.inOrder(height(0)).filter(isElection).reverse();
    return found.slice(0, Math.max(1, blocksMax)).map(({ stored }) => structuredClone(stored));
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

  /** Takes the database over; the same rules as in MongoDB (mongo-owner.ts). Resolves with the state's version. */
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
    for (const { stored } of this.inOrder(from)) {
      const key = `${stored.block.header.height}-${stored.block.blockHash}`;
      await this.database.write(() => quarantined.set(key, stored));
    }
  }

  /** The same rounds as in MongoDB (mongo-log-store.ts): list, copy, mark, delete what is on the list. */
  private async runTruncation(opening: Opening, truncating: NonNullable<MemoryState["truncating"]>): Promise<void> {
    const { blocks } = this.database;
    const { from } = truncating;
    for (;;) {
      const listed = this.inOrder(from);
      if (listed.length === 0) break;
      await this.quarantine(from);
      await this.swap(opening, { truncating });
      for (const { stored, writeId } of listed.reverse()) {
        const at = stored.block.header.height;
        await this.database.write(() => blocks.get(at)?.writeId === writeId && blocks.delete(at));
        if (this.database.entries.has(at)) await this.database.write(() => dropEntry(this.database, at, writeId));
      }
    }
    for (const at of this.inDoubt.keys()) if (at >= from) this.inDoubt.delete(at);
    await this.swap(opening, { truncating: null });
  }

  private tailHeight(): Height {
    let tail = 0;
    for (const at of this.database.blocks.keys()) tail = Math.max(tail, at);
    return height(tail);
  }

  private inOrder(from: Height): { stored: StoredBlock; writeId: number }[] {
    const heights = [...this.database.blocks.keys()].filter((at) => at >= from).sort((a, b) => a - b);
    return heights.map((at) => this.database.blocks.get(at) as { stored: StoredBlock; writeId: number });
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

/** Whether nothing is there yet; what is there must be of the very same insert. */
function isNew(
  at: Height,
  there: { readonly writeId: number } | undefined,
  { writeId, isSentBefore }: { readonly writeId: number; readonly isSentBefore: boolean },
): boolean {
  if (there === undefined) return true;
  if (isSentBefore && there.writeId === writeId) return false;
  throw new StoreError("conflict", `Another block is stored at height ${at}.`);
}

const noWork = (): StoreError => new StoreError("not_stored", "No work on the index was begun.");

/** Names inserts as `writeId` does in MongoDB; a counter, so that a simulation stays repeatable. */
let nextWriteId = 1;
