import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../node/storage/folder.js";
import { commandOf } from "../lib/processes.js";
import { cacheFolder } from "../lib/project.js";

export type Say = (line: string) => void;

/** A rung that brings a mongod from the network into the cache. */
export interface Download {
  title: string;
  cacheName: string;
  /** Why this rung cannot serve this machine; undefined if it can. */
  unavailable: () => string | undefined;
  /** Downloads and verifies; answers the path of the binary inside `folder`. */
  fetchInto: (folder: string, say: Say) => Promise<string>;
}

/** The cached mongod of that name. It is there only if it was complete and verified: see `installMongod`. */
export function cachedMongod(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const binary = join(cacheFolder(env), "mongod", name, "mongod");
  return existsSync(binary) ? binary : undefined;
}

/**
 * Fills a folder of its own, then renames it into place: so a folder with the final name is whole and verified,
 * and of two processes that do this at once the second drops its copy.
 */
export async function installMongod(
  env: NodeJS.ProcessEnv,
  name: string,
  fetchInto: (folder: string) => Promise<string>,
): Promise<string> {
  const parent = join(cacheFolder(env), "mongod");
  makeFolder(parent);
  await removeAbandoned(parent);
  const work = await mkdtemp(join(parent, `${name}.${process.pid}.tmp-`));
  await mkdir(join(work, "ready"));
  try {
    const binary = await fetchInto(work);
    await chmod(binary, 0o755);
    await rename(binary, join(work, "ready", "mongod"));
    await rename(join(work, "ready"), join(parent, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
    return join(parent, name, "mongod");
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A download that was interrupted leaves up to 200 MB behind. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const entry of await readdir(parent)) {
    const pid = /\.(\d+)\.tmp-\w+$/.exec(entry)?.[1];
    if (pid && commandOf(Number(pid)) === undefined) await rm(join(parent, entry), { recursive: true, force: true });
  }
}
