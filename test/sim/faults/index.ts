import type { StoredBlock, StoredEntry } from "../../../node/storage/port.js";
import { utf8 } from "../../../shared/bytes.js";
import { type Height, height } from "../../../shared/ids.js";
import { sealBlock } from "../../../shared/log/chain.js";
import { payloadCommitment } from "../../../shared/log/event.js";
import type { Run } from "../../../shared/log/index.js";
import { fakeSigner } from "../fake-crypto.js";
import type { SimNode } from "../node.js";
import type { Random } from "../random.js";
import { crash, type Fault, mayLoseDisk, nothingToUndo, type Strike } from "./fault.js";

/**
 * Somebody drops the index, under writes with keys: all entries, or what tells that they are whole, or what the database
 * searches them by. Now and then the node starts anew before it has noticed.
 */
const dropped: Fault = (strike) => {
  const { world, random } = strike;
  const node = random.chance(0.5) ? (world.leader ?? strike.victim()) : strike.victim();
  const { database } = node.disk;
  if (database.entries.size === 0) return null;
  strike.arises("index-dropped");
  const what = random.pick(["entries", "marker", "terms"] as const);
  world.trace.add(`${node.id} somebody drops its index: ${what}`);
  // Beside an index that is being made anew its account may be on its way.
  if (what !== "terms") node.disk.takeAccount(node.process?.driver.log.index.isWhole === false ? "told" : "taken");
  if (what === "entries") {
    for (const at of database.entries.keys()) {
      node.disk.dropped.add(at);
      database.tampered.entries.add(at);
    }
    database.dropIndex();
    // What was altered in it is gone with it.
    node.disk.differing.clear();
  } else if (what === "marker") database.marker = null;
  else database.hasTermsIndex = false;
  return random.chance(0.3) ? crash(strike, [node]) : nothingToUndo;
};

/** Entries of so many of the newest blocks, where every opening compares them. */
const COMPARED_BLOCKS = 6;

/** Under a stopped node somebody takes entries away, changes them, or puts some where no events are: its start mends that. */
const touched: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const { disk } = node;
  const isCompared = node.around.verifiedTail.blocksMin > COMPARED_BLOCKS;
  if (!isCompared || !disk.isIndexWhole || !mayLoseDisk(world, node)) return null;
  node.crash();
  if (node.isUp) return null;
  const known = disk.knownCommitHeight;
  for (let at = Math.max(1, disk.tailHeight - COMPARED_BLOCKS + 1); at <= known; at++) {
    if (disk.touched.has(at) || random.chance(0.5)) continue;
    const what = touch(node, height(at), random);
    world.trace.add(`${node.id} somebody touches entry ${at}: ${what}`);
    strike.arises("entry-touched");
  }
  if (random.chance(0.3)) plant(node, height(disk.tailHeight + random.between(1, 3)));
  return crash(strike, [node]);
};

function touch(node: SimNode, at: Height, random: Random): string {
  const { disk } = node;
  const { entries } = disk.database;
  const found = entries.get(at);
  disk.touch(at);
  if (found === undefined) {
    plant(node, at);
    return "planted";
  }
  if (random.chance(0.4)) {
    entries.delete(at);
    disk.differing.delete(at);
    return "taken away";
  }
  const { what, stored } = altered(found.stored, random);
  // Own terms, which nothing commits to, are made right; not told of where the paths are others meanwhile.
  if (what !== "nothing" && what !== "own") disk.differing.add(at);
  entries.set(at, { ...found, stored });
  return what;
}

/** A copy of some entry where nothing of the kind belongs; no write of a node's. */
function plant({ disk }: SimNode, at: Height): void {
  const { entries } = disk.database;
  const [model] = [...entries.values()];
  if (model === undefined || entries.has(at)) return;
  disk.database.tampered.entries.add(at);
  entries.set(at, { stored: { ...model.stored, height: at }, writeId: -1 });
}

function altered(stored: StoredEntry, random: Random): { what: string; stored: StoredEntry } {
  const { entry } = stored;
  if (entry === null) return { what: "nothing", stored };
  const { index, own } = entry;
  const changes: Record<string, () => StoredEntry> = {
    first: () => ({ ...stored, first: stored.first + random.pick([-1, 1, 100]) }),
    count: () => ({ ...stored, count: stored.count + 1 }),
    sealedAt: () => ({ ...stored, sealedAt: stored.sealedAt + 5_000 }),
    names: () => ({ ...stored, entry: { own, index: { ...index, names: without(index.names, random) } } }),
    places: () => ({ ...stored, entry: { own, index: { ...index, names: moved(index.names, random) } } }),
    keys: () => ({ ...stored, entry: { own, index: { ...index, keys: without(index.keys, random) } } }),
    own: () => ({ ...stored, entry: { index, own: without(own, random) } }),
    shape: () => ({ ...stored, entry: null }),
  };
  const what = random.pick(Object.keys(changes).filter((name) => name !== "keys" || index.keys.terms.length > 0));
  return { what, stored: changes[what]?.() ?? stored };
}

function without({ terms, places }: Run, random: Random): Run {
  const at = random.between(0, terms.length - 1);
  const others = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== at);
  return { terms: others(terms), places: others(places) };
}

/** One position is another. */
function moved({ terms, places }: Run, random: Random): Run {
  const at = random.between(0, places.length - 1);
  const change = (bytes: Uint8Array): Uint8Array => {
    const copy = bytes.slice();
    copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
    return copy;
  };
  return { terms, places: places.map((bytes, i) => (i === at ? change(bytes) : bytes)) };
}

/**
 * Under a living node somebody changes an entry. What hides events only the watch of the database would see; what says
 * something else than its block is found by whoever reads there, or by the next start. Keys are left alone: nothing but
 * the entry could tell that one was used.
 */
const alteredAlive: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const { disk } = node;
  const at = random.between(1, disk.knownCommitHeight);
  const found = disk.database.entries.get(height(at));
  if (!disk.isIndexWhole || found === undefined || found.stored.entry === null || disk.touched.has(at)) return null;
  const { what, stored } = altered(found.stored, random);
  if (what === "keys" || what === "shape") return null;
  world.trace.add(`${node.id} somebody changes entry ${at}: ${what}`);
  disk.touch(at);
  disk.database.entries.set(height(at), { ...found, stored });
  return nothingToUndo;
};

/** Sealed by another member at this height, with other events of the same types, sources and times. */
function neverCommitted({ world, random }: Strike, { disk }: SimNode, at: number): StoredBlock | undefined {
  const there = world.checkers.history.committed[at - 1];
  if (there === undefined) return undefined;
  const { header } = there.block.block;
  // The block alone does not say who led its term.
  const { id: leaderId, disk: itsDisk } = random.pick(world.nodes.filter(({ id }) => id !== header.leaderId));
  const payload = utf8(`{"n":"never"}`);
  const events = world.checkers.history.events
    .slice(header.firstSequence, header.treeSize)
    .map(({ event: { record, payloadSalt } }) => {
      const { eventType, timestamp, sourceAppId, idempotencyKey, batch } = record;
      return {
        ...{ id: random.hex(12), eventType, timestamp, sourceAppId, payload, payloadSalt },
        payloadHash: payloadCommitment(payloadSalt, payload),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        ...(batch === undefined ? {} : { batch }),
      };
    });
  const { term, sealedAt: now, commitHeight, control } = header;
  const request = { term, leaderId, events, now, commitHeight, ...(control === undefined ? {} : { control }) };
  const { block, next } = sealBlock(disk.chainAt(at - 1), request, fakeSigner(itsDisk.identity.keys.block));
  return { block, frontier: next.range.hashes };
}

/** Somebody puts a block that was replaced, or one just as validly signed, in the place of the one committed there. */
const copiedBack: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const { disk } = node;
  const known = disk.knownCommitHeight;
  if (known < 4 || world.nodes.length < 2 || disk.altered.size > 0 || !mayLoseDisk(world, node)) return null;
  const isOther = (at: number, hash: string): boolean => at > 1 && at < known && disk.at(at)?.block.blockHash !== hash;
  const replaced = [...disk.database.quarantined.values()].filter(({ block }) =>
    isOther(block.header.height, block.blockHash),
  );
  const other =
    replaced.length === 0 ? neverCommitted(strike, node, random.between(2, known - 1)) : random.pick(replaced);
  if (other === undefined || disk.at(other.block.header.height) === undefined) return null;
  const stored = other;
  const at = stored.block.header.height;
  if (!isOther(at, stored.block.blockHash)) return null;
  strike.arises("copied-back");
  world.trace.add(`${node.id} somebody puts another sealed block in the place of ${at}`);
  disk.alter(at, () => stored);
  disk.copied.add(at);
  disk.hasLost = true;
  // The block that its mark names is not the one that it held: the node must doubt all that it remembers.
  if (disk.identity.file?.mark?.height === at) {
    disk.lostSomething = true;
    disk.isTampered = true;
  }
  world.onReplaced(node, at);
  return random.chance(0.3) ? crash(strike, [node]) : nothingToUndo;
};

export const indexFaults = {
  "index-dropped": dropped,
  "entry-touched": touched,
  "entry-altered": alteredAlive,
  "copied-back": copiedBack,
} satisfies Record<string, Fault>;
