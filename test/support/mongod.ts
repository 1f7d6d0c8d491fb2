import type { ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { exitOf, freePorts, stopChild } from "../../scripts/lib/processes.js";
import { findMongod } from "../../scripts/mongod/ladder.js";
import { reapWithUs, temporaryFolder } from "../../scripts/mongod/reaper.js";
import { MongodExited, mongodReady, mongodUri, spawnMongod } from "../../scripts/mongod/server.js";

export interface TestMongodOptions {
  /** A one-member replica set with its primary elected (default), or a plain standalone server. */
  replSet?: boolean;
  port?: number;
  /** A folder that outlives the mongod; without it a temporary one. */
  dbPath?: string;
  extraArgs?: string[];
}

/** A real mongod for one test file. It cannot outlive the process that runs the test. */
export interface TestMongod {
  readonly uri: string;
  readonly port: number;
  readonly pid: number;
  readonly dbPath: string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same data and port, and waits until it answers. */
  start(): Promise<void>;
  /** Ends it for good and removes its temporary folder. */
  stop(): Promise<void>;
}

let binary: Promise<string> | undefined;

export async function startMongod(options: TestMongodOptions = {}): Promise<TestMongod> {
  binary ??= findMongod();
  const dbPath = options.dbPath ?? temporaryFolder("mongod");
  let { child, port } = await launch(await binary, dbPath, options);
  return {
    uri: mongodUri(port),
    port,
    dbPath,
    get pid() {
      return child.pid as number;
    },
    async kill() {
      child.kill("SIGKILL");
      await exitOf(child);
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async start() {
      ({ child, port } = await launch(await (binary as Promise<string>), dbPath, { ...options, port }));
    },
    async stop() {
      child.kill("SIGCONT");
      await stopChild(child, "SIGTERM", 20_000);
      if (options.dbPath === undefined) await rm(dbPath, { recursive: true, force: true });
    },
  };
}

async function launch(
  binary: string,
  dbPath: string,
  options: TestMongodOptions,
): Promise<{ child: ChildProcess; port: number }> {
  const { replSet = true, extraArgs = [] } = options;
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? ((await freePorts(1))[0] as number);
    const child = spawnMongod({ binary, dbPath, port, replSet, extraArgs });
    reapWithUs(child);
    try {
      await mongodReady(child, port, replSet);
      return { child, port };
    } catch (error) {
      await stopChild(child, "SIGKILL", 0);
      // Between our look and mongod's bind, another program may have taken the port: then another is tried.
      if (!(error instanceof MongodExited) || options.port !== undefined || attempt === 3) throw error;
    }
  }
}
