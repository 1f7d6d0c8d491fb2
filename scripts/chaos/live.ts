import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeMark } from "../cluster/leftovers.js";
import { type ClusterView, clusterView, isLevel } from "../kill/health.js";
import { Load } from "../kill/load.js";
import { UsageError } from "../options.js";
import { commandOf, poll } from "../processes.js";
import type { LiveOptions } from "./options.js";
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
  const story = new Story(view, { atMs: performance.now(), term });
  try {
    await story.tell(options, { id, name, pid });
  } finally {
    await story.end();
  }
  return 0;
}

/** From the pid file that the start script wrote, if that process still is this program of this folder. */
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

class Story {
  readonly #load: Load;
  readonly #watch: LeaderWatch;
  readonly #atMs: number;
  #leaderId: string;

  constructor(
    private readonly view: ClusterView,
    since: { atMs: number; term: number },
  ) {
    const urls = view.nodes.map(({ address }) => address);
    this.#atMs = since.atMs;
    this.#leaderId = view.leaderId as string;
    this.#load = new Load({ urls, runId: `chaos-${randomBytes(4).toString("hex")}`, sourceAppId: "chaos" });
    this.#watch = new LeaderWatch(urls, since, (change) => this.#changed(change));
  }

  async tell(options: LiveOptions, target: { id: string; name: string; pid: number }): Promise<void> {
    const { id, name, pid } = target;
    const probing = this.#load.probe(this.#atMs);
    process.kill(pid, options.signal);
    const writes = probing.firstAcknowledgement(NEW_WRITE_WITHIN_MS).then(({ gapMs }) => {
      this.#say(`a newly begun write is acknowledged: writes paused ${seconds(gapMs)}`);
    });
    writes.catch(() => {}); // Reported where it is awaited.
    if (options.signal === "SIGSTOP") await this.#resumeAfter(options.pauseMs, pid);
    else await this.#awaitRestart(options, id, pid);
    await writes;
    const { address } = this.view.nodes.find((node) => node.id === id) as ClusterView["nodes"][number];
    const isBack = await poll(() => isLevel(address, id, this.#load.highestSequence), { withinMs: BACK_WITHIN_MS });
    if (isBack === undefined) throw new Error(`${name} is not level again after ${BACK_WITHIN_MS / 1000} s.`);
    this.#say(`${id} is ready and level with the others`);
    const [preferred] = this.view.priority;
    await poll(() => this.#leaderId === preferred, { withinMs: TAKEOVER_WITHIN_MS });
    this.#say(`in all that time the longest stall of writes was ${seconds(probing.stop().stallMs)}`);
    await this.#load.stop();
    for (const election of await electionsAfter(address, this.view.term))
      console.log(`The log records of term ${election.term}: ${election.leaderId}, ${howElected(election)}.`);
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
    console.log(`${seconds(performance.now() - this.#atMs).padStart(9)}  ${line}`);
  }
}
