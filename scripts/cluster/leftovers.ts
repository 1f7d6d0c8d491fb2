import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandOf, poll, signal } from "../processes.js";

/** A node is given 15 s to stop by itself; a mongod that is asked to shut down writes a last checkpoint. */
export const NODE_PATIENCE_MS = 18_000;
export const MONGOD_PATIENCE_MS = 20_000;

const LOCK = /^start\.(\d+)\.\d+\.lock$/;

/**
 * At most one start script works on a data folder. Each writes a file of its own and then looks for others: of two
 * that come at once at least the later one sees the other, so never both go on. A file counts for as long as its
 * process lives with the same command line, so neither SIGKILL nor a reused pid leaves the folder locked.
 */
export function lockDataFolder(dataDir: string): { unlock: () => void } {
  mkdirSync(dataDir, { recursive: true });
  const own = `start.${process.pid}.${Date.now()}.lock`;
  writeFileSync(join(dataDir, own), commandOf(process.pid) ?? "", { flag: "wx" });
  const unlock = () => rmSync(join(dataDir, own), { force: true });
  for (const file of readdirSync(dataDir)) {
    const pid = Number(LOCK.exec(file)?.[1] ?? 0);
    if (pid === 0 || file === own) continue;
    const command = commandOf(pid);
    if (command !== undefined && command === readIfThere(join(dataDir, file))) {
      unlock();
      throw new Error(
        `${dataDir} is in use by another start (process ${pid}). Stop that one first, or set DATA_DIR to another folder.`,
      );
    }
    rmSync(join(dataDir, file), { force: true });
  }
  return { unlock };
}

export function isLockFile(name: string): boolean {
  return LOCK.test(name);
}

/** An argument that nodes ignore: it shows in ps to whom a node belongs. */
export function nodeMark(folder: string): string {
  return `--node=${folder}`;
}

/**
 * A start that was killed leaves its mongods running, and for some seconds its nodes. Answers which it has stopped.
 * Nodes first: they close their stores cleanly only while these still answer.
 */
export async function stopLeftovers(dataDir: string): Promise<string[]> {
  const folders = readdirSync(dataDir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const stopped = await Promise.all(
    folders.map(async ({ name }) => {
      const folder = join(dataDir, name);
      const hadNode = await stopLeftover(join(folder, "node.pid"), nodeMark(folder), NODE_PATIENCE_MS);
      const dbPath = `--dbpath ${join(folder, "db")} `;
      const hadMongod = await stopLeftover(join(folder, "mongod.pid"), dbPath, MONGOD_PATIENCE_MS);
      return [...(hadNode ? [name] : []), ...(hadMongod ? [`mongod of ${name}`] : [])];
    }),
  );
  return stopped.flat();
}

/** Ends the process in the pid file, if it still is the one that was meant: its command line shows `mark`. */
async function stopLeftover(pidFile: string, mark: string, patienceMs: number): Promise<boolean> {
  const pid = Number(readIfThere(pidFile));
  const isAlive = () => commandOf(pid)?.includes(mark) === true;
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive()) return false;
  signal(pid, "SIGTERM");
  if (!(await poll(() => !isAlive(), { withinMs: patienceMs }))) {
    signal(pid, "SIGKILL");
    await poll(() => !isAlive(), { withinMs: 5_000 });
  }
  return true;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
