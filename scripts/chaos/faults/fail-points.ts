import { MongoClient } from "mongodb";
import type { Cluster } from "../../cluster/cluster.js";
import { poll } from "../../lib/processes.js";
import type { Heal } from "./fault.js";

/** What every mongod of the run needs for its fail points. */
export const MONGOD_ARGS = ["--setParameter", "enableTestCommands=1"];

const ANSWER_WITHIN_MS = 1_000;
const OFF_WITHIN_MS = 60_000;

/** How a command fails: with an error before it does anything, with a closed connection, or late. */
export type Failure =
  | { errorCode: number }
  | { closeConnection: true }
  | { blockConnection: true; blockTimeMS: number };

/** MongoDB's own `failCommand`, for the log connection of one node: only the commands of that client fail. */
export class FailPoints {
  constructor(private readonly cluster: Cluster) {}

  /** Resolves at once where the mongod does not answer: then nothing is struck. */
  async on(id: string, failCommands: string[], failure: Failure): Promise<Heal> {
    const node = this.cluster.node(id);
    const { mongodPid } = node;
    const data = { failCommands, appName: `quorumlog-${id}-log`, ...failure };
    const isOn = await configure(node.mongodbUri, { mode: "alwaysOn", data });
    if (!isOn) return () => {};
    return async () => {
      // A paused mongod answers when it goes on; a fail point ends with its process.
      const isOff = async () => node.mongodPid !== mongodPid || (await configure(node.mongodbUri, { mode: "off" }));
      if ((await poll(isOff, { withinMs: OFF_WITHIN_MS })) === undefined)
        throw new Error(`The fail point of ${id} could not be taken back.`);
    };
  }
}

const configure = (uri: string, setting: object): Promise<boolean> =>
  tryOn(uri, (client) => client.db("admin").command({ configureFailPoint: "failCommand", ...setting }));

/** False where the mongod does not answer, or refuses. */
export async function tryOn(uri: string, action: (client: MongoClient) => Promise<unknown>): Promise<boolean> {
  const times = { serverSelectionTimeoutMS: ANSWER_WITHIN_MS, socketTimeoutMS: ANSWER_WITHIN_MS };
  const client = new MongoClient(uri, { ...times, appName: "chaos" });
  try {
    await action(client);
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}
