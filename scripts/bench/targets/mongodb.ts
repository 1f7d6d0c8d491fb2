import type { ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Document, MongoClient, type Timestamp } from "mongodb";
import { freePorts, poll, stopChild } from "../../lib/processes.js";
import { reapWithUs, temporaryFolder } from "../../mongod/reaper.js";
import { mongodReady, spawnMongod } from "../../mongod/server.js";
import { type DiskUse, diskUseOf } from "../disk-use.js";
import { LoadProcess } from "../load/load-process.js";
import type { LoadTarget, Work } from "../load/spec.js";
import type { Standing, Target, Watched } from "./target.js";

const SET_NAME = "quorumlog"; // As `spawnMongod` starts every server.
const COLLECTION = "events";
const MEMBERS = 3;
const PRIMARY_WITHIN_MS = 60_000;
const CAUGHT_UP_WITHIN_MS = 300_000;
const STOP_PATIENCE_MS = 20_000;

/** What a user would pick instead: one replica set of three data members, `w: "majority"`, three secondary indexes. */
export class MongodbTarget implements Target {
  readonly name = "mongodb";
  readonly title = 'MongoDB replica set, 3 members, w: "majority" (journaled), 3 secondary indexes';
  readonly catchesUp = "every member has applied what the primary has";
  readonly load = new LoadProcess();

  private constructor(
    private readonly folder: string,
    private readonly ports: number[],
    private readonly children: ChildProcess[],
    private readonly client: MongoClient,
    private readonly members: MongoClient[],
  ) {}

  /** From the same binary and with the same flags as the mongods of Quorumlog's nodes. */
  static async start(binary: string): Promise<MongodbTarget> {
    const folder = temporaryFolder("replica-set");
    const ports = await freePorts(MEMBERS);
    const children = ports.map((port) => spawnMongod({ binary, port, dbPath: join(folder, String(port)) }));
    for (const child of children) reapWithUs(child);
    await Promise.all(children.map((child, index) => mongodReady(child, ports[index] as number, false)));
    const members = ports.map((port) => new MongoClient(directUri(port)));
    const [first] = members as [MongoClient];
    const hosts = ports.map((port, _id) => ({ _id, host: `127.0.0.1:${port}` }));
    await first.db("admin").command({ replSetInitiate: { _id: SET_NAME, members: hosts } });
    const client = new MongoClient(uriOf(ports), { serverSelectionTimeoutMS: PRIMARY_WITHIN_MS });
    const target = new MongodbTarget(folder, ports, children, client, members);
    await target.#prepare();
    return target;
  }

  takes(work: Work): boolean {
    return work.kind === "append" ? !work.isKeyed : work.kind === "read-one" || work.kind === "page";
  }

  async diskUses(): Promise<DiskUse[]> {
    return Promise.all(this.members.map(diskUseOf));
  }

  async at(): Promise<LoadTarget> {
    return { kind: "mongodb", uri: uriOf(this.ports), collection: COLLECTION };
  }

  async standing(): Promise<Standing> {
    const { primary } = await this.client.db("admin").command({ hello: 1 });
    return { leader: String(primary), size: await this.client.db().collection(COLLECTION).estimatedDocumentCount() };
  }

  async processes(): Promise<Watched[]> {
    const { leader } = await this.standing();
    return this.children.flatMap(({ pid }, index) => {
      const role = leader.endsWith(`:${this.ports[index]}`) ? "primary" : "secondary";
      return pid === undefined ? [] : [{ label: `replica set ${index + 1}`, role, pid }];
    });
  }

  async caughtUp(): Promise<void> {
    const wanted = await lastWrite(this.client);
    const isLevel = async () => (await Promise.all(this.members.map(lastWrite))).every((at) => at.gte(wanted));
    if (await poll(isLevel, { withinMs: CAUGHT_UP_WITHIN_MS, everyMs: 20 })) return;
    throw new Error("A member of the replica set has not caught up with the primary.");
  }

  async stop(): Promise<void> {
    await this.load.stop();
    await Promise.all([this.client, ...this.members].map((client) => client.close()));
    await Promise.all(this.children.map((child) => stopChild(child, "SIGTERM", STOP_PATIENCE_MS)));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    await this.client.connect();
    const { config } = (await this.client.db("admin").command({ replSetGetConfig: 1 })) as Document;
    if (config.writeConcernMajorityJournalDefault === false) throw new Error("This set would not journal its writes.");
    await this.client
      .db()
      .collection(COLLECTION)
      .createIndexes([
        { key: { eventType: 1, _id: 1 } },
        { key: { sourceAppId: 1, _id: 1 } },
        { key: { timestamp: 1, _id: 1 } },
      ]);
  }
}

const uriOf = (ports: number[]): string =>
  `mongodb://${ports.map((port) => `127.0.0.1:${port}`).join(",")}/bench?replicaSet=${SET_NAME}`;
const directUri = (port: number): string => `mongodb://127.0.0.1:${port}/bench?directConnection=true`;

async function lastWrite(client: MongoClient): Promise<Timestamp> {
  const { lastWrite } = await client.db("admin").command({ hello: 1 });
  return lastWrite.opTime.ts as Timestamp;
}
