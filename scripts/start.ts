import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Cluster, type ClusterOptions, type Leader, launchCluster } from "./cluster/cluster.js";
import type { MemberEvent } from "./cluster/member.js";
import { USAGE_ERROR } from "./command.js";
import { clusterSizeIn, eventsIn, nodesWithData, setAside } from "./fresh.js";
import { findMongod } from "./mongod/ladder.js";
import { parseStartOptions, type StartOptions, USAGE, UsageError } from "./options.js";
import { poll } from "./processes.js";
import { messageOf } from "./project.js";
import { Screen } from "./screen.js";

const say = (line: string) => void process.stderr.write(`${line}\n`);
const screen = new Screen((line) => void process.stdout.write(`${line}\n`));

// A closed terminal, or a closed pipe behind `| head`, fails every later write: that must not end us before the nodes.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

/** `npm start`: see USAGE. Ends with the exit code that it sets, once everything is stopped. */
export async function start(args: string[]): Promise<void> {
  try {
    if (existsSync(".env")) process.loadEnvFile(".env");
    const options = parseStartOptions(args, process.env);
    if (options.wantsHelp) process.stdout.write(USAGE);
    else await new Run(options).run();
  } catch (error) {
    say(messageOf(error));
    if (error instanceof UsageError) say(`\n${USAGE}`);
    process.exit(error instanceof UsageError ? USAGE_ERROR : 1);
  }
}

class Run {
  readonly #down = new Map<string, number | null>();
  #cluster: Cluster | undefined;
  #isStopping = false;

  constructor(private readonly options: StartOptions) {}

  async run(): Promise<void> {
    const plan = planOf(this.options, process.env);
    const binary = plan.mongodbUris ? undefined : await findMongod({ allowDownload: this.options.allowDownload, say });
    const dataDir = plan.dataDir as string;
    const launch: ClusterOptions = {
      ...plan,
      ...(binary === undefined ? {} : { mongodBinary: binary }),
      onEvent: (event) => this.#onEvent(event),
      prepare: async (leftovers) => {
        if (leftovers.length > 0) say(`Stopped what an earlier start had left running: ${leftovers.join(", ")}.`);
        if (this.options.isFresh && binary !== undefined) await this.#makeFresh(dataDir, binary);
        say(`Starting ${plan.ports?.length === 1 ? "one node" : `${plan.ports?.length} nodes`} …`);
      },
    };
    // Until here a signal just ends the process; from here on there is something to stop.
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => this.#onSignal());
    const cluster = await launchCluster(launch);
    this.#cluster = cluster;
    if (this.#isStopping) return this.#stop(0);
    await this.#showTable(cluster);
  }

  async #makeFresh(dataDir: string, binary: string): Promise<void> {
    if (nodesWithData(dataDir).length === 0) return say("There is no data yet: --fresh has nothing to do.");
    const { mayDelete } = this.options;
    const count = await eventsIn(dataDir, binary);
    const target = await setAside(dataDir, { mayDelete });
    const events = count === 1 ? "1 event" : `${count.toLocaleString("en-US")} events`;
    say(target ? `${events} moved to ${target}.` : `${events} deleted from ${dataDir}.`);
  }

  async #showTable(cluster: Cluster): Promise<void> {
    // A majority may have its leader while another node is still on its way: the table had better have all.
    await poll(() => this.#isStopping || cluster.nodes.every(({ pid }) => pid !== undefined), { withinMs: 10_000 });
    let leader: Leader | undefined;
    while (leader === undefined && !this.#isStopping) leader = await cluster.leader(5_000).catch(() => undefined);
    if (leader !== undefined && !this.#isStopping) screen.table(cluster, leader);
  }

  #onEvent(event: MemberEvent): void {
    if (this.#isStopping) return;
    screen.show(event);
    if (event.kind === "down") this.#down.set(event.program, event.exitCode);
    if (event.kind === "up") this.#down.delete(event.program);
    const nodes = this.#cluster?.nodes ?? [];
    if (nodes.length === 0 || !nodes.every(({ id }) => this.#down.has(id) || this.#down.has(`mongod of ${id}`))) return;
    say("No node is left to run: stopping.");
    void this.#stop([...this.#down.values()].includes(78) ? 78 : 1);
  }

  #onSignal(): void {
    if (this.#isStopping) {
      this.#cluster?.abandon();
      process.exit(130);
    }
    say("\nStopping nodes, then their MongoDB servers (once more to stop at once) …");
    if (this.#cluster === undefined) this.#isStopping = true;
    else void this.#stop(0);
  }

  async #stop(exitCode: number): Promise<void> {
    this.#isStopping = true;
    await this.#cluster?.stop();
    say("Everything is stopped.");
    process.exit(exitCode);
  }
}

/** Which nodes on which ports with which databases: from flags, environment and what the data folder holds. */
function planOf(options: StartOptions, env: NodeJS.ProcessEnv): ClusterOptions {
  const one = secretOf(env, "MONGODB_URI");
  const several = secretOf(env, "MONGODB_URIS");
  const uris = several?.split(",").map((uri) => uri.trim()) ?? (one === undefined ? undefined : [one]);
  const dataDir = resolve(env.DATA_DIR || "data");
  if (uris !== undefined && (options.nodes !== undefined || options.isFresh)) {
    throw new UsageError("--nodes and --fresh are for mongods that npm start runs itself; MONGODB_URI is set.");
  }
  if (uris !== undefined && uris.length % 2 === 0) {
    throw new UsageError(`MONGODB_URIS names ${uris.length} servers: give one, three, five or more.`);
  }
  const count = uris?.length ?? nodeCount(options, dataDir);
  const ports = Array.from({ length: count }, (_, index) => options.basePort + index);
  // With one server this may be one node of a cluster that lives on several machines: then its settings stand.
  const isAlone = one !== undefined && several === undefined;
  const ours = ["PORT", "MONGODB_URI", "MONGODB_URI_FILE", "MONGODB_URIS", "MONGODB_URIS_FILE", "DATA_DIR"];
  if (!isAlone) ours.push("NODE_ID", "MEMBERS", "PRIORITY");
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !ours.includes(name)));
  return {
    ports,
    dataDir,
    ...(uris === undefined ? {} : { mongodbUris: uris }),
    ...(isAlone && env.NODE_ID ? { ids: [env.NODE_ID] } : {}),
    env: isAlone ? { ADMIT_NEW_KEYS: "false", ...rest } : rest,
  };
}

function nodeCount({ nodes, isFresh }: StartOptions, dataDir: string): number {
  const existing = isFresh ? 0 : clusterSizeIn(dataDir);
  if (nodes !== undefined && nodes < existing) {
    throw new UsageError(
      `${dataDir} holds the data of ${existing} nodes, so --nodes ${nodes} cannot use it. Leave --nodes out, or add --fresh.`,
    );
  }
  return nodes ?? (existing || 3);
}

/** Every secret has a `_FILE` twin, here too. */
function secretOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = env[`${name}_FILE`];
  return env[name] || (file ? readFileSync(file, "utf8").trim() : undefined);
}
