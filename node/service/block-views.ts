import { toHex, utf8 } from "../../shared/bytes.js";
import { type Height, height, type NodeId } from "../../shared/ids.js";
import { type BlockHeader, headerBytes } from "../../shared/log/block.js";
import { rangeMatches } from "../../shared/log/chain.js";
import { recordText } from "../../shared/log/event.js";
import { leafHash } from "../../shared/merkle/compact-range.js";
import type { AlteredPlace, BlockView, ChainLink, NodeChain } from "../../shared/protocol/http.js";
import { AlteredBlock, alteredAt, hasHash } from "../replica/anchors.js";
import { membersAt, rangeOf } from "../replica/verified-tail.js";
import type { StoredBlock, StoreError } from "../storage/port.js";
import type { Parts } from "./parts.js";
import type { PlaceFinder } from "./place-finder.js";

/** What others need to check this node's blocks, and each node's own word about its part of the chain. */
export class BlockViews {
  constructor(
    private readonly parts: Parts,
    private readonly places: PlaceFinder,
  ) {
    parts.peers.handle("chain", ({ from, count }) => this.ownChain(from, count));
  }

  /** A committed block; null above the commit height. Throws AlteredBlock or StoreError. */
  async block(at: number): Promise<BlockView | null> {
    const { driver, storage } = this.parts;
    if (at < 1 || at > driver.log.committed.height) return null;
    const proved = await driver.log.blocks.one(height(at));
    const held = driver.heldThrough;
    // Beside the proved block stands what only the log keeps, and is proved here: its signature, and the tree before it.
    const from = height(Math.max(1, at - 1));
    const limit = { bytesMax: Number.POSITIVE_INFINITY, blocksMax: at - from + 1, isForClient: true };
    const stored = await storage.log.readBlocks(from, limit);
    const own = stored.find(({ block }) => block.header.height === at);
    const before = stored.find(({ block }) => block.header.height === at - 1);
    if (own === undefined) throw this.altered(at, MISSING, held);
    if (at > 1 && before === undefined) throw this.altered(at - 1, MISSING, held);
    if (before !== undefined && !isBelow(before, proved.header))
      throw this.altered(at - 1, "its header or its tree is another one", held);
    const memberKeys = await this.keysBefore(height(at));
    const key = memberKeys[proved.header.leaderId];
    if (key === undefined || !this.parts.verifier.verify(key, headerBytes(proved.header), own.block.signature))
      throw this.altered(at, "its signature is another one", held);
    return {
      header: proved.header,
      blockHash: proved.blockHash,
      signature: toHex(own.block.signature),
      frontierBefore: (before?.frontier ?? []).map(toHex),
      leaves: proved.events.all().map(({ record }) => toHex(leafHash(utf8(recordText(record))))),
      memberKeys,
    };
  }

  /** It is told of, as any other that a read meets. `held`: when it was read. */
  private altered(at: number, fault: string, held: Height): AlteredBlock | StoreError {
    const error = alteredAt(at, fault, height(Math.min(held, this.parts.driver.heldThrough)));
    if (error instanceof AlteredBlock) this.parts.onInvalidBlock(error.height, fault);
    return error;
  }

  /** The genesis is signed by a key that it lists itself; every other block by one that the log names before it. */
  private async keysBefore(at: Height): Promise<Record<NodeId, string>> {
    const { storage, driver } = this.parts;
    const through = height(Math.max(1, at - 1));
    const { members } = await membersAt(storage.log, through, (below) => driver.log.committedHash(below));
    return Object.fromEntries([...members.values()].map(({ id, keys }) => [id, keys.block]));
  }

  /** Each node's hashes of the same events, as each itself holds them. */
  async chain(from: number, count: number): Promise<NodeChain[]> {
    const [own, others] = await Promise.all([
      this.ownChain(from, count),
      this.parts.peers.askAll("chain", { from, count }),
    ]);
    const silent = (node: NodeId, wasAsked: boolean): NodeChain => ({
      ...{ node, events: [], altered: [] },
      detail: wasAsked ? "this node got no answer from it" : "this node could not ask it",
    });
    return [own, ...others.map(({ peer, answer, wasAsked }): NodeChain => answer ?? silent(peer, wasAsked))].sort(
      (a, b) => (a.node < b.node ? -1 : 1),
    );
  }

  /** As it is stored, past what is kept in memory. */
  private async ownChain(from: number, count: number): Promise<NodeChain> {
    const { driver, config } = this.parts;
    const events: ChainLink[] = [];
    const altered: AlteredPlace[] = [];
    const end = Math.min(from + count, driver.log.committed.size);
    const found = { node: config.nodeId, events, altered };
    try {
      for (let next = from; next < end; ) {
        const places = (await this.places.placesFrom(next, "asc")).filter(({ first }) => first < end);
        const blocks = await driver.log.blocks.freshOf(places.map((place) => place.height));
        for (const [i, block] of blocks.entries()) {
          const place = places[i] as (typeof places)[number];
          next = place.first + place.count;
          if (block instanceof AlteredBlock) {
            altered.push({ height: place.height, from: place.first, count: place.count, detail: block.fault });
            continue;
          }
          for (let at = Math.max(from, place.first); at < Math.min(end, next); at++) {
            const { record, hash: own } = block.events.event(at - place.first);
            events.push({ sequence: at, hash: own, previousHash: record.previousHash, height: place.height });
          }
        }
      }
      return found;
    } catch (error) {
      const detail = error instanceof AlteredBlock ? error.message : "its MongoDB could not be read";
      return { ...found, detail };
    }
  }
}

const MISSING = "it is missing, or says that it has another height";

const isBelow = (stored: StoredBlock, above: BlockHeader): boolean =>
  hasHash(stored.block.header, above.previousBlockHash) && rangeMatches(rangeOf(stored), stored.block.header);
