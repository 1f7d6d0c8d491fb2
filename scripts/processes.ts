import { type ChildProcess, execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What ps shows for a living process, undefined for one that is gone (a zombie counts as gone). */
export function commandOf(pid: number): string | undefined {
  try {
    const command =
      process.platform === "linux"
        ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
        : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return command.trim() || undefined;
  } catch {
    return undefined;
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has gone already, which is what every caller wants.
  }
}

export function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function exitOf(child: ChildProcess): Promise<void> {
  if (!hasExited(child) && child.pid !== undefined) await once(child, "exit");
}

/** Asks politely, then insists: true if the first signal was enough. */
export async function stopChild(child: ChildProcess, first: NodeJS.Signals, patienceMs: number): Promise<boolean> {
  if (hasExited(child)) return true;
  child.kill(first);
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

export async function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
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
    } catch {
      // Somebody listens there: the next draw is another one.
    }
  }
  await Promise.all(held.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
