import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
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

/** Ports that the system says are free. All are held until the last is known, so no two are equal. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  // 27017 belongs to the user's own MongoDB, even while that is down.
  return ports.includes(27_017) ? freePorts(count) : ports;
}
