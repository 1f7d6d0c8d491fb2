import { type ChildProcess, execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { baseUrl } from "../../node/host/base-url.js";

/** What ps shows for a living process, undefined for one that is gone (a zombie counts as gone). */
export function commandOf(pid: number): string | undefined {
  try {
    const command =
      process.platform === "linux"
        ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
        : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return command.trim() || undefined;
  } catch (error) {
    const { code, status } = error as NodeJS.ErrnoException & { status?: number };
    // `ps` ends with 1 when there is no such process. Any other error says nothing of it.
    if (code === "ENOENT" && process.platform === "linux") return undefined;
    if (code === "ESRCH" || status === 1) return undefined;
    throw error;
  }
}

/** False if this user may not signal that process; one that has gone already is what every caller wants. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPERM") return false;
    if (code !== "ESRCH") throw error;
  }
  return true;
}

export function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function exitOf(child: ChildProcess): Promise<void> {
  if (!hasExited(child) && child.pid !== undefined) await once(child, "exit");
}

/** Asks politely, unless it was asked already, then insists: true if the first signal was enough. */
export async function stopChild(
  child: ChildProcess,
  first: NodeJS.Signals | null,
  patienceMs: number,
): Promise<boolean> {
  if (hasExited(child)) return true;
  if (first !== null) child.kill(first);
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  await exitOf(child);
  clearTimeout(timer);
  return child.signalCode !== "SIGKILL";
}

/** Polls a condition until it gives a value; undefined once the deadline has passed. */
export async function poll<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  { withinMs, everyMs = 50 }: { withinMs: number; everyMs?: number },
): Promise<T | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() >= deadline) return undefined;
    await sleep(everyMs);
  }
}

/** Why this process cannot listen there; undefined if it can. */
export async function listenProblem(port: number, host = "127.0.0.1"): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer((caller) => caller.on("error", () => undefined));
  try {
    server.listen(port, host);
    await once(server, "listening");
    await reach(port, host);
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  } finally {
    server.close();
  }
}

const REACH_MS_MAX = 2_000;

/** A multicast or broadcast address can be listened on, and nobody gets there. */
async function reach(port: number, host: string): Promise<void> {
  const { hostname } = new URL(baseUrl(host, port));
  const socket = connect(port, hostname.replace(/^\[|\]$/g, ""));
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(REACH_MS_MAX) });
  } finally {
    socket.resetAndDestroy();
  }
}

/** False if somebody listens there. Throws if this process could not listen there for another reason. */
export async function isPortFree(port: number, host?: string): Promise<boolean> {
  const problem = await listenProblem(port, host);
  if (problem !== undefined && problem.code !== "EADDRINUSE") throw problem;
  return problem === undefined;
}

/**
 * Below what Linux and macOS give to outgoing connections: a port found free must still be so when a process that takes
 * some time to start listens on it, and when it is started again.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 32_767;
/** The user's own MongoDB, even while that is down. */
const MONGODB_PORT = 27_017;
const DRAWS_MAX = 10_000;

/** Ports that nobody listens on. All are held until the last is known, so no two are equal. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  for (let draws = 0; ports.length < count; draws++) {
    if (draws === DRAWS_MAX) throw new Error(`No free ports were found between ${PORT_MIN} and ${PORT_MAX}.`);
    const port = randomInt(PORT_MIN, PORT_MAX + 1);
    if (port === MONGODB_PORT) continue;
    const server = createServer();
    try {
      await once(server.listen(port, "127.0.0.1"), "listening");
      held.push(server);
      ports.push(port);
    } catch (error) {
      // Somebody listens there: the next draw is another one.
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  await Promise.all(held.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
