import type { HardState } from "../../cluster/types.js";
import { type LogStore, type OpenedStore, type StoredBlock, StoreError } from "../../node/storage/port.js";
import type { StateMac } from "../../node/storage/state-mac.js";
import { type HashHex, type Height, height, type NodeId, type Term } from "../../shared/ids.js";
import { blockBytes } from "../../shared/log/block.js";
import type { MemoryDatabase, MemoryState } from "./memory-database.js";

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
}

/** The log store of one process on a database in memory: the same contract as the one in MongoDB, without waiting. */
export class MemoryLogStore implements LogStore {
  private opening: Opening | null = null;
  private bootCounter: number | null = null;
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
    };
    this.opening = opening;
    try {
      const truncating = database.state?.truncating ?? null;
      if (truncating !== null) await this.runTruncation(opening, truncating);
    } catch (error) {
      this.drop();
      throw error;
    }
    const { isStateAltered } = opening;
    const { hard, bootCounter } = database.state as MemoryState;
    this.bootCounter = bootCounter;
    return {
      hardState: isStateAltered ? null : hard,
      isStateAltered,
      storeId: database.storeId,
      bootCounter,
      previousBootCounter,
      tailHeight: height(Math.max(0, ...database.blocks.keys())),
      projectedThrough: database.rows.length,
      warnings: [],
      serverProcessId: this.serverProcessId,
    };
  }

  async saveState(hard: HardState, bootCounter?: number): Promise<void> {
    const counted = bootCounter === undefined ? {} : { bootCounter };
    await this.guarded((opening) => this.swap(opening, { hard, mac: this.self.stateMac(hard), ...counted }));
    this.bootCounter = bootCounter ?? this.bootCounter;
  }

  async insertBlocks(stored: readonly StoredBlock[]): Promise<void> {
    await this.guarded(async () => {
      const { database, inDoubt } = this;
      const inserts = stored.map((it) => {
        const { blockHash, header } = it.block;
        const doubt = inDoubt.get(header.height);
        const isSentBefore = doubt?.blockHash === blockHash;
        const writeId = isSentBefore ? doubt.writeId : nextWriteId++;
        return { at: header.height, blockHash, writeId, isSentBefore, stored: it };
      });
      try {
        await database.write(() => {
          for (const { at, writeId, isSentBefore, stored: one } of inserts.slice(0, database.reach(inserts.length))) {
            const there = database.blocks.get(at);
            if (there === undefined) database.blocks.set(at, { stored: structuredClone(one), writeId });
            else if (!isSentBefore || there.writeId !== writeId)
              throw new StoreError("conflict", `Another block is stored at height ${at}.`);
          }
        });
      } catch (error) {
        if (error instanceof StoreError && error.failure === "unknown")
          for (const { at, blockHash, writeId } of inserts) inDoubt.set(at, { blockHash, writeId });
        throw error;
      }
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
    this.drop();
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
      if (found === null) database.state = { version, hard: null, mac: null, truncating: null, owner, bootCounter: 1 };
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
      }
    }
    for (const at of this.inDoubt.keys()) if (at >= from) this.inDoubt.delete(at);
    await this.swap(opening, { truncating: null });
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

/** Names inserts as `writeId` does in MongoDB; a counter, so that a simulation stays repeatable. */
let nextWriteId = 1;
