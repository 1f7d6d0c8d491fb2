import type { HardState } from "../../cluster/types.js";
import type { StoredBlock } from "../../node/storage/port.js";
import { ZERO_HASH } from "../../shared/hash.js";
import { type Height, height, type NodeId } from "../../shared/ids.js";
import { type ChainState, EMPTY_CHAIN } from "../../shared/log/chain.js";
import { applyControl, type NodeKeys } from "../../shared/log/control.js";
import { TOLD_WITHIN_MS } from "./checkers/tampering.js";
import { IdentityRecord } from "./identity.js";
import { type OperationKind, SimDatabase } from "./mongod.js";
import type { SimNode } from "./node.js";
import { check } from "./violation.js";
import type { PlacesRecord } from "./watched.js";

/** An older copy of a database, as a backup holds it. */
export interface Backup {
  readonly state: SimDatabase["state"];
  readonly blocks: [Height, { readonly stored: StoredBlock; readonly writeId: number }][];
  readonly index: Pick<SimDatabase, "marker" | "hasTermsIndex"> & { readonly entries: SimDatabase["entries"] };
  readonly altered: ReadonlyMap<number, StoredBlock>;
  readonly removed: readonly number[];
  /** `touched`, `differing` and `copied`. */
  readonly marks: readonly (readonly number[])[];
}

/** What survives the end of a node's process: its database and its identity file. */
export class Disk {
  database: SimDatabase;
  readonly identity: IdentityRecord;
  /** Beside the identity file. */
  places: PlacesRecord | null = null;
  /** Heights whose blocks somebody altered in the database, and what stands there since. */
  readonly altered = new Map<number, StoredBlock>();
  /** Those of them that somebody made up: each hangs together by itself. */
  readonly planted = new Set<number>();
  /** And those where nothing stands since. */
  readonly removed = new Set<number>();

  /** Heights whose index entries somebody wrote or took away, until they are as they should be. */
  readonly touched = new Set<number>();
  /** In which opening of the database, or after it: what an opening has compared it does not look at again. */
  private readonly touchedIn = new Map<number, number>();
  /** The same, and what was mended since: a reader may still have what stood there. */
  readonly everTouched = new Set<number>();
  /** Those of them that say something else now: that has to be told. */
  readonly differing = new Set<number>();
  /** Heights whose entries somebody deleted with the whole index, until that is made anew: those may be told. */
  readonly dropped = new Set<number>();
  /** What the index says of itself: somebody took it, which has to be told before it is there again; that may be told still. */
  account: "sound" | "taken" | "told" = "sound";

  /** Heights of altered blocks that are sealed, signed and whole: only that others were committed stands against them. */
  readonly copied = new Set<number>();

  /** An older copy was put in its place once. */
  wentBack = false;
  /** It lost something since its node joined last. */
  lostSomething = false;
  /** Somebody put an older state, another vote or another block in its place: a start may say so. */
  isTampered = false;
  /** That is in its state, which tells of it: a start has to say so. */
  mustBeFound = false;
  /** Before somebody altered it: the term and vote that the node wrote. */
  ownHard: HardState | null = null;
  /** It lost something, or was altered, in this run. */
  hasLost = false;
  /** It lost something that its node has not found out yet. */
  isDoubtful = false;
  /** A liar has given it a block that nobody else has. */
  isDeceived = false;
  /** Only the process that lives can tell what it lost, so it must live until it has found out. */
  isRememberedOnly = false;

  /** Sees the log that a truncation took the end of. */
  onTruncated: ((before: ChainState, sealedBy: NodeId) => void) | null = null;

  constructor(
    private readonly node: SimNode,
    storeId: string,
    keys: NodeKeys,
  ) {
    this.database = new SimDatabase(storeId, node.store);
    this.identity = new IdentityRecord(node.id, keys);
  }

  get storeId(): string {
    return this.database.storeId;
  }
  get hardState(): HardState | null {
    return this.database.state?.hard ?? null;
  }
  /** Whether somebody altered the block, or the one before it, which then is not the one that it names. */
  isAlteredAt(at: number): boolean {
    return this.altered.has(at) || this.copied.has(at - 1);
  }
  /** Heights have no holes, for blocks are deleted from the top down; but for what arrived late. */
  get tailHeight(): Height {
    const { blocks, stranded } = this.database;
    if (stranded.size === 0) return height(blocks.size + this.removed.size);
    let at = 0;
    for (;;) {
      const next = blocks.get(height(at + 1));
      if ((next === undefined && !this.removed.has(at + 1)) || stranded.has(at + 1)) return height(at);
      at += 1;
    }
  }
  /** What of the blocks that arrived late does not continue the tail: their inserts were overtaken by a truncation. */
  noteStranded(late: Iterable<number> = this.database.stranded): void {
    const { stranded } = this.database;
    for (const at of [...late].sort((a, b) => a - b)) {
      const block = this.at(at)?.block;
      const before = at === 1 ? ZERO_HASH : this.at(at - 1)?.block.blockHash;
      const isLinked = block === undefined || before === block.header.previousBlockHash;
      if (isLinked && !stranded.has(at - 1)) stranded.delete(at);
      else stranded.add(at);
    }
  }
  /** The highest block that nobody planted. */
  get soundTailHeight(): number {
    let at: number = this.tailHeight;
    while (this.planted.has(at)) at -= 1;
    return at;
  }
  /** The index says so itself, and can be asked. */
  get isIndexWhole(): boolean {
    const { marker, hasTermsIndex } = this.database;
    return marker?.isWhole === true && hasTermsIndex;
  }
  get quarantined(): number {
    return this.database.quarantined.size;
  }

  at(wanted: number): StoredBlock | undefined {
    return this.database.blocks.get(height(Math.max(0, wanted)))?.stored;
  }

  /** The chain after the block at `wanted`, as its blocks say; 0 is the empty chain. */
  chainAt(wanted: number): ChainState {
    let { members } = EMPTY_CHAIN;
    let last: StoredBlock | undefined;
    for (let at = 1; at <= wanted; at++) {
      const stored = this.at(at) ?? (this.removed.has(at) ? this.altered.get(at) : undefined);
      if (stored === undefined) break;
      last = stored;
      members = applyControl(members, stored.block.header.control);
    }
    if (last === undefined) return EMPTY_CHAIN;
    const { header, blockHash } = last.block;
    return {
      clusterId: this.at(1)?.block.blockHash ?? "",
      height: header.height,
      term: header.term,
      blockHash,
      headHash: header.headHash,
      range: { size: header.treeSize, hashes: last.frontier },
      commitHeight: header.commitHeight,
      sealedAt: header.sealedAt,
      members,
    };
  }

  /** What a node surely knows to be committed from its disk and identity file alone. */
  get knownCommitHeight(): Height {
    let at: number = this.tailHeight;
    while (this.database.unjournaled.has(at)) at -= 1;
    const tail = this.at(at);
    const mark = this.identity.file?.mark ?? null;
    const marked = mark !== null && this.at(mark.height)?.block.blockHash === mark.hash ? mark.height : 0;
    return height(Math.max(tail?.block.header.commitHeight ?? 0, marked));
  }

  /** The database is lost; what is outside it is kept unless `newKeys` are given. */
  wipe(storeId: string, newKeys: NodeKeys | null): void {
    this.database = new SimDatabase(storeId, this.node.store);
    this.lostSomething = true;
    this.hasLost = true;
    this.isTampered = false;
    this.mustBeFound = false;
    this.account = "sound";
    for (const set of this.marks()) set.clear();
    this.altered.clear();
    this.planted.clear();
    this.removed.clear();
    if (newKeys === null) return;
    this.identity.keys = newKeys;
    this.identity.file = null;
  }

  touch(at: number): void {
    this.onTampered("entry", at);
    this.touched.add(at);
    this.everTouched.add(at);
    this.touchedIn.set(at, this.database.openings);
  }
  /** Before the last opening began. */
  wasTouchedBefore(at: number): boolean {
    return (this.touchedIn.get(at) ?? 0) < this.database.openings;
  }

  /** Somebody does something that has to be told of. */
  private onTampered(what: "block" | "entry" | "planted", at: number): void {
    const { tampered } = this.database;
    (what === "entry" ? tampered.entries : tampered.blocks).add(at);
    this.node.around.checkers.tampering.onTampered(this.node, what, at);
  }

  /** Somebody takes what the index says of itself. */
  takeAccount(account: "taken" | "told"): void {
    this.account = account;
    this.database.tampered.hasLostAccount = true;
  }

  /** Somebody deletes a block. */
  remove(at: Height): void {
    const there = this.database.blocks.get(at);
    if (there === undefined) return;
    this.database.blocks.delete(at);
    this.altered.set(at, there.stored);
    this.removed.add(at);
    this.hasLost = true;
    // The next opening may take what stands above for what arrived late.
    this.isTampered = true;
    this.lostSomething = true;
    this.onTampered("block", at);
  }

  /** Somebody deletes all entries, with what the index says of itself. */
  dropIndex(): void {
    for (const at of this.database.entries.keys()) this.dropped.add(at);
    this.takeAccount("taken");
    for (const at of this.database.entries.keys()) this.database.tampered.entries.add(at);
    this.database.dropIndex();
  }

  private marks(): readonly Set<number>[] {
    return [this.touched, this.differing, this.copied];
  }

  backUp(): Backup {
    const { state, entries, marker, hasTermsIndex } = this.database;
    const index = { entries: new Map(entries), marker, hasTermsIndex };
    return {
      state,
      blocks: this.ownBlocks(),
      index,
      altered: this.alteredOwn(),
      removed: [...this.removed],
      marks: this.marks().map((set) => [...set]),
    };
  }

  /** What somebody planted goes into no copy: put back, it would be taken for the node's own. */
  private ownBlocks(): Backup["blocks"] {
    return [...this.database.blocks].filter(([at]) => !this.planted.has(at));
  }
  private alteredOwn(): Backup["altered"] {
    return new Map([...this.altered].filter(([at]) => !this.planted.has(at)));
  }

  /** An older copy takes the place of what is there; a process that lives on is told that its server changed. */
  restore(backup: Backup): void {
    const { changes, tampered } = this.database;
    if (changes === null) return this.exchange(backup);
    tampered.isOlder = true;
    changes.untold(() => this.exchange(backup));
    changes.lose();
    this.node.around.checkers.tampering.onChangesMissed(this.node, { withinMs: TOLD_WITHIN_MS });
  }

  private exchange(backup: Backup): void {
    const { database } = this;
    database.state = backup.state;
    database.blocks.clear();
    database.unjournaled.clear();
    database.stranded.clear();
    for (const [at, entry] of backup.blocks) database.blocks.set(at, entry);
    const { entries, marker, hasTermsIndex } = backup.index;
    database.entries.clear();
    for (const [at, entry] of entries) database.entries.set(at, entry);
    Object.assign(database, { marker, hasTermsIndex });
    this.account = marker === null ? "told" : "sound";
    this.wentBack = true;
    this.isTampered = true;
    this.lostSomething = true;
    this.hasLost = true;
    this.isDoubtful = true;
    for (const [i, set] of this.marks().entries()) {
      set.clear();
      for (const at of backup.marks[i] ?? []) set.add(at);
    }
    this.altered.clear();
    this.planted.clear();
    this.removed.clear();
    for (const at of backup.removed) this.removed.add(at);
    for (const [at, stored] of backup.altered) this.altered.set(at, stored);
  }

  /** What the node has replaced since is its own again. I8: what it did not write it never overwrites. */
  settleAltered(kind: OperationKind): void {
    const top = this.removed.size === 0 ? 0 : Math.max(0, ...this.database.blocks.keys());
    for (const [at, stored] of this.altered) {
      const now = this.at(at);
      if (now === stored || (now === undefined && this.removed.has(at) && at < top)) continue;
      // One that is gone was removed with a replaced tail, which keeps it as evidence.
      const isWrittenOver = kind === "store_block" && now !== undefined;
      check(!isWrittenOver, "I8", () => `${this.node.id} writes over block ${at}, which it did not write`);
      this.altered.delete(at);
      this.planted.delete(at);
      this.removed.delete(at);
      this.copied.delete(at);
    }
  }

  /** Somebody inserts a block; -1 is no write of a node's. */
  plant(at: Height, stored: StoredBlock): void {
    this.database.blocks.set(at, { stored, writeId: -1 });
    this.planted.add(at);
    this.altered.set(at, stored);
    this.hasLost = true;
    this.onTampered("planted", at);
  }

  /** Somebody writes to the database behind the node's back. */
  alter(at: Height, change: (stored: StoredBlock) => StoredBlock): void {
    const entry = this.database.blocks.get(at);
    if (entry === undefined) return;
    const stored = change(entry.stored);
    this.database.blocks.set(at, { ...entry, stored });
    this.altered.set(at, stored);
    this.removed.delete(at);
    this.onTampered("block", at);
  }
}
