import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MongoClient } from "mongodb";
import { isLockFile, MONGOD_PATIENCE_MS } from "../cluster/leftovers.js";
import { StartError } from "../lib/command.js";
import { fileProblem, isMissing } from "../lib/file-problem.js";
import { freePorts, stopChild } from "../lib/processes.js";
import { messageOf } from "../lib/project.js";
import { mongodReady, mongodUri, spawnMongod } from "../mongod/server.js";

/** The nodes whose own mongod has data in this folder. */
export function nodesWithData(dataDir: string): string[] {
  try {
    return readdirSync(dataDir)
      .filter((name) => /^n\d+$/.test(name) && existsSync(join(dataDir, name, "db")))
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw new StartError(
      `The data folder ${dataDir} cannot be read: ${fileProblem(error)}. See to that, or set DATA_DIR.`,
    );
  }
}

/** How many nodes the folder is for; 0 if it is new. A node's folder may have been moved away to be made anew. */
export function clusterSizeIn(dataDir: string): number {
  const highest = Math.max(0, ...nodesWithData(dataDir).map((name) => Number(name.slice(1))));
  // Clusters have an odd number of nodes: so it may be the last one's folder, too.
  return highest === 0 || highest % 2 === 1 ? highest : highest + 1;
}

/**
 * How many events the folder holds, in words: the most that any node has. Its mongods are started for the time of a look.
 * Data that this mongod cannot open are set aside all the same; those that another mongod is using are not touched.
 * Those that run are in `mongods` meanwhile, so that the caller can end them: they do not end with this process.
 */
export async function eventsIn(dataDir: string, binary: string, mongods: Set<ChildProcess>): Promise<string> {
  const dbPaths = nodesWithData(dataDir).map((name) => join(dataDir, name, "db"));
  const ports = await freePorts(dbPaths.length);
  const looks = dbPaths.map((dbPath, index) =>
    newestTreeSizeIn(dbPath, { binary, port: ports[index] as number, mongods }),
  );
  const counts = await Promise.allSettled(looks);
  const failed = counts.find((one) => one.status === "rejected");
  if (failed !== undefined) return `The data (their events cannot be counted: ${messageOf(failed.reason)})`;
  const count = Math.max(0, ...counts.map((one) => (one.status === "fulfilled" ? one.value : 0)));
  return count === 1 ? "1 event" : `${count.toLocaleString("en-US")} events`;
}

async function newestTreeSizeIn(
  dbPath: string,
  { binary, port, mongods }: { binary: string; port: number; mongods: Set<ChildProcess> },
): Promise<number> {
  // Without --replSet: it only has to be read, and its configuration stays as it is.
  const child = spawnMongod({ binary, dbPath, port, replSet: false });
  mongods.add(child);
  try {
    await mongodReady(child, port, false);
    return await newestTreeSize(port);
  } finally {
    await stopChild(child, "SIGTERM", MONGOD_PATIENCE_MS);
    mongods.delete(child);
  }
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

/**
 * Sets the data aside as a whole: one rename, which happens or does not. The folder is made anew, with the lock that this
 * start holds. Where `data` is a link, what it leads to is renamed, beside itself. Answers where the data went; undefined
 * if they were deleted. Throws StartError, which says whether something has been moved.
 */
export async function setAside(dataDir: string, { mayDelete }: { mayDelete: boolean }): Promise<string | undefined> {
  const folder = realpathSync(dataDir);
  if (isMountPoint(folder)) {
    if (mayDelete) return deleteContent(folder);
    throw new StartError(
      `${dataDir} is a disk of its own (${folder}) and cannot be renamed, so nothing was moved. Move its content away by ` +
        "hand, or delete it with --fresh --yes, or set DATA_DIR to a folder on that disk.",
    );
  }
  const target = `${folder}.${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
  const { mode } = statSync(folder);
  try {
    if (existsSync(target)) throw new Error(`${target} is there already`);
    await rename(folder, target);
  } catch (error) {
    throw new StartError(
      `${dataDir} cannot be renamed to ${target}, so nothing was moved: ${fileProblem(error)}. See to that, move it away ` +
        "by hand, or set DATA_DIR to another folder.",
    );
  }
  try {
    await mkdir(folder, { mode });
    for (const name of readdirSync(target).filter(isLockFile)) await rename(join(target, name), join(folder, name));
  } catch (error) {
    throw new StartError(
      `The data are at ${target} now, but ${folder} cannot be made anew: ${fileProblem(error)}. See to that and start again.`,
    );
  }
  if (!mayDelete) return target;
  await deleted(target);
  return undefined;
}

/** A link to another disk can be renamed where it leads to; a disk that is mounted right there cannot. */
const isMountPoint = (folder: string): boolean => statSync(folder).dev !== statSync(dirname(folder)).dev;

async function deleteContent(folder: string): Promise<undefined> {
  for (const name of readdirSync(folder).filter((one) => !isLockFile(one))) await deleted(join(folder, name));
}

async function deleted(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw new StartError(
      `${path} could not be deleted as a whole: ${fileProblem(error)}. Delete what is left of it by hand.`,
    );
  }
}
