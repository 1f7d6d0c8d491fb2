import { COMMAND_MS_DEFAULT, KEY_CONNECTIONS_MAX, READ_CONNECTIONS_MAX } from "../../node/storage/mongo/options.js";
import {
  indexLost,
  type KeyReader,
  LEFT_BEHIND_BLOCKS,
  type LogReader,
  type LogStore,
  type OpenedStore,
  type Storage,
  StoreError,
} from "../../node/storage/port.js";
import type { StateMac } from "../../node/storage/state-mac.js";
import { MemoryLogStore } from "../doubles/memory-log-store.js";
import { MemoryKeys, MemoryReader } from "../doubles/memory-reader.js";
import type { OperationKind, Reader } from "./mongod.js";
import { Pool } from "./pool.js";
import type { SimProcess } from "./process.js";
import { check } from "./violation.js";

/**
 * One process's storage: the in-memory twin of the store in MongoDB, whose writes and reads pass through the simulated
 * mongod. What the twin does at once takes time here, and can fail.
 */
export function simStorage(process: SimProcess, stateMac: StateMac): Storage {
  const { node } = process;
  const { database } = node.disk;
  const inner = new MemoryLogStore(database, { nodeId: node.id, bootId: process.bootId, stateMac });
  const reads = new Reading(process, "reads", READ_CONNECTIONS_MAX);
  const keys = new Reading(process, "keys", KEY_CONNECTIONS_MAX);
  return {
    log: new SlowLogStore(inner, process),
    keys: slowKeys(new MemoryKeys(database, inner), keys),
    reader: slowReader(new MemoryReader(database, inner), reads),
    alerts: {
      raise: () => Promise.reject(new Error("alerts go to the checkers")),
      save: () => Promise.reject(new Error("alerts go to the checkers")),
      get: async () => null,
      list: async () => [],
      count: async () => 0,
      foundHeights: async () => null,
      standing: async () => "absent",
    },
    freeBytes: async () => null,
  };
}

class SlowLogStore implements LogStore {
  constructor(
    private readonly inner: MemoryLogStore,
    private readonly process: SimProcess,
  ) {}

  onServerChange(listener: () => void): void {
    this.inner.onServerChange(listener);
  }

  async open(knownBootCounter = 0): Promise<OpenedStore> {
    const { database } = this.process.node.disk;
    this.next("open");
    // Entries further below the tail are not looked at by an opening.
    for (const at of [...database.arrivedLate])
      if (at > database.blocks.size - LEFT_BEHIND_BLOCKS) database.arrivedLate.delete(at);
    database.openings += 1;
    const run = database.serverRun;
    const opened = await this.inner.open(knownBootCounter);
    // It begins anew with its log.
    if (opened.tailHeight === 0) this.process.node.disk.account = "sound";
    // What was read is in the journal once this is.
    this.next("open");
    await database.write(() => undefined);
    if (run !== database.serverRun) throw new StoreError("unknown", "The server went away.");
    return opened;
  }

  saveState: LogStore["saveState"] = (state, bootCounter) => {
    this.next("save_state");
    return this.inner.saveState(state, bootCounter);
  };
  insertBlocks: LogStore["insertBlocks"] = (stored) => {
    this.ofReplica("store_block");
    return this.inner.insertBlocks(stored);
  };
  truncate: LogStore["truncate"] = async (from, by) => {
    const { node } = this.process;
    // A recovery removes what arrived late, in its own name.
    if (by.leaderId === node.id) this.next("truncate");
    else this.ofReplica("truncate");
    const { disk } = node;
    const before = disk.onTruncated === null ? null : disk.chainAt(disk.tailHeight);
    const sealedBy = disk.at(disk.tailHeight)?.block.header.leaderId ?? by.leaderId;
    await this.inner.truncate(from, by);
    if (before !== null) disk.onTruncated?.(before, sealedBy);
    node.around.checkers.index.nothingFrom(node, from);
  };
  readBlocks: LogStore["readBlocks"] = async (from, limit) => {
    await this.read();
    const blocks = await this.inner.readBlocks(from, limit);
    this.process.node.onRead(from, limit.bytesMax, blocks);
    return blocks;
  };
  nextHeight: LogStore["nextHeight"] = async (from) => {
    await this.read();
    return this.inner.nextHeight(from);
  };
  readEntries: LogStore["readEntries"] = async (from, limit) => {
    await this.read();
    return this.inner.readEntries(from, limit);
  };
  beginIndexWork: LogStore["beginIndexWork"] = (work, isLost, onTaken) =>
    this.beside("index", () => this.inner.beginIndexWork(work, isLost, onTaken));
  putEntries: LogStore["putEntries"] = (entries, options) =>
    this.beside("index", () => this.inner.putEntries(entries, options));
  endIndexWork: LogStore["endIndexWork"] = (standing) =>
    this.process.mendIndex(() => this.beside("index", () => this.inner.endIndexWork(standing)));
  readAnchors: LogStore["readAnchors"] = async (page, clusterId) => {
    await this.read();
    return this.inner.readAnchors(page, clusterId);
  };
  writeAnchors: LogStore["writeAnchors"] = (clusterId, pages) =>
    this.beside("anchors", () => this.inner.writeAnchors(clusterId, pages));
  forgetAnchors: LogStore["forgetAnchors"] = () => this.beside("anchors", () => this.inner.forgetAnchors());
  readMembershipBlocks: LogStore["readMembershipBlocks"] = async (through) => {
    await this.read();
    return this.inner.readMembershipBlocks(through);
  };
  readElectionBlocks: LogStore["readElectionBlocks"] = async (through, blocksMax) => {
    await this.read();
    return this.inner.readElectionBlocks(through, blocksMax);
  };
  checkOwner: LogStore["checkOwner"] = async () => {
    await this.read();
    return this.inner.checkOwner();
  };
  close(): Promise<void> {
    return this.inner.close();
  }

  /** I4: a replica that is gone decides nothing any more about what is stored. */
  private ofReplica(kind: OperationKind): void {
    const { hasReplica, node } = this.process;
    check(hasReplica, "I4", () => `${node.id}: ${kind} is asked for by a replica that is gone`);
    this.next(kind);
  }
  private next(kind: OperationKind): void {
    Object.assign(this.process.node.disk.database, { kind, asker: this.process });
  }
  /** An operation of several writes may be under way: only the first of this one's is named, and it comes at once. */
  private beside<T>(kind: OperationKind, begin: () => Promise<T>): Promise<T> {
    const { database } = this.process.node.disk;
    const { kind: before, asker } = database;
    Object.assign(database, { kind, asker: this.process });
    const begun = begin();
    Object.assign(database, { kind: before, asker });
    return begun;
  }
  private read(): Promise<void> {
    return this.process.node.store.perform("read", () => {}, null, this.process);
  }
}

/** Reads past the log's own client: each takes its time and one of its connections, and may fail. */
class Reading {
  private readonly pool: Pool;

  constructor(
    private readonly process: SimProcess,
    private readonly name: Reader,
    connectionsMax: number,
  ) {
    this.pool = new Pool(process, { connectionsMax, waitMs: COMMAND_MS_DEFAULT });
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    await this.pool.run(() => this.process.node.store.perform("read", () => {}, this.name, this.process));
    return read();
  }

  async lookUp<T>(read: () => Promise<T>): Promise<T> {
    const { store, around } = this.process.node;
    await this.pool.run(() => store.perform("read", () => {}, this.name, this.process));
    if (store.behaviour.lookUps === "rebuilding") {
      this.process.isIndexDoubted = true;
      throw indexLost();
    }
    if (store.behaviour.lookUps === "failing" && around.random.chance(0.7))
      throw new StoreError("unknown", "The look-up failed.");
    return read();
  }
}

const slowKeys = (inner: MemoryKeys, reading: Reading): KeyReader => ({
  heightsOfKey: (term, limit) => reading.lookUp(() => inner.heightsOfKey(term, limit)),
  keyTerms: (from, limit) => reading.lookUp(() => inner.keyTerms(from, limit)),
});

const slowReader = (inner: MemoryReader, reading: Reading): LogReader => ({
  readBlocks: (heights, bytesMax) => reading.run(() => inner.readBlocks(heights, bytesMax)),
  readHeaders: (from, to) => reading.run(() => inner.readHeaders(from, to)),
  find: (query) => reading.run(() => inner.find(query)),
  heights: (group, range) => reading.run(() => inner.heights(group, range)),
  estimate: (group, range, cap) => reading.run(() => inner.estimate(group, range, cap)),
  holding: (sequence, through) => reading.run(() => inner.holding(sequence, through)),
  neighbours: (from, order, limit) => reading.run(() => inner.neighbours(from, order, limit)),
});
