import { type LogStore, type OpenedStore, type Projection, type Storage, StoreError } from "../../node/storage/port.js";
import type { StateMac } from "../../node/storage/state-mac.js";
import { MemoryLogStore } from "../doubles/memory-log-store.js";
import { MemoryProjection } from "../doubles/memory-projection.js";
import { indexNames } from "./keys.js";
import type { OperationKind } from "./mongod.js";
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
  const run: Opened = { opened: database.serverRun, openings: 0 };
  return {
    log: new SlowLogStore(inner, process, run),
    projection: new SlowProjection(new MemoryProjection(database), process, run),
    alerts: { raise: () => Promise.reject(new Error("alerts go to the checkers")), list: async () => [] },
    freeBytes: async () => null,
  };
}

/** Which run of the server this process has opened: another one is not spoken to. */
interface Opened {
  opened: number;
  openings: number;
}

class SlowLogStore implements LogStore {
  constructor(
    private readonly inner: MemoryLogStore,
    private readonly process: SimProcess,
    private readonly run: Opened,
  ) {}

  get serverProcessId(): string {
    return this.inner.serverProcessId;
  }
  onServerChange(listener: () => void): void {
    this.inner.onServerChange(listener);
  }

  async open(knownBootCounter = 0): Promise<OpenedStore> {
    this.next("open");
    const { database } = this.process.node.disk;
    const run = database.serverRun;
    const opened = await this.inner.open(knownBootCounter);
    // What was read is in the journal once this is.
    await database.write(() => undefined);
    if (run !== database.serverRun) throw new StoreError("unknown", "The server went away.");
    this.run.opened = run;
    this.run.openings += 1;
    return { ...opened, projectedThrough: database.rows.length };
  }

  saveState: LogStore["saveState"] = (state, bootCounter) => {
    this.next("save_state");
    return this.inner.saveState(state, bootCounter);
  };
  insertBlocks: LogStore["insertBlocks"] = (stored) => {
    this.ofReplica("store_block");
    return this.inner.insertBlocks(stored);
  };
  truncate: LogStore["truncate"] = (from, by) => {
    this.ofReplica("truncate");
    this.process.node.disk.database.truncations += 1;
    return this.inner.truncate(from, by);
  };
  readBlocks: LogStore["readBlocks"] = async (from, limit) => {
    await this.read();
    const blocks = await this.inner.readBlocks(from, limit);
    this.process.node.onRead(from, limit.bytesMax, blocks);
    return blocks;
  };
  readMembershipBlocks: LogStore["readMembershipBlocks"] = async () => {
    await this.read();
    return this.inner.readMembershipBlocks();
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
    this.process.node.disk.database.kind = kind;
  }
  private read(): Promise<void> {
    return this.process.node.store.perform("read", () => {});
  }
}

/** Like the one in MongoDB it knows how far it reached, and is dead once another server process answers. */
class SlowProjection implements Projection {
  private end = 0;
  private seenOpening = -1;

  constructor(
    private readonly inner: MemoryProjection,
    private readonly process: SimProcess,
    private readonly run: Opened,
  ) {}

  get through(): number {
    if (this.seenOpening !== this.run.openings) {
      this.seenOpening = this.run.openings;
      this.end = this.inner.through;
    }
    return this.end;
  }

  apply: Projection["apply"] = async (events) => {
    this.assertAlive();
    const { node } = this.process;
    const first = events.find(({ sequence }) => sequence >= this.through);
    if (first !== undefined && first.sequence > this.inner.through)
      throw new StoreError("unknown", "Rows are missing.");
    const { database } = node.disk;
    // A truncation of several writes may be under way: only this write is another's.
    const { kind } = database;
    database.kind = "project";
    const applied = this.inner.apply(events);
    database.kind = kind;
    await applied;
    this.assertAlive();
    node.around.checkers.onProjected(node, events);
    node.disk.database.noteRows(node.around.scheduler.now);
    this.end = Math.max(this.through, (events.at(-1)?.sequence ?? -1) + 1);
  };
  /** As the index of every durable block has it, which takes the place of the projection. */
  findByKey: Projection["findByKey"] = async (sourceAppId, key) => {
    const { store, around } = this.process.node;
    await store.perform("read", () => {});
    this.assertAlive();
    if (store.behaviour.lookUps === "rebuilding") throw new StoreError("index_rebuilding", "The index is not whole.");
    if (store.behaviour.lookUps === "failing" && around.random.chance(0.7))
      throw new StoreError("unknown", "The look-up failed.");
    for (const [height, { stored }] of this.process.node.disk.database.blocks)
      if (indexNames(stored, sourceAppId, key)) return { height, sequence: 0, id: "", hash: "" };
    return null;
  };
  get: Projection["get"] = (sequence) => this.inner.get(sequence);
  list: Projection["list"] = (filter, page) => this.inner.list(filter, page);
  count: Projection["count"] = (filter, cap) => this.inner.count(filter, cap);

  private assertAlive(): void {
    if (this.run.opened !== this.process.node.disk.database.serverRun)
      throw new StoreError("unknown", "Another process answers now.");
  }
}
