import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WITHOUT_ENV_FILE } from "../../node/host/env-file.js";
import type { NodeNotice } from "../../node/host/supervision.js";
import { BAD_CONFIGURATION, StartError } from "../lib/command.js";
import { fileProblem } from "../lib/file-problem.js";
import { freePorts, isPortFree } from "../lib/processes.js";
import { projectRoot } from "../lib/project.js";
import { reapWithUs } from "../mongod/reaper.js";
import { mongodReady, mongodUri, spawnMongod } from "../mongod/server.js";
import { whyMongodEnded, whyNodeEnded } from "./autopsy.js";
import { BoundedLog } from "./bounded-log.js";
import { MONGOD_PATIENCE_MS, NODE_PATIENCE_MS, nodeMark } from "./leftovers.js";
import { type Program, type ProgramEvent, Supervised } from "./supervised.js";

export type MemberEvent =
  | ProgramEvent
  | NodeNotice
  /** Nothing stops for it, but a person should know. */
  | { kind: "trouble"; program: string; detail: string };

/** Far above what a node needs: its queues are bounded well below. */
const NODE_HEAP_MEBIBYTES = 768;

/**
 * For glibc, elsewhere without effect: few arenas, buffers below 4 MiB from the heap, whose free end goes back to the
 * system. Its own thresholds begin lower (a page fault for each page of each buffer) and grow with the largest buffer
 * that was freed (tens of megabytes kept for nothing).
 */
const ALLOCATOR = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "4194304", MALLOC_TRIM_THRESHOLD_: "4194304" };

export interface MemberOptions {
  id: string;
  /** Where the node is reached from this machine. */
  url: string;
  dataDir: string;
  /** The node's environment, asked at each start; its MONGODB_URI is given. */
  env: (mongodbUri: string) => NodeJS.ProcessEnv;
  /** The mongod to run for it, or the server that it uses. */
  mongod: { binary: string; extraArgs: string[] } | { uri: string };
  /** Ends with this process even if that is killed: for tests. */
  isTemporary: boolean;
  emit: (event: MemberEvent) => void;
}

/** One node and, unless it uses a server of the user's, its mongod; both supervised. */
export class Member {
  readonly id: string;
  readonly url: string;
  readonly node: Supervised;
  readonly mongod: Supervised | undefined;
  readonly nodeLog: BoundedLog;
  #mongodLog: BoundedLog | undefined;
  #mongodPort = 0;
  readonly #folder: string;

  constructor(private readonly options: MemberOptions) {
    this.id = options.id;
    this.url = options.url;
    this.#folder = join(options.dataDir, options.id);
    this.nodeLog = this.#openLog("node.log");
    if ("binary" in options.mongod) this.mongod = new Supervised(this.#mongodProgram(options.mongod), options.emit);
    this.node = new Supervised(this.#nodeProgram(), options.emit);
  }

  get mongodbUri(): string {
    return "uri" in this.options.mongod ? this.options.mongod.uri : mongodUri(this.#mongodPort);
  }

  start(): void {
    this.mongod?.start();
    this.node.start();
  }

  stopNode(): Promise<void> {
    return this.node.stop(NODE_PATIENCE_MS);
  }

  async stopMongod(): Promise<void> {
    await this.mongod?.stop(MONGOD_PATIENCE_MS);
  }

  rotateLogs(): void {
    this.#rotate(this.id, this.nodeLog);
    if (this.#mongodLog !== undefined) this.#rotate(`mongod of ${this.id}`, this.#mongodLog);
  }

  #rotate(program: string, log: BoundedLog): void {
    try {
      log.rotateIfFull();
    } catch (error) {
      const detail = `The older lines of ${log.path} cannot be kept: ${fileProblem(error)}. See to ${log.path}.1 and its like.`;
      this.options.emit({ kind: "trouble", program, detail });
    }
  }

  #openLog(name: string): BoundedLog {
    const path = join(this.#folder, name);
    try {
      mkdirSync(this.#folder, { recursive: true });
      return new BoundedLog(path);
    } catch (error) {
      throw new StartError(`The log ${path} cannot be opened: ${fileProblem(error)}. See to that and start again.`);
    }
  }

  /** Notes what the next start looks for. This run does not depend on it, so it goes on when the note cannot be written. */
  #note(program: string, name: string, content: string, use: string): void {
    const path = join(this.#folder, name);
    try {
      writeFileSync(path, content);
    } catch (error) {
      const detail = `${path} cannot be written: ${fileProblem(error)}. ${use}`;
      this.options.emit({ kind: "trouble", program, detail });
    }
  }

  #notePid(program: string, name: string, child: ChildProcess): void {
    // First of all it is made sure that it ends with us.
    if (this.options.isTemporary) reapWithUs(child);
    const use = "All runs on; only should this start be killed, the next one has one way less to find what is left.";
    if (child.pid !== undefined) this.#note(program, name, `${child.pid}\n`, use);
  }

  closeLogs(): void {
    this.nodeLog.close();
    this.#mongodLog?.close();
  }

  #freeBytes(): number {
    try {
      const { bavail, bsize } = statfsSync(this.#folder);
      return bavail * bsize;
    } catch {
      // Whatever keeps it from being asked, it is no sign of a full disk.
      return Number.POSITIVE_INFINITY;
    }
  }

  #mongodProgram({ binary, extraArgs }: { binary: string; extraArgs: string[] }): Program {
    const label = `mongod of ${this.options.id}`;
    const log = this.#openLog("mongod.log");
    this.#mongodLog = log;
    let hasServed = false;
    return {
      label,
      advice: "See to what its log says and start again.",
      logPath: log.path,
      prepare: () => this.#choosePort(),
      spawn: () => {
        const dbPath = join(this.#folder, "db");
        const child = spawnMongod({ binary, dbPath, port: this.#mongodPort, extraArgs, output: log.fd });
        this.#notePid(label, "mongod.pid", child);
        return child;
      },
      ready: async (child) => {
        await mongodReady(child, this.#mongodPort);
        hasServed = true;
      },
      autopsy: (child) => whyMongodEnded(child, log.tail(), { freeBytes: this.#freeBytes(), hasServed }),
    };
  }

  /** The port of the last time, so that the set's configuration stays; another only if that is taken. */
  async #choosePort(): Promise<void> {
    this.#mongodPort ||= this.#notedPort();
    // A running node knows its mongod by this port: then it stays as it is.
    const mustStay = this.#mongodPort > 0 && this.node.pid !== undefined;
    if (mustStay || (this.#mongodPort > 0 && (await isPortFree(this.#mongodPort)))) return;
    this.#mongodPort = (await freePorts(1))[0] as number;
    const use = "The next start chooses another port.";
    this.#note(`mongod of ${this.id}`, "mongod.port", String(this.#mongodPort), use);
  }

  /** 0 at the first start, and for a note that is no port or cannot be read: then it is written anew, or that is told. */
  #notedPort(): number {
    try {
      const port = Number(readFileSync(join(this.#folder, "mongod.port"), "utf8"));
      return Number.isInteger(port) && port >= 1_024 && port <= 65_535 ? port : 0;
    } catch {
      return 0;
    }
  }

  #nodeProgram(): Program {
    const { id, env, isTemporary, emit } = this.options;
    let fatal: string | undefined;
    return {
      label: id,
      advice: "See to what it says and start again.",
      logPath: this.nodeLog.path,
      prepare: async () => this.mongod?.whenUp(),
      spawn: () => {
        fatal = undefined;
        // In a process group of its own: Ctrl-C reaches only the start script, which stops things in order.
        const child = fork(join(projectRoot(), "dist/node/main.js"), [nodeMark(this.#folder), WITHOUT_ENV_FILE], {
          env: { ...ALLOCATOR, ...env(this.mongodbUri) },
          detached: true,
          // With its own limits V8 collects late, and several nodes share a machine here: its
          // parallel collector's threads would take their cores from each other.
          execArgv: [
            `--max-old-space-size=${NODE_HEAP_MEBIBYTES}`,
            "--heap-growing-percent=40",
            "--max-semi-space-size=16",
            "--single-threaded-gc",
            // Old blocks that were read are let go without a look at the whole heap.
            "--expose-gc",
          ],
          // A test's nodes do not read the .env file of whoever runs it.
          cwd: isTemporary ? this.options.dataDir : process.cwd(),
          stdio: ["ignore", this.nodeLog.fd, this.nodeLog.fd, "ipc"],
        });
        this.#notePid(id, "node.pid", child);
        child.on("message", (notice: NodeNotice) => {
          if (notice.kind === "fatal") fatal = notice.detail;
          emit(notice);
        });
        return child;
      },
      ready: (child) =>
        new Promise((resolve, reject) => {
          child.on("message", (notice: NodeNotice) => notice.kind === "listening" && resolve());
          child.once("exit", () => reject(new Error("it ended before it listened")));
        }),
      autopsy: (child) => ({
        reason: fatal ?? whyNodeEnded(child, this.nodeLog.tail()),
        isFinal: child.exitCode === BAD_CONFIGURATION,
      }),
    };
  }
}
