import type {
  FoundBlock,
  FoundIndexEntry,
  IndexAccount,
  IntegrityStore,
  KeptDocument,
  KeptEntry,
  KeptHeader,
  StoreChanges,
  Stranger,
  ToldControl,
} from "../../node/storage/integrity-port.js";
import { NEWEST_HEIGHTS, type StoredBlock, StoreError } from "../../node/storage/port.js";
import { anchorPage, type StateMac } from "../../node/storage/state-mac.js";
import { toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText, type JsonObject } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import type { HashHex, Height } from "../../shared/ids.js";
import { blockBytes } from "../../shared/log/block.js";
import { blocksOfKinds } from "./memory-blocks.js";
import type { MemoryDatabase } from "./memory-database.js";

/** What watch and scrub see of a database in memory: the same contract as the one in MongoDB, without waiting. */
export class MemoryIntegrityStore implements IntegrityStore {
  constructor(
    private readonly database: MemoryDatabase,
    private readonly self: {
      readonly stateMac: StateMac;
      readonly wall: () => string;
      /** Before each answer on a stream of changes. */
      readonly ask?: () => Promise<void>;
    },
  ) {}

  async blocksAt(heights: readonly Height[]): Promise<FoundBlock[]> {
    const { blocks } = this.database;
    const found = heights.flatMap((at) => {
      const there = blocks.get(at);
      return there === undefined ? [] : [foundBlock(at, there.stored)];
    });
    return found.sort((a, b) => a.at - b.at);
  }

  async blocksFrom(from: Height, limit: { bytesMax: number; blocksMax: number }): Promise<FoundBlock[]> {
    const found: FoundBlock[] = [];
    let bytes = 0;
    const heights = [...this.database.blocks.keys()].filter((at) => at >= from).sort((a, b) => a - b);
    for (const at of heights.slice(0, Math.max(1, limit.blocksMax))) {
      const stored = this.database.blocks.get(at)?.stored as StoredBlock;
      bytes += blockBytes(stored.block);
      if (found.length > 0 && bytes > limit.bytesMax) break;
      found.push(foundBlock(at, stored));
    }
    return found;
  }

  async entriesBetween(from: Height, through: Height): Promise<FoundIndexEntry[]> {
    const found = [...this.database.entries].filter(([at]) => at >= from && at <= through);
    return found.map(([at, { stored }]) => ({ ...stored, at })).sort((a, b) => a.at - b.at);
  }

  async strangers(above: Height): Promise<Stranger[]> {
    const { blocks, entries } = this.database;
    const higher = [...blocks].filter(([at]) => at > above);
    const beyond = [...entries.keys()].filter((at) => at > above + NEWEST_HEIGHTS);
    return [
      ...higher.map(([at, { stored }]) => ({ id: `${at}`, rawId: at, block: foundBlock(at, stored) })),
      ...beyond.map((at) => ({ id: `${0 - at}`, rawId: 0 - at, block: null })),
    ];
  }

  async keep(id: number): Promise<string | null> {
    const there = this.database.blocks.get(id as Height);
    return there === undefined ? null : this.keepOnce(`${id}-altered`, id, blockDocument(there.stored));
  }

  async keepEntry(at: Height): Promise<KeptEntry | null> {
    const there = this.database.entries.get(at);
    if (there === undefined) return null;
    const { entry: _entry, ...said } = there.stored;
    const name = this.keepOnce(`${at}-entry-${this.database.evidence.size}`, at, { said: JSON.stringify(said) });
    return { name, entry: there.stored };
  }

  async keepPlanted(id: unknown): Promise<string | null> {
    const there = this.database.blocks.get(id as Height);
    if (there !== undefined) return this.keepOnce("forged", Number(id), blockDocument(there.stored));
    return this.database.entries.has((0 - Number(id)) as Height)
      ? this.keepOnce("forged", null, { id: `${id}` })
      : null;
  }

  async keepHeaders(headers: readonly KeptHeader[]): Promise<string> {
    return this.keepOnce("signed", null, { headers: headers.map((one) => ({ ...one })) });
  }

  async kept(names: readonly string[]): Promise<KeptDocument[]> {
    return [...this.database.evidence.values()].filter(({ id }) => names.includes(id));
  }

  async stateFault(): Promise<string | null> {
    const { state } = this.database;
    if (state === null) return "the document of this node's state is gone";
    const isOurs = state.hard === null || state.mac === this.self.stateMac(state.hard);
    return isOurs ? null : "this node did not write the term and vote of its state so";
  }

  async indexAccount(): Promise<IndexAccount> {
    const { marker } = this.database;
    if (marker?.isWhole === true) return "whole";
    return marker?.work == null ? "other" : "own work";
  }

  async anchorStanding(page: number, clusterId: HashHex): Promise<"ours" | "absent" | "altered"> {
    const found = this.database.anchors.get(page);
    if (found === undefined) return "absent";
    const isOurs = found.mac === this.self.stateMac(anchorPage(found.clusterId, page, found.hashes));
    return isOurs && found.clusterId === clusterId ? "ours" : "altered";
  }

  async controlHeights(kind: ToldControl, through: Height, countMax: number): Promise<Height[]> {
    const found = blocksOfKinds(this.database, [kind]).map(({ block }) => block.header.height);
    return found.filter((at) => at <= through).slice(-Math.max(1, countMax));
  }

  changes(from: string | null): Promise<StoreChanges> {
    const { changes } = this.database;
    if (changes === null) throw new StoreError("unknown", "Nothing is told of changes here.");
    return changes.from(from, this.self.ask ?? (() => Promise.resolve()));
  }

  /** The same twice is kept once. */
  private keepOnce(as: string, at: number | null, document: JsonObject): string {
    const { evidence } = this.database;
    const id = `${as}-${sha256Hex(utf8(canonicalText(document))).slice(0, 16)}`;
    if (!evidence.has(id)) evidence.set(id, { id, height: at, keptAt: this.self.wall(), isWhole: true, document });
    return id;
  }
}

const foundBlock = (at: number, stored: StoredBlock): FoundBlock => ({ ...stored, at, rawHeader: stored.block.header });

function blockDocument({ block, frontier }: StoredBlock): JsonObject {
  const { header, blockHash, signature, records, payloads } = block;
  const bytes = { signature, records, payloads };
  const asHex = Object.entries(bytes).map(([name, value]) => [name, toHex(value)]);
  return { header: { ...header } as never, blockHash, ...Object.fromEntries(asHex), frontier: frontier.map(toHex) };
}
