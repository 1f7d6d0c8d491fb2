import { systemClock } from "../../node/clock.js";
import { PeerError } from "../../node/peers/peer-client.js";
import type { PeerHandler } from "../../node/peers/peer-server.js";
import { Anchors } from "../../node/replica/anchors.js";
import { ProvedBlocks } from "../../node/replica/proved-blocks.js";
import { Lookups } from "../../node/service/lookups.js";
import { type Parts, PeerDesk } from "../../node/service/parts.js";
import { type Height, height, type NodeId } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { insert, STATE_MAC, type TestBlock } from "../contracts/fixtures.js";
import { MemoryDatabase, type MemoryEntry } from "./memory-database.js";
import { memoryStorage } from "./memory-storage.js";

type Ask = (from: NodeId, to: NodeId, path: string, question: unknown) => Promise<{ status: number; body: unknown }>;

/** A node that reads one log from a database of its own, and keeps none of it in memory. */
export class ReadingNode {
  readonly database: MemoryDatabase;
  readonly handlers = new Map<string, PeerHandler>();
  /** Heights that it was told are altered, and whose entries differ. */
  readonly altered: number[] = [];
  readonly differing: number[] = [];
  isIndexInDoubt = false;
  lost = 0;
  lookups!: Lookups;
  /** What its index is made anew from. */
  readForIndex!: ProvedBlocks["read"];

  constructor(
    readonly id: NodeId,
    private readonly ask: Ask,
  ) {
    this.database = new MemoryDatabase(id.padStart(32, "0"));
  }

  async open(blocks: readonly TestBlock[], ids: readonly NodeId[]): Promise<void> {
    const storage = memoryStorage(this.database, { nodeId: this.id, bootId: "b", stateMac: STATE_MAC });
    const { log: store, reader } = storage;
    await store.open();
    await insert(store, blocks);
    const top = height(blocks.length);
    const heldThrough = (): Height => top;
    const inOrder = (run: () => Promise<void>): Promise<void> => run();
    const anchors = new Anchors({ store, reader, heldThrough, inOrder, onWarning: () => {} });
    for (const { stored } of blocks) anchors.add(stored.block.header, stored.block.blockHash, "c");
    const onAltered = (error: { height: number }): number => this.altered.push(error.height);
    const index = {
      ...{ version: 0, indexedPaths: ["user"], progress: { through: 0, of: 1 } },
      differs: (at: number) => this.differing.push(at),
      lost: () => {
        this.lost += 1;
      },
      readWith: (read: ProvedBlocks["read"]) => {
        this.readForIndex = read;
      },
    };
    const size = blocks.at(-1)?.next.range.size ?? 0;
    const log = {
      ...{ blocks: new ProvedBlocks({ reader, anchors, bytesMax: 0, heldThrough, onAltered }), index },
      committed: { height: top, size },
    };
    const config = { nodeId: this.id, members: ids.map((id) => ({ id })) };
    const transport = {
      handle: (path: string, handler: PeerHandler) => this.handlers.set(path, handler),
      request: (to: NodeId, path: string, question: unknown) => this.ask(this.id, to, path, question),
    };
    const peers = new PeerDesk({ config, transport, clock: systemClock } as never);
    const parts = {
      ...{ storage, peers, config, clock: systemClock, driver: { log, heldThrough: top } },
      incidents: () => this,
      logger: { warn: () => {} },
    };
    this.lookups = new Lookups(parts as unknown as Parts, async () => {});
  }

  change(at: number, change: (block: Block) => Block): void {
    const found = this.database.blocks.get(height(at));
    if (found === undefined) throw new Error(`no block ${at}`);
    this.database.blocks.set(height(at), { ...found, stored: { ...found.stored, block: change(found.stored.block) } });
  }

  changeEntry(at: number, change: (entry: MemoryEntry["stored"]) => MemoryEntry["stored"]): void {
    const found = this.database.entries.get(height(at));
    if (found === undefined) throw new Error(`no entry ${at}`);
    this.database.entries.set(height(at), { ...found, stored: change(found.stored) });
  }
}

/** Nodes that ask each other over a network in memory; what they say goes through the schemas as on the wire. */
export class ReadingNodes {
  readonly all: ReadonlyMap<NodeId, ReadingNode>;
  /** "n1 n2 find": who has asked whom for what, in order. */
  readonly asked: string[] = [];
  /** Nodes that cannot be reached. */
  readonly down = new Set<NodeId>();
  /** What comes in place of a node's own answer. */
  readonly lies = new Map<NodeId, (path: string, question: never) => unknown>();

  private constructor(ids: readonly NodeId[]) {
    this.all = new Map(ids.map((id) => [id, new ReadingNode(id, (...asked) => this.carry(...asked))]));
  }

  static async open(blocks: readonly TestBlock[], ids: readonly NodeId[] = ["n1", "n2", "n3"]): Promise<ReadingNodes> {
    const nodes = new ReadingNodes(ids);
    for (const node of nodes.all.values()) await node.open(blocks, ids);
    return nodes;
  }

  of(id: NodeId): ReadingNode {
    const node = this.all.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  private async carry(from: NodeId, to: NodeId, path: string, question: unknown) {
    this.asked.push(`${from} ${to} ${path}`);
    if (this.down.has(to)) throw new PeerError(to, "unreachable", "nobody is there", false);
    const lie = this.lies.get(to);
    if (lie !== undefined) return { status: 200, body: await lie(path, question as never) };
    const handler = this.of(to).handlers.get(path);
    if (handler === undefined) throw new Error(`${to} does not answer ${path}`);
    const asked = { from, requestId: "", signal: new AbortController().signal };
    return JSON.parse(JSON.stringify(await handler(JSON.parse(JSON.stringify(question)), asked)));
  }
}
