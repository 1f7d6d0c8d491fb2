import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { MongoClient, MongoServerError } from "mongodb";
import { hasExited, poll } from "../lib/processes.js";
import { messageOf } from "../lib/project.js";

const SET_NAME = "quorumlog";
const DATABASE = "quorumlog";
/** Recovery after a kill replays the journal; on a slow disk that takes its time. */
const ANSWER_WITHIN_MS = 60_000;
const NOT_YET_INITIALIZED = 94;

/** A shorter replay after a kill: mongod's own default is 60 s. */
const OURS = ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "syncdelay=15"];
/** What ps shows of a mongod that was started here, and of hardly any other. */
export const MONGOD_MARK = ` --nounixsocket ${OURS.join(" ")} `;

export interface MongodOptions {
  binary: string;
  dbPath: string;
  port: number;
  replSet?: boolean;
  extraArgs?: string[];
  /** Where its output goes: a file descriptor, so that it survives the death of this process. */
  output?: number;
}

export function mongodUri(port: number): string {
  return `mongodb://127.0.0.1:${port}/${DATABASE}?directConnection=true`;
}

/** In a process group of its own: Ctrl-C in a terminal reaches only us, and nodes stop before their mongods. */
export function spawnMongod({
  binary,
  dbPath,
  port,
  replSet = true,
  extraArgs = [],
  output,
}: MongodOptions): ChildProcess {
  mkdirSync(dbPath, { recursive: true });
  const args = ["--dbpath", dbPath, "--port", String(port), "--bind_ip", "127.0.0.1", "--nounixsocket", ...OURS];
  args.push("--setParameter", "diagnosticDataCollectionEnabled=false", "--setParameter", "ttlMonitorEnabled=false");
  if (replSet) args.push("--replSet", SET_NAME, "--oplogSize", "512");
  const stdio = output ?? "ignore";
  return spawn(binary, [...args, ...extraArgs], { detached: true, stdio: ["ignore", stdio, stdio] });
}

/** Waits until the mongod answers and, with `replSet`, until it is the primary of its one-member set. */
export async function mongodReady(child: ChildProcess, port: number, replSet = true): Promise<void> {
  let spawnError: Error | undefined;
  child.once("error", (error) => {
    spawnError = error;
  });
  let lastError = "it does not answer";
  const isReady = await poll(
    async () => {
      if (spawnError !== undefined) throw spawnError;
      if (hasExited(child)) throw new MongodExited(child);
      // A client whose first connection failed stays closed: every attempt has its own.
      const client = new MongoClient(mongodUri(port), { serverSelectionTimeoutMS: 1_000 });
      try {
        await client.db("admin").command({ ping: 1 });
        return !replSet || (await isPrimary(client, port));
      } catch (error) {
        lastError = messageOf(error);
        return false;
      } finally {
        await client.close();
      }
    },
    { withinMs: ANSWER_WITHIN_MS },
  );
  if (isReady === undefined) throw new Error(`mongod on port ${port} is not ready after 60 s: ${lastError}.`);
}

export class MongodExited extends Error {
  readonly exitCode: number | null;
  constructor(child: ChildProcess) {
    super(`mongod ended at once (${child.signalCode ?? `exit code ${child.exitCode}`}).`);
    this.exitCode = child.exitCode;
  }
}

/** One call brings the set one step nearer: made if new, renamed if the port has changed, then awaited. */
async function isPrimary(client: MongoClient, port: number): Promise<boolean> {
  const admin = client.db("admin");
  const host = `127.0.0.1:${port}`;
  try {
    const { config } = await admin.command({ replSetGetConfig: 1 });
    if (config.members[0].host !== host) {
      // A member finds itself by its configured address: with an old port it would stay "removed" for ever.
      const members = [{ ...config.members[0], host }];
      const newConfig = { ...config, version: config.version + 1, members };
      await admin.command({ replSetReconfig: newConfig, force: true });
    }
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === NOT_YET_INITIALIZED)) throw error;
    await admin.command({ replSetInitiate: { _id: SET_NAME, members: [{ _id: 0, host }] } });
  }
  return (await admin.command({ hello: 1 })).isWritablePrimary === true;
}
