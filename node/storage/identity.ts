import { createHash, randomBytes } from "node:crypto";
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fromHex } from "../../shared/bytes.js";
import type { NodeId } from "../../shared/ids.js";
import { hashSchema, nodeIdSchema } from "../../shared/log/control.js";
import { makeFolder } from "./folder.js";
import { StoreError } from "./port.js";

/** A mark is written at most this often; a lost one only makes the next start more careful than it need be. */
const MARK_INTERVAL_MS = 1_000;
const VERSION = 1;
const SEED_BYTES = 32;
/** A temporary file is renamed within moments; one this old belongs to a write that was interrupted. */
const LEFT_OVER_MS = 60_000;
export const DEFAULT_DATABASE = "eventLogs";

/** Findings that wait to be kept as alerts; the oldest go first. */
export const FOUND_MAX = 16;
/** The length of a value that a finding shows. It is that of whoever altered the database. */
export const FOUND_TEXT_CHARACTERS_MAX = 128;
export const FOUND_DETAIL_CHARACTERS_MAX = 1_000;

const count = z.int().min(0);
const textUpTo = (charactersMax: number) => z.string().max(charactersMax);
const foundValue = z.union([count, textUpTo(FOUND_TEXT_CHARACTERS_MAX)]);
const startFindingSchema = z.strictObject({
  kind: z.enum(["state_altered", "truncated_tail", "hash_rewritten"]),
  at: z.iso.datetime(),
  detail: textUpTo(FOUND_DETAIL_CHARACTERS_MAX),
  heights: z.tuple([count, count]).exactOptional(),
  differences: z
    .array(z.strictObject({ height: count, field: textUpTo(64), stored: foundValue, expected: foundValue }))
    .max(1)
    .exactOptional(),
});
/** What a node finds wrong with its own copy as it opens its database, and joins anew for. */
export type StartFinding = Readonly<z.infer<typeof startFindingSchema>>;

const identitySchema = z.strictObject({
  version: z.literal(VERSION),
  nodeId: nodeIdSchema,
  /** 32 bytes as hex, the root of this node's keys. Secret. */
  seed: hashSchema,
  storeId: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .nullable(),
  bootCounter: count,
  /** The cluster whose committed genesis this node has seen: it never forms another. */
  formedClusterId: hashSchema.nullable(),
  /** The highest term voted in, written before that vote leaves. */
  votedTerm: count,
  /** The highest block that is committed *and* durable in this node's own store. */
  mark: z.strictObject({ term: count, height: count, hash: hashSchema }).nullable(),
  /** Blocks up to here were lost once, or taken away on purpose, and this node knows: that one of them is missing is no news. */
  lostThrough: count.default(0),
  /** Here they outlive a crash, and whoever alters the database cannot reach them. */
  found: z.array(startFindingSchema).max(FOUND_MAX).default([]),
});

/** What a node knows of itself outside its database, so that a restored or stolen database takes none of it along. */
export type Identity = Readonly<z.infer<typeof identitySchema>>;
export type Mark = NonNullable<Identity["mark"]>;
export type IdentityChange = Partial<
  Pick<Identity, "storeId" | "bootCounter" | "formedClusterId" | "votedTerm" | "mark" | "lostThrough" | "found">
>;
/** One that rests on what is there is made when its turn has come. */
export type IdentityUpdate = IdentityChange | ((now: Identity) => IdentityChange);

/**
 * `<dataDir>/<nodeId>` for a mongod that the start script manages; for one given by URI its hosts and database are part
 * of the name (8 hex digits of their SHA-256), so that another database never meets this identity.
 */
export function identityFolder(of: {
  dataDir: string;
  nodeId: NodeId;
  mongodbUri: string;
  isManaged: boolean;
}): string {
  if (of.isManaged) return join(of.dataDir, of.nodeId);
  const digest = createHash("sha256").update(databaseName(of.mongodbUri)).digest("hex");
  return join(of.dataDir, `${of.nodeId}-${digest.slice(0, 8)}`);
}

/** `host:port[,…]/database`: without credentials and options, which may change while the database stays the same. */
function databaseName(mongodbUri: string): string {
  const match = /^mongodb(?:\+srv)?:\/\/(?:[^/?]*@)?([^/?]+)(?:\/([^?]*))?/.exec(mongodbUri);
  if (match === null) return mongodbUri;
  const hosts = (match[1] as string)
    .toLowerCase()
    .split(",")
    .map((host) => (/:\d+$/.test(host) ? host : `${host}:27017`))
    .sort();
  return `${hosts.join(",")}/${match[2] || DEFAULT_DATABASE}`;
}

/** The one file `identity.json` of a node, mode 0600. Every change is on the disk when its promise resolves. */
export class IdentityFile {
  private tail: Promise<void> = Promise.resolve();
  private pendingMark: Mark | null = null;
  private timer: NodeJS.Timeout | null = null;

  private constructor(
    readonly folder: string,
    private current: Identity,
    private isUnsettled: boolean,
  ) {}

  /** True while this process has made the identity and written nothing to a database with it yet. */
  get isNew(): boolean {
    return this.isUnsettled;
  }
  settle(): void {
    this.isUnsettled = false;
  }

  /**
   * Reads the identity, or makes one with a random seed and writes it. Throws StoreError `unfit` for a file that
   * cannot be read as an identity, and for another node's: to go on with a new one would forget votes.
   */
  static async open(folder: string, nodeId: NodeId): Promise<IdentityFile> {
    const path = join(folder, "identity.json");
    await removeLeftOvers(folder);
    const text = await readIfThere(path);
    if (text !== null) return new IdentityFile(folder, parseIdentity(text, { path, folder, nodeId }), false);
    // What an identity that is lost has noted of this database does not hold for what a new one does to it.
    await rm(join(folder, "integrity.json"), { force: true }).catch(() => undefined);
    const identity: Identity = {
      version: VERSION,
      nodeId,
      seed: randomBytes(SEED_BYTES).toString("hex"),
      storeId: null,
      bootCounter: 0,
      formedClusterId: null,
      votedTerm: 0,
      mark: null,
      lostThrough: 0,
      found: [],
    };
    const file = new IdentityFile(folder, identity, true);
    await file.update({}).catch((error: StoreError) => {
      // A full disk may have room a little later; a right that is missing does not come by itself.
      throw (error.cause as NodeJS.ErrnoException | undefined)?.code === "ENOSPC"
        ? error
        : new StoreError("unfit", `${error.message} See to that, or set DATA_DIR to another folder.`, { cause: error });
    });
    return file;
  }

  /** What is on the disk now. */
  get identity(): Identity {
    return this.current;
  }
  get seed(): Uint8Array {
    return fromHex(this.current.seed);
  }

  /**
   * Replaces the file as a whole: temp file, fsync, rename, fsync of the folder. Changes are written one after the
   * other. Throws RangeError if `votedTerm` would go back, StoreError `not_owner` if a later process of this node has
   * written the file, `unknown` if the disk fails: the file then holds either the old identity or the new one.
   */
  update(change: IdentityUpdate): Promise<void> {
    const done = this.tail.then(() => this.write(change));
    this.tail = done.catch(() => undefined);
    return done;
  }

  /** Remembers the mark; it reaches the disk within a second, or with the next update. Lower ones are ignored. */
  recordMark(mark: Mark): void {
    if (mark.height <= (this.pendingMark ?? this.current.mark ?? { height: -1 }).height) return;
    this.pendingMark = mark;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      // A mark that could not be written stays pending: the next one, or the clean stop, tries again.
      void this.update({}).catch(() => undefined);
    }, MARK_INTERVAL_MS).unref();
  }

  /** A clean stop: writes the mark that is pending. */
  async close(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.pendingMark !== null) await this.update({}).catch(unlessNotOwner);
    await this.tail;
  }

  private async write(update: IdentityUpdate): Promise<void> {
    const mark = this.pendingMark;
    const change = typeof update === "function" ? update(this.current) : update;
    const next: Identity = { ...this.current, ...(mark === null ? {} : { mark }), ...change };
    if (next.votedTerm < this.current.votedTerm)
      throw new RangeError(`votedTerm ${next.votedTerm} is before ${this.current.votedTerm}`);
    await this.assertNewest();
    try {
      await replaceFile(this.folder, `${JSON.stringify(next, null, 2)}\n`);
    } catch (cause) {
      throw new StoreError("unknown", `The identity file in ${this.folder} cannot be written: ${message(cause)}.`, {
        cause,
      });
    }
    this.current = next;
    if (this.pendingMark === mark) this.pendingMark = null;
  }

  /** A process that slept while another one took its place must not take back what that one voted, before it learns of it. */
  private async assertNewest(): Promise<void> {
    const path = join(this.folder, "identity.json");
    const bootCounter = bootCounterIn(await readFile(path, "utf8").catch(() => ""));
    if (bootCounter <= this.current.bootCounter) return;
    throw new StoreError(
      "not_owner",
      `The identity file ${path} is another process's of this node, which was started later. This one leaves it as it is.`,
    );
  }
}

/** What cannot be read is replaced. */
function bootCounterIn(text: string): number {
  try {
    const { bootCounter } = (JSON.parse(text) ?? {}) as Partial<Identity>;
    return typeof bootCounter === "number" ? bootCounter : 0;
  } catch {
    return 0;
  }
}

function unlessNotOwner(error: unknown): void {
  if (!(error instanceof StoreError) || error.failure !== "not_owner") throw error;
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    const remedy = "See to that, or start as the user who owns it.";
    throw new StoreError("unfit", `The identity file ${path} cannot be read: ${message(cause)}. ${remedy}`, { cause });
  }
}

function otherVersionOf(value: unknown): number | null {
  const { version } = (value ?? {}) as { version?: unknown };
  return typeof version === "number" && version !== VERSION ? version : null;
}

function parseIdentity(text: string, at: { path: string; folder: string; nodeId: NodeId }): Identity {
  let identity: Identity;
  try {
    const value: unknown = JSON.parse(text);
    const version = otherVersionOf(value);
    if (version !== null)
      throw new StoreError(
        "unfit",
        `The identity file ${at.path} is of another version of Quorumlog (${version}), which this one cannot read. It was ` +
          "not touched. Start that version, or set DATA_DIR to another folder.",
      );
    identity = identitySchema.parse(value);
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(
      "unfit",
      `The identity file ${at.path} is damaged. Bring it back from a copy (an old one is good enough), or move the ` +
        `folder ${at.folder} away: this node then joins as a new one and must be admitted.`,
      { cause },
    );
  }
  if (identity.nodeId !== at.nodeId)
    throw new StoreError(
      "unfit",
      `The identity file ${at.path} belongs to node ${identity.nodeId}, and this node is ${at.nodeId}. ` +
        "Set NODE_ID or DATA_DIR so that each node has its own.",
    );
  return identity;
}

/** Temporary files hold the seed, too. A young one is left alone: another process may be about to rename it. */
async function removeLeftOvers(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names.filter((one) => /^identity\.json\.(?:[0-9a-f]{16}\.)?tmp$/.test(one))) {
    const path = join(folder, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > LEFT_OVER_MS) await rm(path);
    } catch {
      // Gone meanwhile, or not ours to remove: it is not needed for anything.
    }
  }
}

async function replaceFile(folder: string, text: string): Promise<void> {
  makeFolder(folder, 0o700);
  const path = join(folder, "identity.json");
  // A name of its own: two processes that wrote to the same one could put a mixture in place of the identity.
  const temporary = `${path}.${randomBytes(8).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // What failed is told; that the rest of it stays behind as well changes nothing.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

const message = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
