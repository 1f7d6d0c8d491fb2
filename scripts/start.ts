import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { readEnvFile } from "../node/host/env-file.js";
import { outputTo } from "../node/host/output.js";
import { type Cluster, type ClusterOptions, launchCluster, type SeenLeader } from "./cluster/cluster.js";
import { lockDataFolder, MONGOD_PATIENCE_MS } from "./cluster/leftovers.js";
import type { MemberEvent } from "./cluster/member.js";
import { refusePorts } from "./cluster/plan-nodes.js";
import { BAD_CONFIGURATION, StartError, USAGE_ERROR } from "./lib/command.js";
import { stopChild } from "./lib/processes.js";
import { messageOf } from "./lib/project.js";
import { toldIfSlow, Wait } from "./lib/told.js";
import { UsageError } from "./lib/usage.js";
import { findMongod } from "./mongod/ladder.js";
import { Chaos } from "./start/chaos/chaos.js";
import { fillForDemo } from "./start/demo.js";
import { eventsIn, nodesWithData, setAside } from "./start/fresh.js";
import { USAGE } from "./start/options.js";
import { planStart, type StartPlan } from "./start/plan.js";
import { Screen } from "./start/screen.js";

const LOOK_EVERY_MS = 50;
const ALL_UP_WITHIN_MS = 10_000;

// A terminal that is closed or stopped, a pipe behind `| head`: nothing of that may end or hold us before the nodes.
const output = outputTo(1);
const errors = outputTo(2);
const say = (line: string) => void errors.write(`${line}\n`);
const screen = new Screen((line) => void output.write(`${line}\n`));

/** `npm start`: see USAGE. Ends with the exit code that it sets, once everything is stopped. */
export async function start(args: string[]): Promise<void> {
  try {
    if (args.includes("--help")) return void output.write(USAGE);
    await new Run(planStart(args, process.env, readEnvFile(".env"))).run();
  } catch (error) {
    say(messageOf(error));
    if (error instanceof UsageError) say(`\n${USAGE}`);
    process.exit(exitCodeOf(error));
  }
}

const exitCodeOf = (error: unknown): number =>
  error instanceof UsageError ? USAGE_ERROR : error instanceof StartError ? BAD_CONFIGURATION : 1;

/** A signal came before there was a cluster that could be stopped. */
class StoppedEarly extends Error {}

class Run {
  /** Programs that stay down, and whether for good. */
  readonly #down = new Map<string, boolean>();
  #cluster: Cluster | undefined;
  #chaos: Chaos | undefined;
  #isStopping = false;
  /** The mongods that --fresh looks into. */
  readonly #counting = new Set<ChildProcess>();

  constructor(private readonly plan: StartPlan) {}

  /** Whatever can be judged is judged before anything is downloaded, and that before anything is started. */
  async run(): Promise<void> {
    const { options, cluster: plan, warnings, env } = this.plan;
    for (const warning of warnings) say(`Note: ${warning}`);
    await this.#refusePorts({ mayBeTaken: true });
    const lock = lockDataFolder(plan.dataDir);
    const search = { env: { ...process.env, MONGOD_BINARY: env.MONGOD_BINARY }, ...options, say };
    const binary = plan.mongodbUris
      ? undefined
      : await findMongod(search).catch((error: Error) => {
          lock.unlock();
          throw new StartError(error.message);
        });
    const chaos = options.allowsChaos
      ? await Chaos.open(idsOf(plan.ports), plan.ports, (line) => screen.news(line)).catch((error: Error) => {
          lock.unlock();
          throw new StartError(
            `Faults on demand need ports of their own on 127.0.0.1, and got none: ${error.message}. See to that, or start ` +
              "without --demo and --allow-chaos.",
          );
        })
      : undefined;
    this.#chaos = chaos;
    const launch: ClusterOptions = {
      ...plan,
      ...(chaos === undefined ? {} : { nodeEnv: (id: string) => chaos.environmentOf(id) }),
      ...(binary === undefined ? {} : { mongodBinary: binary }),
      lock,
      say,
      onEvent: (event) => this.#onEvent(event),
      prepare: async (leftovers) => {
        if (leftovers.length > 0) say(`Stopped what an earlier start had left running: ${leftovers.join(", ")}.`);
        this.#endIfStopping();
        await this.#refusePorts();
        if (options.isFresh && binary !== undefined) await this.#makeFresh(plan.dataDir, binary);
        this.#endIfStopping();
        say(`Starting ${plan.ports.length === 1 ? "one node" : `${plan.ports.length} nodes`} …`);
      },
    };
    // Until here a signal just ends the process; from here on there is something to stop.
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => this.#onSignal());
    process.on("uncaughtException", (error) => this.#onBug(error));
    const cluster = await launchCluster(launch).catch((error) => {
      if (error instanceof StoppedEarly) return undefined;
      throw error;
    });
    if (cluster === undefined) return this.#stop(0);
    this.#cluster = cluster;
    chaos?.attach(cluster);
    if (this.#isStopping) return this.#stop(0);
    await this.#showTable(cluster);
  }

  async #refusePorts(given?: { mayBeTaken: boolean }): Promise<void> {
    const { ports, env } = this.plan.cluster;
    const looking = refusePorts(ports, env?.HOST, given);
    await toldIfSlow(looking, say, `Waiting to learn whether ${env?.HOST || "127.0.0.1"} can be listened on …`);
  }

  #endIfStopping(): void {
    if (this.#isStopping) throw new StoppedEarly();
  }

  async #makeFresh(dataDir: string, binary: string): Promise<void> {
    if (nodesWithData(dataDir).length === 0) return say("There is no data yet: --fresh has nothing to do.");
    const { mayDelete } = this.plan.options;
    const counted = eventsIn(dataDir, binary, this.#counting);
    const events = await toldIfSlow(counted, say, "Counting the events; MongoDB may have to recover them first …");
    this.#endIfStopping();
    const doing = mayDelete ? "Deleting" : "Moving";
    const target = await toldIfSlow(setAside(dataDir, { mayDelete }), say, `${doing} the data …`);
    say(target ? `${events} moved to ${target}.` : `${events} deleted from ${dataDir}.`);
  }

  async #showTable(cluster: Cluster): Promise<void> {
    let leader: SeenLeader | undefined;
    const wait = new Wait(say);
    // A majority may have its leader while another node is still on its way: the table had better have all.
    const isWhole = () => cluster.nodes.every(({ pid }) => pid !== undefined);
    const allUntil = performance.now() + ALL_UP_WITHIN_MS;
    while (leader === undefined && !this.#isStopping) {
      await sleep(LOOK_EVERY_MS);
      const isEnough = isWhole() || (performance.now() > allUntil && isMajority(cluster));
      if (isEnough) leader = await cluster.leaderNow();
      wait.isFor(cluster.missing);
    }
    if (leader === undefined || this.#isStopping) return;
    const filled = this.plan.options.isDemo
      ? await toldIfSlow(fillForDemo(cluster.node(leader.id).url, Date.now()), say, "Logging the events of --demo …")
      : "";
    if (this.#isStopping) return;
    screen.table(cluster, leader);
    if (filled !== "") screen.line(filled);
    if (this.#chaos !== undefined)
      screen.line("The dashboard's Cluster page can kill, pause and cut off nodes, and alter what they store.");
  }

  #onEvent(event: MemberEvent): void {
    if (this.#isStopping) return;
    screen.show(event);
    this.#chaos?.onEvent(event);
    if (event.kind === "down") this.#down.set(event.program, event.isFinal);
    if (event.kind === "up") this.#down.delete(event.program);
    const nodes = this.#cluster?.nodes ?? [];
    if (nodes.length === 0 || !nodes.every(({ id }) => this.#down.has(id) || this.#down.has(`mongod of ${id}`))) return;
    say("No node is left to run: stopping.");
    void this.#stop([...this.#down.values()].includes(true) ? BAD_CONFIGURATION : 1);
  }

  #onSignal(): void {
    if (this.#isStopping) {
      this.#abandon();
      process.exit(130);
    }
    const what = this.plan.cluster.mongodbUris === undefined ? "nodes, then their MongoDB servers" : "what runs here";
    say(`\nStopping ${what} (once more to stop at once) …`);
    if (this.#cluster !== undefined) return void this.#stop(0);
    this.#isStopping = true;
    void this.#endCounting();
  }

  /** A fault of this script: its nodes and mongods must not outlive it. */
  #onBug(error: Error): void {
    say(`The start script meets an error that it does not know: ${error.stack}`);
    if (this.#isStopping) {
      this.#abandon();
      process.exit(1);
    }
    void this.#stop(1);
  }

  async #endCounting(): Promise<void> {
    await Promise.all([...this.#counting].map((mongod) => stopChild(mongod, "SIGTERM", MONGOD_PATIENCE_MS)));
  }

  #abandon(): void {
    for (const mongod of this.#counting) mongod.kill("SIGKILL");
    this.#cluster?.abandon();
  }

  async #stop(exitCode: number): Promise<void> {
    this.#isStopping = true;
    try {
      this.#chaos?.heal();
      await this.#endCounting();
      await this.#cluster?.stop();
      await this.#chaos?.close();
      say("Everything is stopped.");
    } catch (error) {
      say(`Not everything could be stopped or put away: ${messageOf(error)}.`);
      this.#abandon();
      exitCode ||= 1;
    }
    process.exit(exitCode);
  }
}

/** As the nodes of a cluster that runs here are named. */
const idsOf = (ports: readonly number[]): string[] => ports.map((_, index) => `n${index + 1}`);

function isMajority({ nodes }: Cluster): boolean {
  return nodes.filter(({ pid }) => pid !== undefined).length * 2 > nodes.length;
}
