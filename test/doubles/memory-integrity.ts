import type { Clock } from "../../node/clock.js";
import { entryOf } from "../../node/storage/entries.js";
import type {
  FoundBlock,
  FoundIndexEntry,
  IndexAccount,
  IntegrityStore,
  KeptDocument,
  KeptEntry,
  KeptHeader,
  StoreChange,
  StoreChanges,
  Stranger,
} from "../../node/storage/integrity-port.js";
import type { StoredBlock, StoredEntry } from "../../node/storage/port.js";
import type { Height } from "../../shared/ids.js";
import type { TestBlock } from "../contracts/fixtures.js";

/** A clock whose waits are over as soon as nothing else is to be done. */
export function hastyClock(): Clock & { pass(ms: number): void } {
  let now = 0;
  const after = (ms: number, action: () => void): (() => void) => {
    const timer = setImmediate(() => {
      now += ms;
      action();
    });
    return () => clearImmediate(timer);
  };
  return {
    now: () => now,
    wall: () => new Date(Date.UTC(2026, 0, 1) + now).toISOString(),
    after,
    every: () => () => undefined,
    breathe: () => Promise.resolve(),
    busyMs: () => 0,
    randomHex: (bytes) => "0".repeat(2 * bytes),
    pass: (ms) => {
      now += ms;
    },
  };
}

/** The documents of one node's log, for whoever alters them. */
export class MemoryIntegrity implements IntegrityStore {
  readonly documents = new Map<number, FoundBlock>();
  readonly entries = new Map<number, StoredEntry>();
  readonly keptIds: number[] = [];
  readonly keptPlanted: unknown[] = [];
  /** What `changes` gives, one after the other; an error is thrown, null says that there is no more at the moment. */
  readonly stream: (StoreChange | Error | null)[] = [];
  readonly askedFrom: (string | null)[] = [];
  readonly quarantine: KeptDocument[] = [];
  others: Stranger[] = [];
  state: string | null = null;
  anchors: "ours" | "absent" | "altered" = "ours";

  constructor(blocks: readonly TestBlock[]) {
    for (const { stored, toStore } of blocks) {
      const at = stored.block.header.height;
      this.documents.set(at, foundBlock(stored));
      if (toStore.entry !== null) this.entries.set(at, entryOf(stored.block, toStore.entry));
    }
  }

  change(at: number, change: (found: FoundBlock) => FoundBlock): void {
    const found = this.documents.get(at);
    if (found === undefined) throw new Error(`There is no block ${at}.`);
    this.documents.set(at, change(found));
  }

  async blocksAt(heights: readonly Height[]): Promise<FoundBlock[]> {
    return heights.flatMap((at) => this.documents.get(at) ?? []);
  }
  async blocksFrom(from: Height, { blocksMax }: { blocksMax: number }): Promise<FoundBlock[]> {
    const ids = [...this.documents.keys()].filter((id) => id >= from).sort((a, b) => a - b);
    return ids.slice(0, Math.max(1, blocksMax)).map((id) => this.documents.get(id) as FoundBlock);
  }
  async entriesBetween(from: Height, through: Height): Promise<FoundIndexEntry[]> {
    const found = [...this.entries].filter(([at]) => at >= from && at < through + 1);
    return found.map(([at, entry]) => ({ ...entry, at }));
  }
  async strangers(): Promise<Stranger[]> {
    return this.others;
  }
  async keep(id: number): Promise<string | null> {
    this.keptIds.push(id);
    return `${id}-altered`;
  }
  async keepEntry(at: Height): Promise<KeptEntry | null> {
    const entry = this.entries.get(at);
    return entry === undefined ? null : { name: `${at}-entry`, entry };
  }
  async keepPlanted(id: unknown): Promise<string | null> {
    this.keptPlanted.push(id);
    return `forged-${id}`;
  }
  async keepHeaders(headers: readonly KeptHeader[]): Promise<string> {
    const name = `signed-${this.quarantine.length}`;
    const document = { document: { headers: headers.map((one) => ({ ...one })) } };
    this.quarantine.push({ id: name, height: null, keptAt: "2026-01-01T00:00:00.000Z", isWhole: true, document });
    return name;
  }
  async kept(names: readonly string[]): Promise<KeptDocument[]> {
    return this.quarantine.filter(({ id }) => names.includes(id));
  }
  async stateFault(): Promise<string | null> {
    return this.state;
  }
  async indexAccount(): Promise<IndexAccount> {
    return "whole";
  }
  async anchorStanding(): Promise<"ours" | "absent" | "altered"> {
    return this.anchors;
  }
  async controlHeights(): Promise<Height[]> {
    return [];
  }
  async changes(from: string | null): Promise<StoreChanges> {
    this.askedFrom.push(from);
    const { stream } = this;
    let given = 0;
    return {
      async next() {
        await new Promise((resolve) => setImmediate(resolve));
        const one = stream.shift() ?? null;
        if (one instanceof Error) throw one;
        if (one !== null) given += 1;
        return one;
      },
      get place() {
        return given === 0 ? from : `place-${given}`;
      },
      close: async () => undefined,
    };
  }
}

export const foundBlock = (stored: StoredBlock): FoundBlock => ({
  ...stored,
  at: stored.block.header.height,
  rawHeader: stored.block.header,
});
