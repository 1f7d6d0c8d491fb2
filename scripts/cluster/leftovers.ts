import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../../node/storage/folder.js";
import { StartError } from "../lib/command.js";
import { fileProblem, isMissing } from "../lib/file-problem.js";
import { commandOf, poll, signal } from "../lib/processes.js";
import { MONGOD_MARK } from "../mongod/server.js";

/** A node is given 15 s to stop by itself; a mongod that is asked to shut down writes a last checkpoint. */
export const NODE_PATIENCE_MS = 18_000;
export const MONGOD_PATIENCE_MS = 20_000;

export interface FolderLock {
  unlock: () => void;
}

const LOCK = /^start\.(\d+)\.\d+\.lock$/;

/**
 * At most one start script works on a data folder. Each writes a file of its own and then looks for others: of two
 * that come at once at least the later one sees the other, so never both go on. A file counts for as long as its
 * process lives with the same command line, so neither SIGKILL nor a reused pid leaves the folder locked.
 */
export function lockDataFolder(dataDir: string): FolderLock {
  const own = `start.${process.pid}.${Date.now()}.lock`;
  try {
    makeFolder(dataDir);
    writeFileSync(join(dataDir, own), commandOf(process.pid) ?? "", { flag: "wx" });
  } catch (error) {
    throw new StartError(
      `The data folder ${dataDir} cannot be used: ${fileProblem(error)}. See to that, or set DATA_DIR to another folder.`,
    );
  }
  // A lock that cannot be removed counts for nothing once this process has ended.
  const unlock = () => ignoreErrors(() => rmSync(join(dataDir, own), { force: true }));
  try {
    refuseOthers(dataDir, own);
  } catch (error) {
    unlock();
    throw error;
  }
  return { unlock };
}

/** Throws StartError for a lock that counts, and removes the others. */
function refuseOthers(dataDir: string, own: string): void {
  for (const file of readdirSync(dataDir)) {
    const pid = Number(LOCK.exec(file)?.[1] ?? 0);
    if (pid === 0 || file === own) continue;
    const command = commandOf(pid);
    if (command !== undefined && command === readIfThere(join(dataDir, file)))
      throw new StartError(
        `${dataDir} is in use by another start (process ${pid}). Stop that one first, or set DATA_DIR to another folder.`,
      );
    ignoreErrors(() => rmSync(join(dataDir, file), { force: true }));
  }
}

function ignoreErrors(action: () => void): void {
  try {
    action();
  } catch {
    // The caller can do without.
  }
}

export function isLockFile(name: string): boolean {
  return LOCK.test(name);
}

/** An argument that nodes ignore: it shows in ps to whom a node belongs. */
export function nodeMark(folder: string): string {
  return `--node=${folder}`;
}

interface Leftover {
  readonly label: string;
  readonly pid: number;
  /** The process still is the one that was meant: its command line shows all of these. */
  readonly marks: readonly string[];
  readonly patienceMs: number;
}

/**
 * A start that was killed leaves its mongods running, and for some seconds its nodes. Answers which it has stopped.
 * Nodes first: they close their stores cleanly only while these still answer.
 */
export async function stopLeftovers(dataDir: string, say: (line: string) => void = () => {}): Promise<string[]> {
  const folders = readdirSync(dataDir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const found = folders.map(({ name }) => leftoversIn(join(dataDir, name), name));
  const labels = found.flat().map(({ label }) => label);
  if (labels.length > 0) say(`Stopping what an earlier start has left running: ${labels.join(", ")} …`);
  await Promise.all(
    found.map(async (ofOneNode) => {
      for (const leftover of ofOneNode) await stopLeftover(leftover);
    }),
  );
  return labels;
}

function leftoversIn(folder: string, name: string): Leftover[] {
  const dbPath = join(folder, "db");
  const mongod = { label: `mongod of ${name}`, marks: [`--dbpath ${dbPath} `], patienceMs: MONGOD_PATIENCE_MS };
  const pid = pidIn(join(folder, "mongod.pid"));
  // mongod notes its pid in its own lock, too: our note may have found no place. One that was started by hand stays.
  const inLock = { ...mongod, pid: pidIn(join(dbPath, "mongod.lock")), marks: [...mongod.marks, MONGOD_MARK] };
  return [
    { label: name, pid: pidIn(join(folder, "node.pid")), marks: [nodeMark(folder)], patienceMs: NODE_PATIENCE_MS },
    { ...mongod, pid },
    ...(inLock.pid === pid ? [] : [inLock]),
  ].filter(isAlive);
}

/** 0 for a note that is not there, or not readable: a mongod that runs all the same keeps the new one from its folder. */
function pidIn(file: string): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

function isAlive({ pid, marks }: Leftover): boolean {
  const command = Number.isInteger(pid) && pid > 1 ? commandOf(pid) : undefined;
  return command !== undefined && marks.every((mark) => command.includes(mark));
}

async function stopLeftover(leftover: Leftover): Promise<void> {
  const { label, pid, patienceMs } = leftover;
  const isGone = () => !isAlive(leftover);
  if (!signal(pid, "SIGTERM"))
    throw new StartError(`${label} runs already, as another user's process ${pid}. Stop that one first.`);
  if (await poll(isGone, { withinMs: patienceMs })) return;
  signal(pid, "SIGKILL");
  if (!(await poll(isGone, { withinMs: 5_000 })))
    throw new StartError(`${label} of an earlier start (process ${pid}) does not end. Stop it first.`);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new StartError(
      `${path} cannot be read: ${fileProblem(error)}. It may be the lock of another user's start: start as that user, or ` +
        "set DATA_DIR to another folder.",
    );
  }
}
