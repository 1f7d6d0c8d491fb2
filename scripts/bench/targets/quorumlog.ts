import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Cluster, type ClusterNode, type ClusterOptions, startCluster } from "../../cluster/cluster.js";
import { loopback } from "../../lib/loopback.js";
import { poll } from "../../lib/processes.js";
import { type DiskUse, diskUseAt } from "../disk-use.js";
import { LoadProcess } from "../load/load-process.js";
import type { LoadTarget } from "../load/spec.js";
import { commitOf } from "../machine.js";
import type { Place, Standing, Target, Watched } from "./target.js";

const CAUGHT_UP_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 20;
/** Once a year: the verification of the whole log is measured on its own, not whenever an hour begins. */
export const NO_SCHEDULED_VERIFICATION: NodeJS.ProcessEnv = { VERIFY_SCHEDULE: "0 0 1 1 *" };

export interface QuorumlogOptions {
  readonly mongodBinary: string;
  /** A variant: the same cluster with other settings, MONGOD_ARGS among them for its mongods. */
  readonly env?: NodeJS.ProcessEnv;
  /** Another checkout, built: its nodes are started by its own scripts, with its own settings. */
  readonly before?: string;
}

export interface NodeStanding {
  id: string;
  lastSequence: number;
  health: string;
}

export interface ClusterAnswer {
  leaderId: string | null;
  term: number;
  nodes: NodeStanding[];
  views: { node: string; leaderId: string | null; term: number }[];
}

/** A cluster of three nodes with a mongod each. */
export class QuorumlogTarget implements Target {
  readonly load = new LoadProcess();
  readonly catchesUp = "every node's reads show all acknowledged events";

  private constructor(
    readonly name: string,
    readonly title: string,
    readonly cluster: Cluster,
  ) {}

  static async start({ mongodBinary, env = {}, before }: QuorumlogOptions): Promise<QuorumlogTarget> {
    const { MONGOD_ARGS, ...own } = env;
    const options: ClusterOptions = {
      nodes: 3,
      mongodBinary,
      env: { ...NO_SCHEDULED_VERIFICATION, ...own },
      ...(MONGOD_ARGS && { mongodArgs: MONGOD_ARGS.split(" ") }),
    };
    const start = before === undefined ? startCluster : (await scriptsOf(before)).startCluster;
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const name = ["quorumlog", ...(before === undefined ? [] : ["before"]), ...settings].join(" ");
    const title = [
      "Quorumlog, 3 nodes",
      ...(before === undefined ? [] : [`of ${commitOf(before)}`]),
      ...(settings.length > 0 ? [`with ${settings.join(" ")}`] : []),
    ].join(" ");
    return new QuorumlogTarget(name, title, await start(options));
  }

  takes(): boolean {
    return true;
  }

  async diskUses(): Promise<DiskUse[]> {
    return Promise.all(this.cluster.nodes.map(({ mongodbUri }) => diskUseAt(mongodbUri)));
  }

  /** A follower is killed; what is given back starts it again. */
  async killFollower(): Promise<() => Promise<void>> {
    const leader = await this.cluster.leader();
    const follower = this.cluster.nodes.find(({ id }) => id !== leader.node.id) as ClusterNode;
    await this.cluster.kill(follower.id);
    return () => this.cluster.start(follower.id);
  }

  async at(place: Place): Promise<LoadTarget> {
    const leader = (await this.cluster.leader()).node.id;
    const isChosen = (id: string) => place === "all" || (place === "leader") === (id === leader);
    return { kind: "quorumlog", urls: this.cluster.nodes.filter(({ id }) => isChosen(id)).map(({ url }) => url) };
  }

  async standing(): Promise<Standing> {
    const { node, term } = await this.cluster.leader();
    const { nodes } = await clusterAnswer(node.url);
    const size = (nodes.find(({ id }) => id === node.id)?.lastSequence ?? -1) + 1;
    return { leader: `${node.id} in term ${term}`, size };
  }

  async processes(): Promise<Watched[]> {
    const leader = await this.cluster.leader().catch(() => undefined);
    return processesOf(this.cluster, leader?.node.id, this.name);
  }

  async caughtUp(): Promise<void> {
    const size = (await this.standing()).size ?? 0;
    const running = this.cluster.nodes.filter(({ pid }) => pid !== undefined);
    await Promise.all(running.map(({ url }) => readsReached(url, size)));
  }

  async stop(): Promise<void> {
    await this.load.stop();
    await this.cluster.stop();
  }
}

async function scriptsOf(root: string): Promise<{ startCluster: typeof startCluster }> {
  return import(pathToFileURL(join(resolve(root), "dist/scripts/cluster/cluster.js")).href);
}

export function processesOf(cluster: Cluster, leaderId: string | undefined, prefix = ""): Watched[] {
  const label = prefix === "" || prefix === "quorumlog" ? "" : `${prefix}: `;
  return cluster.nodes.flatMap(({ id, pid, mongodPid }) => {
    const role = id === leaderId ? "leader" : "follower";
    return [
      ...(pid === undefined ? [] : [{ label: `${label}${id}`, role, pid }]),
      ...(mongodPid === undefined
        ? []
        : [{ label: `${label}mongod of ${id}`, role: `mongod of ${role}`, pid: mongodPid }]),
    ];
  });
}

export async function clusterAnswer(url: string): Promise<ClusterAnswer> {
  const answer = await loopback(`${url}/api/v1/cluster`, { signal: AbortSignal.timeout(5_000) });
  return (await answer.json()) as ClusterAnswer;
}

/** How many events a node's reads reflect; undefined while it cannot read yet. */
export async function readableSize(url: string): Promise<number | undefined> {
  try {
    const answer = await loopback(`${url}/api/v1/events?limit=1`, { signal: AbortSignal.timeout(5_000) });
    await answer.arrayBuffer();
    return answer.ok ? Number(answer.headers.get("x-log-size")) : undefined;
  } catch {
    return undefined;
  }
}

export async function readsReached(url: string, size: number): Promise<void> {
  const isThere = async () => ((await readableSize(url)) ?? -1) >= size;
  if (await poll(isThere, { withinMs: CAUGHT_UP_WITHIN_MS, everyMs: LOOK_EVERY_MS })) return;
  throw new Error(`${url} does not show ${size} events ${CAUGHT_UP_WITHIN_MS / 1_000} s after the load.`);
}
