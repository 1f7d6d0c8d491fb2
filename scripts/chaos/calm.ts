import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, type ClusterNode, startCluster } from "../cluster/cluster.js";
import { type Alert, call, type Decision, decide, outcomeOf } from "../lib/alerts.js";
import { poll } from "../lib/processes.js";
import { blocksOf, editPayload } from "./tamper/edits.js";
import { newTarget, withDatabase } from "./tamper/places.js";

const LEADER_WITHIN_MS = 240_000;
const FOUND_WITHIN_MS = 120_000;
const RESOLVED_WITHIN_MS = 1_800_000;
const REPLACED_WITHIN_MS = 20_000;
const ALERTS_MAX = 500;

/** A cluster that verifies its whole log all the time, and loses no majority because a machine does much else. */
export class CalmCluster {
  #paths = "user";
  #cluster: Cluster | null = null;
  /** The alerts of what was altered here on purpose, and the only block that each may name. */
  readonly #rightly = new Map<string, number>();

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

  /** What a cluster goes through. Nobody touches its data, but for one event at a time that is put right by a decision. */
  get troubles(): readonly { readonly name: string; readonly make: (round: number) => Promise<unknown> }[] {
    return [
      { name: "leader killed", make: () => this.leaderDies() },
      { name: "leader killed while the others were stopped", make: () => this.leaderDiesAlone() },
      { name: "mongod killed", make: () => this.mongodDies() },
      { name: "index extended", make: (round) => this.indexIsExtended(round) },
      { name: "lead handed over", make: () => this.leadIsHandedOver() },
      { name: "follower away", make: () => this.followerIsAway() },
      { name: "altered and repaired", make: () => this.isAltered("repair") },
      { name: "node rebuilt", make: () => this.isAltered("rebuild") },
    ];
  }

  /** Whether it tells of what was altered here on purpose, of nothing else, and is over. */
  isRightly({ id, status, heights = [] }: Alert): boolean {
    const altered = this.#rightly.get(id);
    const isThatAlone = heights.every(([first, last]) => first === altered && last === altered);
    return altered !== undefined && status === "resolved" && isThatAlone;
  }

  get ids(): readonly string[] {
    return [...this.#rightly.keys()];
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

  /** What it sealed last nobody else may have: then it is replaced, which is counted beside. */
  private async leaderDiesAlone(): Promise<string | undefined> {
    const { cluster } = this;
    const { node: leader } = await cluster.leader(LEADER_WITHIN_MS);
    const others = cluster.nodes.filter(({ id }) => id !== leader.id);
    for (const { id } of others) cluster.signal(id, "SIGSTOP");
    await sleep(400);
    await cluster.kill(leader.id);
    const [last] = await hashesFrom(leader);
    for (const { id } of others) cluster.signal(id, "SIGCONT");
    await sleep(5_000);
    await cluster.start(leader.id);
    if (last === undefined) return undefined;
    const isReplaced = async (): Promise<boolean> => {
      const [now] = await hashesFrom(leader, last.height);
      return now !== undefined && now.hash !== last.hash;
    };
    return (await poll(isReplaced, { withinMs: REPLACED_WITHIN_MS, everyMs: 200 })) && "tail replaced";
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
    await call(`${node.url}/api/v1/cluster/step-down`, { actor: "chaos", reason: "no alarm" });
  }

  /** It has to catch up. */
  private async followerIsAway(): Promise<void> {
    const { node: leader } = await this.cluster.leader(LEADER_WITHIN_MS);
    const away = this.cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    await this.cluster.kill(away.id);
    await sleep(10_000);
    await this.cluster.start(away.id);
  }

  /** The one alert that this is rightly told of is put right by a decision, as a person would. */
  private async isAltered(action: Decision["action"]): Promise<void> {
    const { cluster } = this;
    const { node: leader } = await cluster.leader(LEADER_WITHIN_MS);
    const victim = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
    const height = await withDatabase(victim.mongodbUri, async (db) => {
      // The lead may be on its way to another node just now.
      const target = await poll(() => newTarget([db], leader.url).catch(() => undefined), {
        withinMs: LEADER_WITHIN_MS,
      });
      if (target === undefined) throw new Error(`no block came to ${victim.id}`);
      await editPayload(blocksOf(db), target.height);
      return target.height;
    });
    const isIt = ({ kind, node, heights = [] }: Alert): boolean =>
      kind === "payload_modified" && node === victim.id && heights.some(([a, z]) => a <= height && height <= z);
    const look = (): Promise<Alert | undefined> =>
      listOf(this.other(victim)).then(
        ({ alerts }) => alerts.find(isIt),
        () => undefined,
      );
    const found = await poll(look, { withinMs: FOUND_WITHIN_MS });
    if (found === undefined) throw new Error(`block ${height} of ${victim.id} was altered, and no alert tells of it`);
    this.#rightly.set(found.id, height);
    let last = "";
    // The others may have to catch up, or to elect a leader, before they can spare it.
    const isResolved = async (): Promise<boolean> => {
      const { url } = this.other(victim);
      const given = await decide(url, { id: found.id, action, actor: "chaos", reason: "no alarm" }).catch(() => null);
      const now = await outcomeOf(url, found.id).catch(() => null);
      last = `${given?.status ?? "no answer"} ${given?.detail ?? ""}, then ${now?.status ?? "under way for long"}`;
      return now?.status === "resolved";
    };
    if (!(await poll(isResolved, { withinMs: RESOLVED_WITHIN_MS, everyMs: 500 })))
      throw new Error(`the alert about block ${height} of ${victim.id} is not resolved by a ${action}: ${last}`);
  }

  /** Whom to ask about a node: another one, that runs. */
  private other({ id }: ClusterNode): ClusterNode {
    const { nodes } = this.cluster;
    return nodes.find((one) => one.id !== id && one.pid !== undefined) ?? (nodes[0] as ClusterNode);
  }
}

export interface AlertList {
  readonly alerts: readonly Alert[];
  readonly more: number;
  /** Nodes that did not tell of theirs. */
  readonly unreachable: readonly string[];
}

/** The alerts of all nodes, as one tells them: open ones, resolved ones, and those that ended by themselves. */
export async function listOf({ url, id }: ClusterNode): Promise<AlertList> {
  const { status, body } = await call<AlertList>(`${url}/api/v1/alerts?status=all&limit=${ALERTS_MAX}`);
  if (status !== 200) throw new Error(`${id} answered ${status} to the question for alerts`);
  return body;
}

/** The newest block that a node has stored, or the one at a height. */
function hashesFrom({ mongodbUri }: ClusterNode, at?: number): Promise<{ height: number; hash: string }[]> {
  return withDatabase(mongodbUri, async (db) => {
    const blocks = db.collection<{ _id: number; blockHash: string }>("blocks");
    const found = blocks.find({ _id: at ?? { $gte: 1 } }, { projection: { blockHash: 1 } });
    return (await found.sort({ _id: -1 }).limit(1).toArray()).map(({ _id, blockHash }) => ({
      height: _id,
      hash: blockHash,
    }));
  });
}
