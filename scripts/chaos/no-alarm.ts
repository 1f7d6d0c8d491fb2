import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, ClusterNode } from "../cluster/cluster.js";
import { startCluster } from "../cluster/cluster.js";
import { INTEGRITY_FAILURE } from "../lib/command.js";
import { loopback } from "../lib/loopback.js";
import { poll } from "../lib/processes.js";

const VERIFIED_WITHIN_MS = 600_000;
const LEADER_WITHIN_MS = 240_000;
const ALERTS_MAX = 500;

export interface CalmOptions {
  readonly minutes: number;
  readonly writers: number;
}

export interface Calm {
  readonly written: number;
  /** How often each trouble came. */
  readonly troubles: ReadonlyMap<string, number>;
  /** Full passes over the whole log, of all nodes together. */
  readonly passes: number;
  readonly alerts: readonly { readonly kind: string; readonly node: string; readonly detail: string }[];
}

/** A cluster that verifies its whole log all the time, and loses no majority because a machine does much else. */
export class CalmCluster {
  #paths = "user";
  #cluster: Cluster | null = null;

  async start(): Promise<Cluster> {
    this.#cluster = await startCluster({
      env: { VERIFY_SCHEDULE: "*/2 * * * * *", TAKEOVER_COOLDOWN_MS: "1000", ELECTION_TIMEOUT_MS: "2500" },
      nodeEnv: () => ({ INDEX_PAYLOAD: this.#paths }),
    });
    return this.#cluster;
  }

  get cluster(): Cluster {
    if (this.#cluster === null) throw new Error("the cluster was not started");
    return this.#cluster;
  }

  /** What a cluster goes through without anybody touching its data. */
  get troubles(): readonly { readonly name: string; readonly make: (round: number) => Promise<void> }[] {
    return [
      { name: "leader killed", make: () => this.leaderDies() },
      { name: "tail replaced", make: () => this.tailIsReplaced() },
      { name: "mongod killed", make: () => this.mongodDies() },
      { name: "index extended", make: (round) => this.indexIsExtended(round) },
      { name: "lead handed over", make: () => this.leadIsHandedOver() },
      { name: "follower away", make: () => this.followerIsAway() },
    ];
  }

  pick(): ClusterNode {
    const { nodes } = this.cluster;
    return nodes[Math.floor(Math.random() * nodes.length)] as ClusterNode;
  }

  private async leaderDies(): Promise<void> {
    const { node } = await this.cluster.leader(LEADER_WITHIN_MS);
    await this.cluster.kill(node.id);
    await sleep(5_000);
    await this.cluster.start(node.id);
  }

  private async tailIsReplaced(): Promise<void> {
    const { cluster } = this;
    const { node: leader } = await cluster.leader(LEADER_WITHIN_MS);
    const others = cluster.nodes.filter(({ id }) => id !== leader.id);
    for (const { id } of others) cluster.signal(id, "SIGSTOP");
    await sleep(400);
    await cluster.kill(leader.id);
    for (const { id } of others) cluster.signal(id, "SIGCONT");
    await sleep(5_000);
    await cluster.start(leader.id);
  }

  private async mongodDies(): Promise<void> {
    const { id } = this.pick();
    await this.cluster.killMongod(id);
    await sleep(1_000);
    await this.cluster.start(id);
  }

  private async indexIsExtended(round: number): Promise<void> {
    this.#paths = round % 2 === 0 ? "user,order.id" : "user";
    const { id } = this.pick();
    await this.cluster.kill(id);
    await this.cluster.start(id);
  }

  private async leadIsHandedOver(): Promise<void> {
    const { node } = await this.cluster.leader(LEADER_WITHIN_MS);
    await post(`${node.url}/api/v1/cluster/step-down`, { actor: "chaos", reason: "no alarm" });
  }

  /** It has to catch up. */
  private async followerIsAway(): Promise<void> {
    const { node: leader } = await this.cluster.leader(LEADER_WITHIN_MS);
    const away = this.cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    await this.cluster.kill(away.id);
    await sleep(10_000);
    await this.cluster.start(away.id);
  }
}

async function post(url: string, body: unknown): Promise<number> {
  const headers = { "Content-Type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(60_000) };
  return (await loopback(url, init)).status;
}

async function writeUntil(calm: CalmCluster, isOver: () => boolean): Promise<number> {
  let written = 0;
  for (let i = 0; !isOver(); i++) {
    const events = Array.from({ length: 1 + (i % 5) }, () => ({
      eventType: "load",
      sourceAppId: "no-alarm",
      dataPayload: { user: `u${i}`, order: { id: i } },
    }));
    // A node that is down, or has no majority, takes none.
    const status = await post(`${calm.pick().url}/api/v1/events:batch`, { events }).catch(() => 0);
    if (status === 201) written += events.length;
    else await sleep(50);
  }
  return written;
}

/** Writes, troubles, and full passes all the while; then one more pass on every node. What is told of is a false alarm. */
export async function stayCalm(
  calm: CalmCluster,
  { minutes, writers }: CalmOptions,
  say: (line: string) => void,
): Promise<Calm> {
  const { cluster } = calm;
  const end = performance.now() + 60_000 * minutes;
  const isOver = (): boolean => performance.now() > end;
  const writing = Array.from({ length: writers }, () => writeUntil(calm, isOver));
  const troubles = new Map<string, number>();
  const passes = new Passes(cluster);
  for (let round = 0; !isOver(); round++) {
    for (const { name, make } of calm.troubles) {
      if (isOver()) break;
      await make(round).catch((error: Error) => {
        const tails = cluster.nodes.map(({ id }) => cluster.logTail(id, 30));
        throw new Error(`${name}, round ${round}: ${error.message}\n${cluster.missing}\n${tails.join("\n")}`);
      });
      troubles.set(name, (troubles.get(name) ?? 0) + 1);
      await sleep(1_000);
      await passes.look();
    }
    say(`round ${round + 1}: ${passes.count} full passes, ${(await alertsOf(cluster)).length} alerts`);
  }
  const written = (await Promise.all(writing)).reduce((sum, one) => sum + one, 0);
  await verifiedAnew(cluster, written);
  await passes.look();
  return { written, troubles, passes: passes.count, alerts: await alertsOf(cluster) };
}

interface Standing {
  readonly id: string;
  readonly watch: string;
  readonly verifiedThrough: number;
  readonly lastPassAt: string | null;
  readonly oldestVerifiedAt: string | null;
}

async function standingsOf(cluster: Cluster): Promise<readonly Standing[]> {
  const { url } = cluster.nodes[0] as ClusterNode;
  const answer = await loopback(`${url}/api/v1/cluster`, { signal: AbortSignal.timeout(60_000) });
  return ((await answer.json()) as { nodes: Standing[] }).nodes;
}

/** Counts the ends of passes that it sees: at most one a node and look. */
class Passes {
  count = 0;
  readonly #ended = new Map<string, string>();

  constructor(private readonly cluster: Cluster) {}

  async look(): Promise<void> {
    for (const { id, lastPassAt } of await standingsOf(this.cluster).catch(() => [])) {
      if (lastPassAt === null || this.#ended.get(id) === lastPassAt) continue;
      this.#ended.set(id, lastPassAt);
      this.count += 1;
    }
  }
}

/** A pass that began after the last trouble, on every node, and every watch as it should be. */
async function verifiedAnew(cluster: Cluster, written: number): Promise<void> {
  const since = Date.now();
  const isDone = ({ watch, verifiedThrough, oldestVerifiedAt }: Standing): boolean =>
    watch === "live" && verifiedThrough + 1 >= written && Date.parse(oldestVerifiedAt ?? "") > since;
  let last = "";
  const done = await poll(
    async () => {
      const standings = await standingsOf(cluster).catch(() => []);
      last = JSON.stringify(standings);
      return standings.length > 0 && standings.every(isDone);
    },
    { withinMs: VERIFIED_WITHIN_MS },
  );
  if (done === undefined) throw new Error(`not every node has verified all of its log: ${last}`);
}

async function alertsOf(cluster: Cluster): Promise<Calm["alerts"]> {
  const { url } = cluster.nodes[0] as ClusterNode;
  const answer = await loopback(`${url}/api/v1/alerts?limit=${ALERTS_MAX}`, { signal: AbortSignal.timeout(60_000) });
  const { alerts, more } = (await answer.json()) as { alerts: Calm["alerts"]; more: number };
  return more === 0 ? alerts : [...alerts, { kind: "more", node: "", detail: `${more} further ones` }];
}

/** Counts false alarms for a while, and answers the exit code. */
export async function runNoAlarm(options: CalmOptions): Promise<number> {
  const calm = new CalmCluster();
  const cluster = await calm.start();
  const abandon = () => {
    cluster.abandon();
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  const startedAt = performance.now();
  const say = (line: string): void =>
    console.log(`${((performance.now() - startedAt) / 60_000).toFixed(1)} min  ${line}`);
  try {
    say(`${options.writers} writers for ${options.minutes} minutes; nobody touches the data`);
    const { written, troubles, passes, alerts } = await stayCalm(calm, options, say);
    for (const [name, count] of troubles) say(`${name}: ${count} times`);
    say(`${written} events were acknowledged, and the whole log verified at least ${passes} times`);
    for (const { kind, node, detail } of alerts) say(`FALSE ALARM: ${kind} on ${node}: ${detail}`);
    say(`${alerts.length} alerts`);
    return alerts.length === 0 ? 0 : INTEGRITY_FAILURE;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    await cluster.stop();
  }
}
