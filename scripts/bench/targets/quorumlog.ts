import { type Cluster, startCluster } from "../../cluster/cluster.js";
import { loopback } from "../../loopback.js";
import { poll } from "../../processes.js";
import { LoadProcess } from "../load/load-process.js";
import type { LoadTarget } from "../load/spec.js";
import type { Place, Standing, Target, Watched } from "./target.js";

const CAUGHT_UP_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 20;
/** Once a year: the verification of the whole log is measured on its own, not whenever an hour begins. */
export const NO_SCHEDULED_VERIFICATION: NodeJS.ProcessEnv = { VERIFY_SCHEDULE: "0 0 1 1 *" };

export interface QuorumlogOptions {
  readonly mongodBinary: string;
  /** A variant: the same cluster with other settings. */
  readonly env?: NodeJS.ProcessEnv;
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
  readonly catchesUp: string | undefined;

  private constructor(
    readonly name: string,
    readonly title: string,
    readonly cluster: Cluster,
    env: NodeJS.ProcessEnv,
  ) {
    this.catchesUp = env.BENCH_NO_PROJECTION
      ? undefined
      : "every node's projection shows all acknowledged events, which can then be read by any filter";
  }

  static async start({ mongodBinary, env = {} }: QuorumlogOptions): Promise<QuorumlogTarget> {
    const cluster = await startCluster({ nodes: 3, mongodBinary, env: { ...NO_SCHEDULED_VERIFICATION, ...env } });
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const name = ["quorumlog", ...settings].join(" ");
    const title = `Quorumlog, 3 nodes${settings.length > 0 ? ` with ${settings.join(" ")}` : ""}`;
    return new QuorumlogTarget(name, title, cluster, env);
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
    if (this.catchesUp === undefined) return;
    const size = (await this.standing()).size ?? 0;
    await Promise.all(this.cluster.nodes.map(({ url }) => projectionReached(url, size)));
  }

  async stop(): Promise<void> {
    await this.load.stop();
    await this.cluster.stop();
  }
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

export async function projectionReached(url: string, size: number): Promise<void> {
  const isThere = async () => ((await readableSize(url)) ?? -1) >= size;
  if (await poll(isThere, { withinMs: CAUGHT_UP_WITHIN_MS, everyMs: LOOK_EVERY_MS })) return;
  throw new Error(`${url} does not show ${size} events ${CAUGHT_UP_WITHIN_MS / 1_000} s after the load.`);
}
