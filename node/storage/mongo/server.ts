import { type Db, type Document, MongoServerError } from "mongodb";
import { StoreError } from "../port.js";
import { UNAUTHORIZED } from "./errors.js";

const OLDEST_VERSION = 5;
/** Every collection that this or a later version of ours makes in a node's database. */
const OUR_COLLECTIONS = /^(blocks|anchors|state|checkpoints|tiles|alerts|quarantine|elections|apiKeys)$/;

/** Copies of events, and entries in a collection of their own, as earlier versions kept them. */
const OUTDATED_COLLECTIONS = /^(events_\d+|index)$/;

/** What we read of the answer to `hello`. */
export interface Hello {
  readonly isWritablePrimary: boolean;
  readonly secondary?: boolean;
  readonly setName?: string;
  readonly hosts?: readonly string[];
  readonly passives?: readonly string[];
  readonly arbiters?: readonly string[];
  /** `isdbgrid` on a mongos. */
  readonly msg?: string;
  /** True on a server that was started with --replSet and has no configuration yet. */
  readonly isreplicaset?: boolean;
  readonly topologyVersion?: { readonly processId: { toHexString(): string } };
}

export const hello = async (db: Db): Promise<Hello> => (await db.admin().command({ hello: 1 })) as unknown as Hello;
export const processIdOf = (answer: Hello): string => answer.topologyVersion?.processId.toHexString() ?? "";

export interface FitnessOptions {
  readonly allowUnsafeMongod: boolean;
}

/**
 * Reads what kind of server and database this is; writes nothing. Throws StoreError `unfit` for one that cannot be
 * used; the result says what a usable one lacks.
 */
export async function assertFit(db: Db, answer: Hello, options: FitnessOptions): Promise<{ warnings: string[] }> {
  const warnings: string[] = [];
  const ask = async (command: Document): Promise<Document | null> => {
    try {
      return await db.admin().command(command);
    } catch (error) {
      if (!(error instanceof MongoServerError) || error.code !== UNAUTHORIZED) throw error;
      warnings.push(`This MongoDB user may not run ${Object.keys(command)[0]}, so part of the server goes unchecked.`);
      return null;
    }
  };
  if (answer.msg === "isdbgrid")
    throw unfit("The MongoDB is a sharded cluster (mongos); each node needs a mongod of its own");
  await checkVersion(await ask({ buildInfo: 1 }), answer, options);
  checkEngine(await ask({ serverStatus: 1, metrics: 0, repl: 0, tcmalloc: 0 }));
  checkJournal(await ask({ getCmdLineOpts: 1 }));
  if (answer.setName === undefined) {
    await checkNeverAMember(db);
    warnings.push(
      "This MongoDB is a standalone server: it works, but lacks change streams (a change made behind the node's back " +
        "is found later, by the background check). Start it with --replSet and run rs.initiate() to have them.",
    );
  } else {
    checkOneMember(answer, await ask({ replSetGetConfig: 1 }));
  }
  await checkCollections(db);
  return { warnings };
}

async function checkVersion(build: Document | null, answer: Hello, options: FitnessOptions): Promise<void> {
  const [major = 0, minor = 0, patch = 0] = (build?.versionArray ?? []) as number[];
  if (build === null) return;
  if (major < OLDEST_VERSION) throw unfit(`The MongoDB is version ${build.version}; 5.0 or newer is needed`);
  const losesWrites = major === 8 && minor === 0 && patch >= 32 && patch <= 38;
  if (losesWrites && answer.setName === undefined && !options.allowUnsafeMongod)
    throw unfit(
      `A standalone MongoDB ${build.version} can lose journaled writes in a crash (SERVER-139311). Run it as a ` +
        "one-member replica set or use another version; ALLOW_UNSAFE_MONGOD=1 uses it all the same",
    );
}

function checkEngine(status: Document | null): void {
  const engine = status?.storageEngine?.name as string | undefined;
  if (engine !== undefined && engine !== "wiredTiger")
    throw unfit(`The MongoDB uses the storage engine ${engine}; WiredTiger is needed`);
}

function checkJournal(options: Document | null): void {
  if (options?.parsed?.storage?.journal?.enabled === false)
    throw unfit("The MongoDB runs without a journal; start it with journaling on");
}

async function checkNeverAMember(db: Db): Promise<void> {
  let wasMember: boolean;
  try {
    wasMember = (await db.client.db("local").collection("system.replset").findOne({})) !== null;
  } catch (error) {
    // Without the right to read `local`, our own note in `state` still tells.
    if (error instanceof MongoServerError && error.code === UNAUTHORIZED) return;
    throw error;
  }
  if (wasMember) throw ranAsMember();
}

export function ranAsMember(): StoreError {
  return unfit(
    "The MongoDB was a replica-set member and now runs without --replSet: its newest writes would be missing. " +
      "Start it with --replSet again",
  );
}

function checkOneMember(answer: Hello, config: Document | null): void {
  const seen = [...(answer.hosts ?? []), ...(answer.passives ?? []), ...(answer.arbiters ?? [])].length;
  // Hidden members are in the configuration only.
  const members = Math.max(seen, (config?.config?.members as unknown[] | undefined)?.length ?? 0);
  if (members > 1)
    throw unfit(
      `The MongoDB is a replica set of ${members} members; each node needs one of its own with exactly one ` +
        "(the nodes themselves replicate the log)",
    );
}

async function checkCollections(db: Db): Promise<void> {
  const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
  if (names.includes("state") && names.some((name) => OUTDATED_COLLECTIONS.test(name))) throw outdated(db.databaseName);
  const foreign = names.filter((name) => !OUR_COLLECTIONS.test(name) && !name.startsWith("system."));
  if (foreign.length > 0)
    throw unfit(
      `The database ${db.databaseName} holds collections that this version of Quorumlog does not know (${foreign.sort().slice(0, 5).join(", ")}` +
        `${foreign.length > 5 ? ", …" : ""}). It was not touched; name another database in MONGODB_URI`,
    );
}

export const outdated = (database: string): StoreError =>
  unfit(
    `The database ${database} was made by an earlier version of Quorumlog, whose logs are not read any more. It was not ` +
      "touched: begin a new log with `npm start -- --fresh`, or name another database in MONGODB_URI",
  );

export const ofNewerVersion = (database: string, { format, known }: { format: number; known: number }): StoreError =>
  unfit(
    `The database ${database} was made by a newer version of Quorumlog (format ${format}; this one knows ${known}). It was ` +
      "not touched. Start that version, or name another database in MONGODB_URI",
  );

export const unfit = (sentence: string): StoreError => new StoreError("unfit", `${sentence}.`);
