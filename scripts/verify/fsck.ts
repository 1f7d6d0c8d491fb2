import { type Chain, chainAfter, NO_BLOCKS, type Verified, verifyBlock, verifySignature } from "./block.js";
import { bodyHashOf } from "./body.js";
import { isHash } from "./bytes.js";
import { checkEntry } from "./entry.js";
import type { ExpectedHead } from "./expected.js";
import { Fault } from "./fault.js";
import { Findings } from "./findings.js";
import { blockHashOf, headerOf, signedTextOf } from "./header.js";
import type { NodeDatabase, StoredBlock, StoredEntry } from "./mongodb.js";
import { Tree } from "./tree.js";

export interface FsckOptions {
  readonly signatures: boolean;
  readonly expected: ExpectedHead | null;
  readonly onProgress: (events: number, of: number) => void;
}

export interface FsckResult {
  readonly node: string;
  /** Of what verified; the last block that could be gone on from. */
  readonly chain: Chain;
  readonly blocks: number;
  readonly findings: Findings;
}

/** The uncommitted end of a live log may be replaced while it is read. */
const TAIL_READS_MAX = 5;

/** Verifies all that stands in one node's database. */
export async function fsck(database: NodeDatabase, options: FsckOptions): Promise<FsckResult> {
  const node = (await database.nodeId()) ?? database.name;
  const findings = new Findings();
  const tail = await database.tail();
  if (tail === null) throw new Error(`The database ${database.name} holds no blocks of a log.`);
  for (const id of await database.strangers())
    findings.add({
      node,
      field: "_id",
      fault: "unknown_document",
      detail: `a document with the id ${id} stands among the blocks`,
    });
  const account = await database.indexAccount();
  const isTaken = account === "altered" || account === "missing";
  const isIndexWhole = account === "whole" || (isTaken && !(await database.isIndexWork()));
  if (isTaken)
    findings.add({
      node,
      field: "index",
      fault: account === "missing" ? "missing" : "bad_entry",
      detail: `the index marker, which says that the index is whole, is ${account === "missing" ? "missing" : "not what a node writes"}`,
    });
  if (!isIndexWhole)
    findings.notes.push("The index says that it is not whole: entries that are missing are no difference.");
  const floor = commitHeightOf(tail);
  let walk = new Walk(database, { ...options, node, isIndexWhole, total: sizeOf(tail) });
  await walk.through(1, floor);
  const settled = walk;
  for (let read = 1; ; read++) {
    const through = Math.floor((await database.tail())?.at ?? 0);
    const before = await database.hashesFrom(floor + 1);
    walk = settled.copy();
    await walk.through(floor + 1, through);
    if (walk.count === settled.count || read === TAIL_READS_MAX) break;
    if ((await database.hashesFrom(floor + 1)) === before) break;
  }
  await walk.end();
  for (const one of walk.findings.kept) findings.add(one);
  findings.count += walk.findings.count - walk.findings.kept.length;
  return { node, chain: walk.chain, blocks: walk.blocks, findings };
}

const commitHeightOf = ({ at, header }: StoredBlock): number => {
  const height = (header as { commitHeight?: unknown } | null)?.commitHeight;
  return Number.isSafeInteger(height)
    ? Math.max(0, Math.min(at - 1, height as number))
    : Math.max(0, Math.floor(at) - 1);
};
const sizeOf = ({ header }: StoredBlock): number => {
  const size = (header as { treeSize?: unknown } | null)?.treeSize;
  return Number.isSafeInteger(size) ? (size as number) : 0;
};

interface WalkOptions extends FsckOptions {
  readonly node: string;
  readonly isIndexWhole: boolean;
  readonly total: number;
}

class Walk {
  chain: Chain = NO_BLOCKS;
  blocks = 0;
  findings = new Findings();
  /** The chain cannot be gone on from: the tree is taken from the next block that is proved by the one after it. */
  private isBroken = false;
  private newest: StoredBlock | null = null;

  constructor(
    private readonly database: NodeDatabase,
    private readonly options: WalkOptions,
  ) {}

  get count(): number {
    return this.findings.count;
  }

  copy(): Walk {
    const { chain, blocks, isBroken, newest } = this;
    const findings = new Findings();
    for (const one of this.findings.kept) findings.add(one);
    findings.count = this.findings.count;
    return Object.assign(new Walk(this.database, this.options), { chain, blocks, findings, isBroken, newest });
  }

  /** Each block is judged once the next one is known, which names its hash. */
  async through(from: number, last: number): Promise<void> {
    if (last < from) return;
    const entries = new InOrder(this.database.entriesBetween(from, last));
    let due: StoredBlock | null = null;
    // One more: what it names proves the last.
    for await (const found of this.database.blocksBetween(from, last + 1)) {
      if (!Number.isSafeInteger(found.at)) {
        const detail = `a document with the id ${found.at} stands among the blocks`;
        this.findings.add({ node: this.options.node, field: "_id", fault: "unknown_document", detail });
        continue;
      }
      if (due !== null) await this.block(due, found, entries);
      due = found;
      if (found.at > last) break;
    }
    if (due !== null && due.at <= last) await this.block(due, null, entries);
    if (this.chain.height < last) this.missing(this.chain.height + 1, last);
    await this.entriesBelow(Number.POSITIVE_INFINITY, entries);
    await entries.end();
  }

  /** What only the end of the log shows. */
  async end(): Promise<void> {
    const { node, signatures, expected } = this.options;
    const { chain, newest } = this;
    if (await this.database.isNotedFrom(chain.height + 1)) await this.notedAbove();
    try {
      // Each header names the one before: a signature of the last one covers all of them.
      const isUnknown = this.isBroken || chain.keys.size === 0;
      const text = newest === null || signatures || isUnknown ? null : signedTextOf(newest.header);
      if (newest !== null && text !== null)
        verifySignature(chain.keys, { header: headerOf(newest.header), text, signature: newest.signature });
      expected?.end(chain.tree.size);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.findings.addFault(node, chain.height, error);
    }
  }

  private async notedAbove(): Promise<void> {
    const next = this.chain.height + 1;
    const note = await this.database.noteOf(next);
    if (note === null) return;
    const detail = `block ${next} was committed here, as an anchor notes, and is gone: the end of the log was cut off`;
    this.findings.add({ node: this.options.node, height: next, field: "block", fault: "missing", detail });
  }

  private missing(from: number, through: number): void {
    const detail = from === through ? `block ${from} is missing` : `blocks ${from} to ${through} are missing`;
    this.findings.add({ node: this.options.node, height: from, field: "block", fault: "missing", detail });
    this.chain = { ...this.chain, height: through };
    this.isBroken = true;
  }

  private async block(found: StoredBlock, next: StoredBlock | null, entries: InOrder): Promise<void> {
    const { at } = found;
    if (at <= this.chain.height) return;
    if (at > this.chain.height + 1) this.missing(this.chain.height + 1, at - 1);
    const own = blockHashOf(found.header);
    const proof = await this.proofOf(at, own, next);
    this.newest = found;
    this.blocks += 1;
    const before = this.findings.count;
    const verified = this.isBroken ? this.resume(found, proof) : this.verify(found, proof);
    if (verified !== null && this.findings.count === before) this.checkBeside(found, verified);
    await this.checkEntries(found, verified, entries);
    this.options.onProgress(this.chain.tree.size, this.options.total);
  }

  /** What this block's hash has to be, by the node's own note and by the next block, as far as that is one. */
  private async proofOf(at: number, own: string | null, next: StoredBlock | null): Promise<string | null> {
    const noted = (await this.database.noteOf(at))?.blockHash ?? null;
    const named = next?.at === at + 1 ? linkOf(next) : null;
    if (noted !== null && own === named && own !== noted) {
      const about = { stored: noted, expected: own as string };
      const detail = "this node has noted another block than the one that stands there and that the next one names";
      this.findings.addFault(this.options.node, at, new Fault("bad_anchor", "anchor", detail, about));
      return own;
    }
    return noted ?? named;
  }

  private verify(found: StoredBlock, proof: string | null): Verified | null {
    const { chain } = this;
    const own = blockHashOf(found.header);
    let verified: Verified | null = null;
    try {
      verified = verifyBlock(chain, found, this.options);
      if (proof !== null && own !== proof) throw otherHeader(own, proof);
      this.options.expected?.pass(
        chain.tree,
        verified.events.map(({ leaf }) => leaf),
      );
      this.chain = verified.next;
      return verified;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.findings.addFault(this.options.node, found.at, error);
      // A signature that somebody changed changes nothing else.
      if (error.fault === "bad_signature" && (proof === null || own === proof)) return this.unsigned(found, proof);
      this.goOn(found, proof);
      return null;
    }
  }

  private unsigned(found: StoredBlock, proof: string | null): Verified | null {
    try {
      const verified = verifyBlock(this.chain, found, { signatures: false });
      this.chain = verified.next;
      return verified;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.findings.addFault(this.options.node, found.at, error);
      this.goOn(found, proof);
      return null;
    }
  }

  /** After a block that is not what was sealed: by what its sound header says of the log, or by the next block. */
  private goOn(found: StoredBlock, proof: string | null): void {
    const after = proof !== null && blockHashOf(found.header) === proof ? chainAt(found, this.chain, proof) : null;
    this.isBroken = after === null;
    this.chain = after ?? { ...this.chain, height: found.at };
  }

  private resume(found: StoredBlock, proof: string | null): null {
    const own = blockHashOf(found.header);
    const { node } = this.options;
    const after = own === null || (proof !== null && own !== proof) ? null : chainAt(found, this.chain, own);
    if (after === null || bodyHashOf(found) !== (found.header as { bodyHash?: unknown }).bodyHash) {
      const detail = "it is not the block that the next one, or this node's note, names";
      this.findings.addFault(node, found.at, new Fault("bad_hash", "header", detail));
      this.chain = { ...this.chain, height: found.at };
      return null;
    }
    this.chain = after;
    this.isBroken = false;
    return null;
  }

  /** What stands beside header and body in a block that is sound. */
  private checkBeside(found: StoredBlock, { header, next }: Verified): void {
    const { node } = this.options;
    if (found.blockHash !== next.blockHash) {
      const about = { stored: String(found.blockHash), expected: next.blockHash };
      const fault = new Fault("bad_hash", "blockHash", "the hash beside the header is not the header's", about);
      this.findings.addFault(node, found.at, fault);
    }
    if (found.frontier === null || Tree.of(header.treeSize, found.frontier)?.root !== header.rootHash) {
      const detail = "the hashes that a restart begins with do not fold to the root";
      this.findings.addFault(node, found.at, new Fault("bad_root", "frontier", detail));
    }
  }

  private async checkEntries(found: StoredBlock, verified: Verified | null, entries: InOrder): Promise<void> {
    const { node, isIndexWhole } = this.options;
    await this.entriesBelow(found.at, entries);
    const entry = (await entries.peek())?.at === found.at ? await entries.take() : null;
    if (verified === null) return;
    const { header, index, next } = verified;
    try {
      if (entry !== null && header.eventCount === 0) throw new Fault("bad_entry", "entry", "its block has no events");
      if (entry !== null) checkEntry(entry, { header, index, blockHash: next.blockHash });
      else if (header.eventCount > 0 && isIndexWhole) throw new Fault("missing", "entry", "its index entry is missing");
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { about } = error;
      const place = header.eventCount === 0 ? about : { ...about, sequence: header.firstSequence };
      this.findings.addFault(node, found.at, new Fault(error.fault, error.field, error.message, place));
    }
  }

  /** Entries of heights at which no block was. */
  private async entriesBelow(height: number, entries: InOrder): Promise<void> {
    for (let next = await entries.peek(); next !== null && next.at < height; next = await entries.peek()) {
      await entries.take();
      // Of a block that is missing the entry is no further difference.
      if (Number.isSafeInteger(next.at)) continue;
      const detail = `a document with the id ${-next.at} stands among the entries`;
      this.findings.add({ node: this.options.node, field: "_id", fault: "unknown_document", detail });
    }
  }
}

/** The hash that a block names as the one before, if it is itself what is noted beside it, and of this height. */
function linkOf({ at, header, blockHash }: StoredBlock): string | null {
  const { height, previousBlockHash: link } = (header ?? {}) as { height?: unknown; previousBlockHash?: unknown };
  return height === at && isHash(link) && blockHashOf(header) === blockHash ? link : null;
}

function otherHeader(own: string | null, proof: string): Fault {
  const detail = "its term, leader, time, commit height or record of cluster history is not what was sealed";
  return new Fault("bad_hash", "header", detail, { stored: own ?? "no hash", expected: proof });
}

/** The log after a block whose header is sound; null if its stored hashes do not give the tree. */
function chainAt(found: StoredBlock, before: Chain, blockHash: string): Chain | null {
  try {
    const header = headerOf(found.header);
    const tree = found.frontier === null ? null : Tree.of(header.treeSize, found.frontier);
    if (tree === null || tree.root !== header.rootHash || header.height !== found.at) return null;
    const { control, clusterId } = header;
    const keys = control?.kind === "genesis" ? control.keys : before.keys;
    return chainAfter({ clusterId }, { header, keys, tree, blockHash });
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

/** Entries one after the other, of which the next can be looked at. */
class InOrder {
  #next: StoredEntry | null | undefined;

  constructor(private readonly source: AsyncGenerator<StoredEntry>) {}

  async peek(): Promise<StoredEntry | null> {
    if (this.#next !== undefined) return this.#next;
    const { value, done } = await this.source.next();
    this.#next = done === true ? null : value;
    return this.#next;
  }

  async take(): Promise<StoredEntry | null> {
    const next = await this.peek();
    this.#next = undefined;
    return next;
  }

  async end(): Promise<void> {
    await this.source.return(undefined);
  }
}
