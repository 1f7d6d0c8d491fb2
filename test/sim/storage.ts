import { type IntegrityStore, WatchError } from "../../node/storage/integrity-port.js";
import {
  COMMAND_MS_DEFAULT,
  INTEGRITY_CONNECTIONS_MAX,
  KEY_CONNECTIONS_MAX,
  READ_CONNECTIONS_MAX,
} from "../../node/storage/mongo/options.js";
import type { NodeStorage } from "../../node/storage/open.js";
import {
  type AlertStore,
  indexLost,
  type KeyReader,
  LEFT_BEHIND_BLOCKS,
  type LogReader,
  type LogStore,
  type OpenedStore,
  StoreError,
} from "../../node/storage/port.js";
import type { StateMac } from "../../node/storage/state-mac.js";
import { MemoryAlertStore } from "../doubles/memory-alert-store.js";
import { MemoryIntegrityStore } from "../doubles/memory-integrity-store.js";
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
export function simStorage(process: SimProcess, stateMac: StateMac): NodeStorage {
  const { node } = process;
  const { database } = node.disk;
  const inner = new MemoryLogStore(database, { nodeId: node.id, bootId: process.bootId, stateMac });
  const reads = new Reading(process, "reads", READ_CONNECTIONS_MAX);
  const keys = new Reading(process, "keys", KEY_CONNECTIONS_MAX);
  return {
    log: new SlowLogStore(inner, process),
    keys: slowKeys(new MemoryKeys(database, inner), keys),
    reader: slowReader(new MemoryReader(database, inner), reads),
    alerts: slowAlerts(new MemoryAlertStore(database), reads, process),
    integrity: slowIntegrity(process, stateMac),
    repairs: { putBlocks: nobodyDecides, removeForged: nobodyDecides, clear: nobodyDecides },
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
  private beside<T>(kind: OperationKind, begin: () => Promise<T>): Promise<T> {
    return beside(this.process, kind, begin);
  }
  private read(): Promise<void> {
    return this.process.node.store.perform("read", () => {}, null, this.process);
  }
}

const nobodyDecides = (): Promise<never> => Promise.reject(new Error("nobody decides about alerts here"));

/** An operation of several writes may be under way: only the first of this one's is named, and it comes at once. */
function beside<T>(process: SimProcess, kind: OperationKind, begin: () => Promise<T>): Promise<T> {
  const { database } = process.node.disk;
  const { kind: before, asker } = database;
  Object.assign(database, { kind, asker: process });
  const begun = begin();
  Object.assign(database, { kind: before, asker });
  return begun;
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

const slowAlerts = (inner: MemoryAlertStore, reading: Reading, process: SimProcess): AlertStore => ({
  raise: (finding, at) => beside(process, "alerts", () => inner.raise(finding, at)),
  save(alert, found) {
    process.node.around.checkers.tampering.onAlert(process, alert, found);
    return beside(process, "alerts", () => inner.save(alert, found));
  },
  get: (id) => reading.run(() => inner.get(id)),
  list: (limit, wanted) => reading.run(() => inner.list(limit, wanted)),
  count: (wanted) => reading.run(() => inner.count(wanted)),
  foundHeights: (id) => reading.run(() => inner.foundHeights(id)),
  standing: (id) => reading.run(() => inner.standing(id)),
});

function slowIntegrity(process: SimProcess, stateMac: StateMac): IntegrityStore {
  const { node } = process;
  const reading = new Reading(process, "integrity", INTEGRITY_CONNECTIONS_MAX);
  const run = <T>(read: () => Promise<T>): Promise<T> => reading.run(read);
  const { database } = node.disk;
  let { serverRun } = database;
  const inner = new MemoryIntegrityStore(database, {
    stateMac,
    wall: () => node.wallText,
    async ask() {
      const { tampering } = node.around.checkers;
      const onAnswered = tampering.onAsked(process);
      await run(async () => undefined).finally(onAnswered);
      // A stream ends with its server.
      const isSame = serverRun === database.serverRun;
      serverRun = database.serverRun;
      if (!isSame) throw new StoreError("unknown", "The stream of changes has ended.");
    },
  });
  return {
    blocksAt: (heights) => run(() => inner.blocksAt(heights)),
    blocksFrom: (from, limit) =>
      run(async () => {
        const found = await inner.blocksFrom(from, limit);
        node.around.checkers.tampering.onScrubbed(process, from, found);
        return found;
      }),
    entriesBetween: (from, through) => run(() => inner.entriesBetween(from, through)),
    strangers: (above) => run(() => inner.strangers(above)),
    keep: (id) => run(() => inner.keep(id)),
    keepEntry: (at) => run(() => inner.keepEntry(at)),
    keepPlanted: (id) => run(() => inner.keepPlanted(id)),
    keepHeaders: (headers) => run(() => inner.keepHeaders(headers)),
    kept: (names) => run(() => inner.kept(names)),
    stateFault: () => run(() => inner.stateFault()),
    indexAccount: () => run(() => inner.indexAccount()),
    anchorStanding: (page, clusterId) => run(() => inner.anchorStanding(page, clusterId)),
    controlHeights: (kind, through, countMax) => run(() => inner.controlHeights(kind, through, countMax)),
    changes: (from) =>
      inner.changes(from).catch((error) => {
        if (error instanceof WatchError) node.around.checkers.tampering.onChangesMissed(node);
        throw error;
      }),
  };
}
