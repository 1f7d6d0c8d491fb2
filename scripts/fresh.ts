import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { isLockFile } from "./cluster/leftovers.js";
import { mongodReady, mongodUri, spawnMongod } from "./mongod/server.js";
import { freePorts, stopChild } from "./processes.js";

/** The nodes whose own mongod has data in this folder. */
export function nodesWithData(dataDir: string): string[] {
  if (!existsSync(dataDir)) return [];
  return readdirSync(dataDir)
    .filter((name) => /^n\d+$/.test(name) && existsSync(join(dataDir, name, "db")))
    .sort();
}

/** How many nodes the folder is for; 0 if it is new. A node's folder may have been moved away to be made anew. */
export function clusterSizeIn(dataDir: string): number {
  const highest = Math.max(0, ...nodesWithData(dataDir).map((name) => Number(name.slice(1))));
  // Clusters have an odd number of nodes: so it may be the last one's folder, too.
  return highest === 0 || highest % 2 === 1 ? highest : highest + 1;
}

/** How many events the folder holds: the most that any node has. Its mongods are started for the time of a look. */
export async function eventsIn(dataDir: string, binary: string): Promise<number> {
  const dbPaths = nodesWithData(dataDir).map((name) => join(dataDir, name, "db"));
  const ports = await freePorts(dbPaths.length);
  const counts = await Promise.all(
    dbPaths.map(async (dbPath, index) => {
      // Without --replSet: it only has to be read, and its configuration stays as it is.
      const port = ports[index] as number;
      const child = spawnMongod({ binary, dbPath, port, replSet: false });
      try {
        await mongodReady(child, port, false);
        return await newestTreeSize(port);
      } finally {
        await stopChild(child, "SIGTERM", 20_000);
      }
    }),
  );
  return Math.max(0, ...counts);
}

async function newestTreeSize(port: number): Promise<number> {
  const client = new MongoClient(mongodUri(port), { serverSelectionTimeoutMS: 5_000 });
  try {
    const newest = await client
      .db()
      .collection("blocks")
      .findOne({}, { sort: { _id: -1 } });
    return Number(newest?.header?.treeSize ?? 0);
  } finally {
    await client.close();
  }
}

/** Takes everything out of the data folder but the lock that this start holds. Answers where it went. */
export async function setAside(dataDir: string, { mayDelete }: { mayDelete: boolean }): Promise<string | undefined> {
  const entries = readdirSync(dataDir).filter((name) => !isLockFile(name));
  if (mayDelete) {
    for (const name of entries) await rm(join(dataDir, name), { recursive: true, force: true });
    return undefined;
  }
  const target = `${dataDir}.${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
  await mkdir(target);
  for (const name of entries) await rename(join(dataDir, name), join(target, name));
  return target;
}
