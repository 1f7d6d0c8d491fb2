import type { HardState } from "../../cluster/types.js";
import type { Range } from "../../node/storage/incident.js";
import type { KeptDocument } from "../../node/storage/integrity-port.js";
import {
  type AlertRecord,
  type IndexWork,
  type StoredBlock,
  type StoredEntry,
  StoreError,
} from "../../node/storage/port.js";
import type { HashHex, Height, NodeId, Term } from "../../shared/ids.js";
import type { ChangedPlace, MemoryChanges } from "./memory-changes.js";

/** What the state document holds. */
export interface MemoryState {
  readonly version: number;
  readonly hard: HardState | null;
  readonly mac: string | null;
  readonly truncating: { readonly from: Height; readonly term: Term; readonly leaderId: NodeId } | null;
  readonly owner: { readonly nodeId: NodeId; readonly bootId: string; readonly isReleased: boolean };
  readonly bootCounter: number;
  readonly indexWork: IndexWork | null;
}

/** A block's entry, and the insert that it belongs to. */
export interface MemoryEntry {
  readonly stored: StoredEntry;
  readonly writeId: number;
}

/** What the index says of itself. */
export interface MemoryMarker {
  readonly isWhole: boolean;
  readonly paths: readonly string[];
  /** The work that may say that it is whole. */
  readonly work: number | null;
}

/**
 * What can happen to one write.
 * - `not_stored`: refused before anything was written, and the writer knows.
 * - `request_lost`: nothing was written, and the writer cannot know.
 * - `reply_lost`: written, and the writer cannot know.
 * - `late`: as lost, until `deliverLate` lets it arrive.
 */
export type WriteFault = "not_stored" | "request_lost" | "reply_lost" | "late";

/** One write that waits before the database, while its writer knows nothing of it. */
export interface WritePause {
  /** Resolves when the write has come and waits. */
  readonly reached: Promise<void>;
  resume(): void;
}

/** The durable data of one node, in memory: it outlives the stores (processes) that are made on it. */
export class MemoryDatabase {
  private stateNow: MemoryState | null = null;
  private markerNow: MemoryMarker | null = null;
  readonly blocks: Map<Height, { readonly stored: StoredBlock; readonly writeId: number }>;
  readonly quarantined = new Map<string, StoredBlock>();
  readonly entries: Map<Height, MemoryEntry>;
  /** The database's own index of the terms, without which no look-up is answered. */
  hasTermsIndex = false;
  readonly quarantinedEntries = new Map<string, StoredEntry>();
  readonly anchors: Map<number, { clusterId: HashHex; hashes: Uint8Array; mac: string }>;
  readonly alerts: Map<string, AlertRecord>;
  /** What watch and scrub have kept in quarantine. */
  readonly evidence = new Map<string, KeptDocument>();
  readonly foundHeights = new Map<string, readonly Range[]>();
  /** Changes when the server is started again. */
  serverRun = 1;
  writes = 0;
  private fault: { kind: WriteFault; skip: number } | null = null;
  private late: (() => void)[] = [];
  private pause: { skip: number; readonly reach: () => void; readonly resumed: Promise<void> } | null = null;
  private readonly watchers = new Set<() => void>();

  constructor(
    readonly storeId: string,
    /** Who alters a document that is there is told of; null: nobody watches. */
    readonly changes: MemoryChanges | null = null,
  ) {
    const told = <K, V>(of: ChangedPlace<K>): Map<K, V> => changes?.mapOf<K, V>(of) ?? new Map<K, V>();
    this.blocks = told((at) => ({ collection: "blocks", id: at, place: { kind: "block", at } }));
    this.entries = told((at) => ({ collection: "blocks", id: 0 - at, place: { kind: "entry", at } }));
    this.anchors = told((page) => ({ collection: "anchors", id: page }));
    this.alerts = told((id) => ({ collection: "alerts", id }));
  }

  get state(): MemoryState | null {
    return this.stateNow;
  }
  set state(state: MemoryState | null) {
    this.changes?.replaced({ collection: "state", id: "state" }, this.stateNow, state);
    this.stateNow = state;
  }

  get marker(): MemoryMarker | null {
    return this.markerNow;
  }
  set marker(marker: MemoryMarker | null) {
    this.changes?.replaced({ collection: "blocks", place: { kind: "marker" } as never }, this.markerNow, marker);
    this.markerNow = marker;
  }

  /** The write after the next `skip` ones fails so. */
  failNextWrite(kind: WriteFault, skip = 0): void {
    this.fault = { kind, skip };
  }

  /** Takes an armed fault back; true if it had struck already. */
  disarm(): boolean {
    const hasStruck = this.fault === null;
    this.fault = null;
    return hasStruck;
  }

  /** The write after the next `skip` ones waits until it is resumed; all others pass. */
  pauseNextWrite(skip = 0): WritePause {
    const { promise: reached, resolve: reach } = promiseWithResolvers();
    const { promise: resumed, resolve: resume } = promiseWithResolvers();
    this.pause = { skip, reach, resumed };
    return { reached, resume };
  }

  /** Somebody deletes all entries, and the marker, which stands below them. */
  dropIndex(): void {
    this.entries.clear();
    this.marker = null;
  }

  deliverLate(): void {
    for (const write of this.late.splice(0)) {
      try {
        write();
      } catch {
        // Nobody waits for its answer any more.
      }
    }
  }

  /** The server is killed and started again: nothing durable is lost, every opening is. */
  restartServer(): void {
    this.serverRun++;
    for (const watcher of [...this.watchers]) watcher();
  }

  watch(listener: () => void): () => void {
    this.watchers.add(listener);
    return () => this.watchers.delete(listener);
  }

  /** How many documents of a write of several are stored; those of one that breaks off may be fewer. */
  reach(count: number): number {
    return count;
  }

  /** Every durable write passes here. */
  async write<T>(operation: () => T): Promise<T> {
    await Promise.resolve();
    if (this.pause !== null && this.pause.skip-- <= 0) {
      const { reach, resumed } = this.pause;
      this.pause = null;
      reach();
      await resumed;
    }
    if (this.fault === null || this.fault.skip-- > 0) {
      this.writes++;
      return operation();
    }
    const { kind } = this.fault;
    this.fault = null;
    if (kind === "not_stored") throw new StoreError("not_stored", "The database refused the write.");
    if (kind === "reply_lost") operation();
    if (kind === "late") this.late.push(operation);
    throw new StoreError("unknown", "The write's answer was lost.");
  }

  /** Compare-and-swap of the state; false if the version moved or the term would go back, unless somebody else put it there. */
  swap(version: number, change: Partial<MemoryState>, { isAltered = false } = {}): boolean {
    const { state } = this;
    if (state === null || state.version !== version) return false;
    if (change.hard && state.hard && !isAltered && change.hard.term < state.hard.term) return false;
    this.state = { ...state, ...change, version: version + 1 };
    return true;
  }
}

/** Promise.withResolvers, which Node 20 does not have. */
export function promiseWithResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
