import type { Collection, WriteConcern } from "mongodb";
import { z } from "zod";
import type { HardState } from "../../../cluster/types.js";
import { height, type NodeId, term } from "../../../shared/ids.js";
import { membersSchema, nodeIdSchema } from "../../../shared/log/control.js";
import { StoreError } from "../port.js";
import type { StateMac } from "../state-mac.js";
import { isDuplicateKey, storeError } from "./errors.js";
import { ofNewerVersion, outdated, unfit } from "./server.js";
import { decoded, RAW } from "./undecoded.js";

const count = z.int().min(0);
const termSchema = count.transform((n) => term(n));
const heightSchema = count.transform((n) => height(n));
const hex32 = z.string().regex(/^[0-9a-f]{32}$/);

export const FORMAT = 5;

const stateSchema = z.object({
  _id: z.literal("state"),
  format: z.literal(FORMAT),
  /** Goes up with every write: the compare of compare-and-swap. */
  version: count,
  hard: z
    .object({
      term: termSchema,
      votedFor: nodeIdSchema.nullable(),
      joinNonce: hex32,
      forming: membersSchema.nullable(),
    })
    .nullable(),
  /** Over `hard`, under a secret that the database does not have. */
  mac: z.string().max(128).nullable(),
  /** A truncation that was begun and must be finished before anything else; of this node's own word alone. */
  truncating: z
    .object({ from: heightSchema, term: termSchema, leaderId: nodeIdSchema, mac: z.string().max(128).optional() })
    .nullable(),
  owner: z.object({ nodeId: nodeIdSchema, bootId: z.string().max(64), isReleased: z.boolean() }),
  storeId: hex32,
  bootCounter: count,
  ranAsReplicaSetMember: z.boolean(),
  /** Work on entries of stored blocks that was begun: what it had to complete may be missing. */
  indexWork: z.object({ from: heightSchema, through: heightSchema }).nullable(),
});

/** What somebody else has put beside them is nothing of this node's. */
const FIELDS = Object.fromEntries(Object.keys(stateSchema.shape).map((name) => [name, 1]));

/** The one document of hard state, in the collection `state`. */
export type StateRecord = Readonly<z.infer<typeof stateSchema>>;
export type Truncating = Omit<NonNullable<StateRecord["truncating"]>, "mac">;
type Change = Partial<Omit<StateRecord, "_id" | "format" | "version">>;
type StateDocument = { _id: string };

/** Reads and swaps the state; knows the version that it read or wrote last. */
export class MongoState {
  private known: StateRecord | null = null;
  private isKnownAltered = false;
  /** Somebody else would have this node delete its blocks: what stands there goes with the next hard state. */
  private isTruncationForged = false;
  private provenAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly collection: Collection<StateDocument>,
    private readonly durable: WriteConcern,
    private readonly macOf: StateMac,
  ) {}

  /** Whether the hard state, or the truncation, that was read is not what this node wrote; over once another one is saved. */
  get isAltered(): boolean {
    return this.isKnownAltered || this.isTruncationForged;
  }

  /**
   * When this process was the owner for certain, in monotonic milliseconds: a successor waits longer than a write may
   * go without proof before it reads the log, so it has all that was answered until then.
   */
  get ownerProvenAt(): number {
    return this.provenAt;
  }

  /** What was read or written last; an error to ask before `read` or `create`. */
  get record(): StateRecord {
    if (this.known === null) throw new Error("the state has not been read");
    return this.known;
  }

  /** null: this database holds no state. Throws StoreError `unfit` for a document that is not ours. */
  async read(): Promise<StateRecord | null> {
    const found = await this.collection.findOne({ _id: "state" }, { ...RAW, projection: FIELDS });
    if (found === null) return null;
    const document = decoded<{ format?: unknown }>(found) ?? {};
    const { format } = document;
    const { dbName } = this.collection;
    if (typeof format === "number" && format < FORMAT) throw outdated(dbName);
    if (typeof format === "number" && format > FORMAT) throw ofNewerVersion(dbName, { format, known: FORMAT });
    const parsed = stateSchema.safeParse(document);
    if (!parsed.success)
      throw unfit(
        `The document "state" in ${this.collection.namespace} is damaged, or from another version of Quorumlog ` +
          `(${parsed.error.issues[0]?.path.join(".")}: ${parsed.error.issues[0]?.message}). Start that version, or keep ` +
          "this database as evidence and start the node with an empty one",
      );
    const { hard, mac, truncating } = parsed.data;
    this.isKnownAltered = hard !== null && mac !== this.macOf(hard);
    this.isTruncationForged = truncating !== null && truncating.mac !== this.truncationMac(parsed.data, truncating);
    this.known = this.isTruncationForged ? { ...parsed.data, truncating: null } : parsed.data;
    return this.known;
  }

  /** What is wrong with it, as a sentence; null if it is as this node wrote it. */
  get fault(): string | null {
    if (this.isKnownAltered) return "term and vote in this node's state are not what it wrote";
    return this.isTruncationForged ? "the truncation in this node's state is not one that it began" : null;
  }

  private truncationMac({ storeId }: Pick<StateRecord, "storeId">, { from, term, leaderId }: Truncating): string {
    return this.macOf({ truncating: { from, term, leaderId }, storeId });
  }

  /** Says that blocks are about to be deleted; from then on it has to be finished. */
  async beginTruncation(by: Truncating, self: Owner): Promise<void> {
    await this.swapOrThrow({ truncating: { ...by, mac: this.truncationMac(this.record, by) } }, self);
  }

  /** Makes the first state; false if someone else just did. */
  async create(first: Omit<StateRecord, "_id" | "format" | "version">): Promise<boolean> {
    const record: StateRecord = { _id: "state", format: FORMAT, version: 1, ...first };
    try {
      await this.collection.insertOne(record as unknown as StateDocument, { writeConcern: this.durable });
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
    this.known = record;
    return true;
  }

  /**
   * Writes a change if nobody wrote since: true. The version moves with every swap, even an empty one, so that a write
   * that was sent earlier and arrives later finds another version and changes nothing. The term never decreases, unless
   * it is one that somebody else put there.
   */
  async swap(change: Change): Promise<boolean> {
    const known = this.record;
    const next: StateRecord = { ...known, ...change, version: known.version + 1 };
    const isBound = change.hard != null && !this.isAltered;
    const askedAt = performance.now();
    const { matchedCount } = await this.collection.updateOne(
      {
        _id: "state",
        version: known.version,
        ...(isBound ? { $or: [{ hard: null }, { "hard.term": { $lte: change.hard?.term } }] } : {}),
      },
      { $set: { ...change, version: next.version } },
      { writeConcern: this.durable },
    );
    if (matchedCount === 0) return false;
    this.known = next;
    this.provenAt = askedAt;
    if (change.hard !== undefined) this.isKnownAltered = false;
    if (change.truncating !== undefined) this.isTruncationForged = false;
    return true;
  }

  /** Replaces the hard state. Throws StoreError `conflict`, `not_owner`, `unknown` or `not_stored`. */
  async save(hard: HardState, self: Owner, bootCounter?: number): Promise<void> {
    const counted = bootCounter === undefined ? {} : { bootCounter };
    const forged = this.isTruncationForged ? { truncating: null } : {};
    await this.swapOrThrow({ hard: hard as StateRecord["hard"], mac: this.macOf(hard), ...counted, ...forged }, self);
  }

  async swapOrThrow(change: Change, self: Owner): Promise<void> {
    let isSwapped: boolean;
    try {
      isSwapped = await this.swap(change);
    } catch (error) {
      throw storeError(error, "Writing the node's state");
    }
    if (isSwapped) return;
    await this.assertOwner(self);
    throw new StoreError("conflict", "The node's state was changed by someone else, or its term would go back.");
  }

  /** Throws StoreError `not_owner` if the state names another owner, or is gone. */
  async assertOwner(self: Owner): Promise<void> {
    const seen = this.known?.version ?? 0;
    const askedAt = performance.now();
    let document: { owner?: Partial<Owner> } | null;
    try {
      document = decoded(await this.collection.findOne({ _id: "state" }, { ...RAW, projection: { owner: 1 } }));
    } catch (error) {
      throw storeError(error, "Reading the owner of the database");
    }
    const owner = document?.owner;
    if (owner?.nodeId === self.nodeId && owner.bootId === self.bootId) {
      this.provenAt = askedAt;
      return;
    }
    const who =
      owner?.nodeId === undefined
        ? "its state is gone"
        : owner.nodeId === self.nodeId
          ? `another process of node ${self.nodeId} has taken it over`
          : `node ${owner.nodeId} has taken it over`;
    throw new StoreError("not_owner", `This database is no longer this process's: ${who} (version ${seen}).`);
  }
}

export interface Owner {
  readonly nodeId: NodeId;
  readonly bootId: string;
}
