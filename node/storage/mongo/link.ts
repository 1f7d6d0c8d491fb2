import { setTimeout as sleep } from "node:timers/promises";
import {
  type Db,
  type DbOptions,
  MongoClient,
  type MongoClientOptions,
  ReadConcern,
  ReadPreference,
  WriteConcern,
} from "mongodb";
import { DEFAULT_DATABASE } from "../identity.js";
import { StoreError } from "../port.js";
import { finalCause } from "./causes.js";
import { messageOf, readError } from "./errors.js";
import { type Hello, hello, processIdOf, unfit } from "./server.js";

const SERVER_SELECTION_MS = 1_000;
const HEARTBEAT_MS = 5_000;
const POLL_MS = 50;
/** A replica-set member that starts has to elect itself. Whoever waits longer opens again, and says meanwhile for what. */
const PRIMARY_WITHIN_MS = 2_500;
const CLOSE_WITHIN_MS = 1_000;
const ALREADY_INITIALIZED = 23;
const OTHER_PROCESS = "Another mongod process answers now";

export interface LinkOptions {
  readonly mongodbUri: string;
  readonly appName: string;
  /** No single command takes longer than this, in milliseconds. */
  readonly commandMs: number;
  readonly isRetryingReads: boolean;
  readonly connectionsMax: number;
  /** The link survives broken connections and is lost only to another mongod process. */
  readonly survivesBreaks: boolean;
  readonly initReplicaSet: boolean;
}

/**
 * One client on one mongod *process*. It is good for as long as that process is: when the server is lost, or another
 * process answers, the link is lost for ever and says so once.
 */
export class MongoLink {
  private created = 0;
  private verified = 0;
  private lost: string | null = null;
  private listener: (() => void) | null = null;

  private constructor(
    readonly client: MongoClient,
    readonly db: Db,
    readonly server: Hello,
    readonly processId: string,
  ) {}

  /** Connects and waits for a writable server. Throws StoreError `unfit` or `not_stored`. */
  static async connect(options: LinkOptions): Promise<MongoLink> {
    const client = makeClient(options);
    try {
      await client.connect();
      const db = client.db(hasDatabase(options.mongodbUri) ? undefined : DEFAULT_DATABASE, CONCERNS);
      const server = await untilWritable(db, options);
      const link = new MongoLink(client, db, server, processIdOf(server));
      link.watch(options.survivesBreaks);
      await link.verifyProcess();
      return link;
    } catch (error) {
      await closeQuietly(client);
      throw openingError(error, options.mongodbUri, readError(error, "Connecting to MongoDB"));
    }
  }

  get isAlive(): boolean {
    return this.lost === null;
  }

  onLost(listener: () => void): void {
    this.listener = listener;
  }

  /** Throws StoreError `unknown` once the link is lost. */
  assertAlive(): void {
    if (this.lost !== null) throw new StoreError("unknown", `${this.lost}; the store must be opened again.`);
  }

  /**
   * A process id never comes back, and every connection is to one process: so what was answered before this resolves
   * was answered by the process that was opened. Costs nothing while no new connection was made.
   */
  async verifyProcess(): Promise<void> {
    const created = this.created;
    if (created > this.verified || this.verified === 0) {
      const seen = processIdOf(await hello(this.db));
      if (seen !== this.processId) this.lose(OTHER_PROCESS);
      this.verified = Math.max(created, 1);
    }
    this.assertAlive();
  }

  /** Ends the link without a call of the listener: whoever calls this knows already. */
  fail(reason: string): void {
    this.lost ??= reason;
  }

  private lose(reason: string): void {
    if (this.lost !== null) return;
    this.lost = reason;
    this.listener?.();
  }

  async close(): Promise<void> {
    this.listener = null;
    this.lost ??= "The store is closed";
    await closeQuietly(this.client);
  }

  private watch(survivesBreaks: boolean): void {
    const { client } = this;
    client.on("connectionCreated", () => {
      this.created++;
    });
    client.on("serverHeartbeatSucceeded", ({ reply }) => {
      const seen = processIdOf(reply as unknown as Hello);
      if (seen !== "" && seen !== this.processId) this.lose(OTHER_PROCESS);
    });
    if (survivesBreaks) return;
    client.on("connectionPoolCleared", () => this.lose("The connection to MongoDB broke"));
    client.on("connectionClosed", ({ reason }) => {
      if (reason === "error" || reason === "stale") this.lose("A connection to MongoDB broke");
    });
    client.on("serverHeartbeatFailed", ({ failure }) =>
      this.lose(`The connection to MongoDB failed (${failure.message})`),
    );
  }
}

/** The error as `unfit` if no other attempt can end otherwise, with its cause and remedy; else as the caller sees it. */
export function openingError(error: unknown, mongodbUri: string, otherwise: StoreError): StoreError {
  if (otherwise.failure === "unfit" || otherwise.failure === "not_owner") return otherwise;
  const cause = finalCause(error, mongodbUri);
  return cause === null ? otherwise : unfit(cause);
}

function makeClient(options: LinkOptions): MongoClient {
  const settings: MongoClientOptions = {
    appName: options.appName,
    // The name in a replica set's own configuration may not be reachable from here.
    directConnection: true,
    // We decide ourselves what an unknown outcome means.
    retryWrites: false,
    retryReads: options.isRetryingReads,
    serverSelectionTimeoutMS: SERVER_SELECTION_MS,
    connectTimeoutMS: SERVER_SELECTION_MS,
    heartbeatFrequencyMS: HEARTBEAT_MS,
    // The driver's own timeoutMS has no effect in 7.9 (it says so): these two bound an operation together.
    socketTimeoutMS: options.commandMs,
    waitQueueTimeoutMS: options.commandMs,
    maxPoolSize: options.connectionsMax,
    maxIdleTimeMS: 0,
    ignoreUndefined: true,
    // Whoever alters the database writes what he likes: one document that cannot be decoded would hide all that is read with it.
    bsonRegExp: true,
    enableUtf8Validation: false,
  };
  try {
    return new MongoClient(options.mongodbUri, settings);
  } catch (error) {
    throw unfit(`MONGODB_URI cannot be used for one mongod with a direct connection: ${messageOf(error)}`);
  }
}

/**
 * Whatever the URI or the server's own default says: what this node has written it must find when it looks, and a majority
 * read concern hides it until the next flush of the journal. Writes that must be in the journal say so themselves.
 */
const CONCERNS: DbOptions = {
  readConcern: new ReadConcern("local"),
  readPreference: ReadPreference.primary,
  writeConcern: new WriteConcern(1),
};

const hasDatabase = (uri: string): boolean => /^mongodb(?:\+srv)?:\/\/[^/?]+\/[^?]/.test(uri);

async function untilWritable(db: Db, options: LinkOptions): Promise<Hello> {
  const deadline = performance.now() + PRIMARY_WITHIN_MS;
  let isInitiated = false;
  for (;;) {
    const answer = await hello(db);
    if (answer.isWritablePrimary || answer.msg === "isdbgrid") return answer;
    if (answer.setName === undefined && answer.isreplicaset === true && !isInitiated) {
      if (!options.initReplicaSet)
        throw unfit(
          "The MongoDB was started with --replSet but has no configuration yet: run rs.initiate() on it, or set " +
            "MONGODB_INIT_REPLICA_SET=true",
        );
      await initiate(db);
      isInitiated = true;
    }
    const others = [...(answer.hosts ?? []), ...(answer.passives ?? []), ...(answer.arbiters ?? [])].length;
    if (others > 1) throw unfit(`The MongoDB is one of ${others} members of a replica set; each node needs its own`);
    if (performance.now() > deadline)
      throw new StoreError("not_stored", `The MongoDB is no writable primary yet (${roleOf(answer)}).`);
    await sleep(POLL_MS);
  }
}

const roleOf = ({ setName, secondary }: Hello): string =>
  setName === undefined ? "it has no replica-set configuration" : secondary ? "it is a secondary" : `set ${setName}`;

/** Makes the server a one-member replica set under the address by which this node reaches it. */
async function initiate(db: Db): Promise<void> {
  const { parsed } = await db.admin().command({ getCmdLineOpts: 1 });
  const name = (parsed?.replication?.replSet ?? parsed?.replication?.replSetName) as string;
  const host = db.client.options.hosts[0]?.toString();
  try {
    await db.admin().command({ replSetInitiate: { _id: name, members: [{ _id: 0, host }] } });
  } catch (error) {
    // Someone else was faster; whether the result is fit is checked afterwards.
    if ((error as { code?: unknown }).code === ALREADY_INITIALIZED) return;
    throw unfit(`The MongoDB cannot be made a replica set under the address ${host}: ${messageOf(error)}`);
  }
}

/** Closing talks to the server, which may hang: it is given a second, then the rest happens by itself. */
async function closeQuietly(client: MongoClient): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_WITHIN_MS);
  });
  await Promise.race([client.close().catch(() => undefined), timeout]);
  clearTimeout(timer);
}
