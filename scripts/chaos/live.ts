import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeMark } from "../cluster/leftovers.js";
import type { HistoryLine } from "../judge/format.js";
import { commandOf, poll } from "../lib/processes.js";
import { UsageError } from "../lib/usage.js";
import { Clients } from "./clients/clients.js";
import { type ClusterView, clusterView, isLevel } from "./health.js";
import type { Recorder } from "./history.js";
import type { LiveOptions } from "./options.js";
import { Timeline } from "./report/timeline.js";
import { electionsAfter, howElected, type LeaderChange, LeaderWatch, seconds } from "./watch.js";

const NEW_WRITE_WITHIN_MS = 60_000;
const BACK_WITHIN_MS = 60_000;
/** A node of higher priority takes the lead again some seconds after it is level: worth waiting for. */
const TAKEOVER_WITHIN_MS = 15_000;

/** Does one thing to the cluster that `npm start` runs, and tells what happens. */
export async function runLive(options: LiveOptions): Promise<number> {
  const view = await clusterView(options.url).catch(() => undefined);
  if (view === undefined) throw new UsageError(`No node answers at ${options.url}: is npm start running? (--url)`);
  const { leaderId, term } = view;
  if (leaderId === null) throw new Error("The cluster has no leader now: it needs a majority first.");
  const id = options.node ?? leaderId;
  if (!view.nodes.some((node) => node.id === id)) throw new UsageError(`The cluster at ${options.url} has no ${id}.`);
  const pid = pidOf(options, id);
  const name = options.program === "node" ? id : `the mongod of ${id}`;
  const role = id === leaderId ? `, which leads in term ${term}` : "";
  console.log(`${options.signal} to ${name} (process ${pid})${role}.`);
  const story = new Story(view, term);
  try {
    await story.tell(options, { id, name, pid });
  } finally {
    await story.end();
  }
  return 0;
}

/** Reads the pid file that the start script wrote. Throws unless that process still is this program of this folder. */
function pidOf({ dataDir, program }: LiveOptions, id: string): number {
  const folder = join(resolve(dataDir), id);
  let pid = 0;
  try {
    pid = Number(readFileSync(join(folder, `${program}.pid`), "utf8"));
  } catch {
    throw new UsageError(`${folder} has no ${program}.pid: npm start did not start it there. (--data)`);
  }
  const mark = program === "node" ? nodeMark(folder) : `--dbpath ${join(folder, "db")} `;
  if (pid > 1 && commandOf(pid)?.includes(mark)) return pid;
  throw new UsageError(`Process ${pid} of ${folder}/${program}.pid is not running, or is another program.`);
}

/** Measures the pause of writes by what clients are told. Its clock starts with the fault. */
class Pause implements Recorder {
  readonly #timeline = new Timeline();
  readonly #startedMs = performance.now();
  /** When a write that was begun after the fault was first acknowledged. */
  endedAt: number | undefined;

  now(): number {
    return performance.now() - this.#startedMs;
  }

  add(line: HistoryLine): void {
    this.#timeline.add(line);
    if (line.type === "append" && line.outcome === "ok") this.endedAt ??= line.end;
  }

  async room(): Promise<void> {}

  /** The longest time until now in which no write at all was acknowledged. */
  stallMs(): number {
    this.#timeline.add({ type: "episode", number: 1, start: 0, end: this.now() });
    return this.#timeline.pauses()[0]?.stallMs ?? 0;
  }
}

class Story {
  readonly #pause = new Pause();
  readonly #clients: Clients;
  readonly #watch: LeaderWatch;
  #leaderId: string;

  constructor(
    private readonly view: ClusterView,
    term: number,
  ) {
    const nodes = view.nodes.map(({ id, address }) => ({ id, url: address }));
    this.#leaderId = view.leaderId as string;
    const prefix = `${randomBytes(4).toString("hex")}-`;
    this.#clients = new Clients({ nodes, history: this.#pause, writers: 0, readers: 0, seed: 0, prefix });
    const since = { atMs: performance.now(), term };
    this.#watch = new LeaderWatch(
      nodes.map(({ url }) => url),
      since,
      (change) => this.#changed(change),
    );
  }

  async tell(options: LiveOptions, target: { id: string; name: string; pid: number }): Promise<void> {
    const { id, name, pid } = target;
    process.kill(pid, options.signal);
    this.#clients.start();
    const writes = this.#newWrite();
    writes.catch(() => {}); // Reported where it is awaited.
    if (options.signal === "SIGSTOP") await this.#resumeAfter(options.pauseMs, pid);
    else await this.#awaitRestart(options, id, pid);
    await writes;
    const { address } = this.view.nodes.find((node) => node.id === id) as ClusterView["nodes"][number];
    const isBack = await poll(() => isLevel(address, id, this.#clients.highestSequence), { withinMs: BACK_WITHIN_MS });
    if (isBack === undefined) throw new Error(`${name} is not level again after ${BACK_WITHIN_MS / 1000} s.`);
    this.#say(`${id} is ready and level with the others`);
    const [preferred] = this.view.priority;
    await poll(() => this.#leaderId === preferred, { withinMs: TAKEOVER_WITHIN_MS });
    this.#say(`in all that time the longest stall of writes was ${seconds(this.#pause.stallMs())}`);
    await this.#clients.stop();
    for (const election of await electionsAfter(address, this.view.term))
      console.log(`The log records of term ${election.term}: ${election.leaderId}, ${howElected(election)}.`);
  }

  async #newWrite(): Promise<void> {
    const endedAt = await poll(() => this.#pause.endedAt, { withinMs: NEW_WRITE_WITHIN_MS, everyMs: 10 });
    if (endedAt === undefined) throw new Error(`No write was acknowledged within ${NEW_WRITE_WITHIN_MS} ms.`);
    this.#say(`a newly begun write is acknowledged: writes paused ${seconds(endedAt)}`);
  }

  async end(): Promise<void> {
    await this.#watch.stop();
    console.log(`${this.#leaderId} leads.`);
  }

  async #resumeAfter(pauseMs: number, pid: number): Promise<void> {
    const resume = () => process.kill(pid, "SIGCONT");
    // Nothing must stay stopped because this script was ended.
    const onSignal = () => {
      resume();
      process.exit(130);
    };
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    try {
      await sleep(pauseMs);
    } finally {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
      resume();
    }
    this.#say(`SIGCONT to process ${pid}`);
  }

  async #awaitRestart(options: LiveOptions, id: string, oldPid: number): Promise<void> {
    const isNew = () => {
      try {
        const pid = pidOf(options, id);
        return pid !== oldPid && pid;
      } catch {
        return false; // It has not been started yet.
      }
    };
    const pid = await poll(isNew, { withinMs: BACK_WITHIN_MS });
    if (pid === undefined) throw new Error(`${id} was not started again within ${BACK_WITHIN_MS / 1000} s.`);
    this.#say(`npm start has started it again (process ${pid})`);
  }

  #changed({ leaderId, term }: LeaderChange): void {
    this.#leaderId = leaderId;
    this.#say(`${leaderId} leads in term ${term}`);
  }

  #say(line: string): void {
    console.log(`${seconds(this.#pause.now()).padStart(9)}  ${line}`);
  }
}
