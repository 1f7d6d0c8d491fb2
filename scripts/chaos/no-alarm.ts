import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, ClusterNode } from "../cluster/cluster.js";
import { type Alert, call } from "../lib/alerts.js";
import { INTEGRITY_FAILURE } from "../lib/command.js";
import { poll } from "../lib/processes.js";
import { CalmCluster, listOf } from "./calm.js";

const VERIFIED_WITHIN_MS = 600_000;
const ALL_TELL_WITHIN_MS = 120_000;

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
  /** Also those that are over by now. What was altered on purpose, and put right, is not among them. */
  readonly alerts: readonly FalseAlarm[];
}

export type FalseAlarm = Pick<Alert, "kind" | "node" | "detail">;

async function writeUntil(calm: CalmCluster, isOver: () => boolean): Promise<number> {
  let written = 0;
  for (let i = 0; !isOver(); i++) {
    const events = Array.from({ length: 1 + (i % 5) }, () => ({
      eventType: "load",
      sourceAppId: "no-alarm",
      dataPayload: { user: `u${i}`, order: { id: i } },
    }));
    // A node that is down, or has no majority, takes none.
    const status = await call(`${calm.pick().url}/api/v1/events:batch`, { events }).then(
      (answer) => answer.status,
      () => 0,
    );
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
  // Each trouble comes once, however short the time.
  let isFirst = true;
  const isOver = (): boolean => !isFirst && performance.now() > end;
  const writing = Array.from({ length: writers }, () => writeUntil(calm, isOver));
  const troubles = new Map<string, number>();
  const passes = new Passes(cluster);
  for (let round = 0; !isOver(); round++) {
    for (const { name, make } of calm.troubles) {
      if (isOver()) break;
      const more = await make(round).catch((error: Error) => {
        const tails = cluster.nodes.map(({ id }) => cluster.logTail(id, 30));
        throw new Error(`${name}, round ${round}: ${error.message}\n${cluster.missing}\n${tails.join("\n")}`);
      });
      for (const one of typeof more === "string" ? [name, more] : [name])
        troubles.set(one, (troubles.get(one) ?? 0) + 1);
      await sleep(1_000);
      await passes.look();
    }
    isFirst = false;
    const { alerts } = await falseAlarms(calm).catch(() => ({ alerts: [] }));
    say(`round ${round + 1}: ${passes.count} full passes, ${alerts.length} false alarms`);
  }
  const written = (await Promise.all(writing)).reduce((sum, one) => sum + one, 0);
  await verifiedAnew(cluster, written);
  await passes.look();
  return { written, troubles, passes: passes.count, alerts: await falseAlarmsOfAll(calm) };
}

interface Standing {
  readonly id: string;
  readonly watch: string;
  readonly verifiedThrough: number;
  readonly lastPassAt: string | null;
  readonly oldestVerifiedAt: string | null;
  readonly passHeight: number | null;
}

async function standingsOf(cluster: Cluster): Promise<readonly Standing[]> {
  const { url } = cluster.nodes[0] as ClusterNode;
  return (await call<{ nodes: Standing[] }>(`${url}/api/v1/cluster`)).body.nodes;
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

/** Blocks that a pass may come on between a look at it and the end of its process. */
const COMES_ON_BLOCKS = 512;

/**
 * All of the log was read after the last trouble, on every node, and every watch is as it should be. After a start passes hurry: the
 * first one goes on where it was, and the next one looks at what lies below.
 */
async function verifiedAnew(cluster: Cluster, written: number): Promise<void> {
  const since = Date.now();
  const were = new Map((await standingsOf(cluster)).map(({ id, passHeight }) => [id, passHeight ?? 0]));
  for (const { id } of cluster.nodes) {
    await cluster.kill(id);
    await cluster.start(id);
  }
  const hasRead = ({ id, lastPassAt, oldestVerifiedAt, passHeight }: Standing): boolean => {
    if (Date.parse(oldestVerifiedAt ?? "") > since) return true;
    const was = were.get(id) ?? Number.POSITIVE_INFINITY;
    return Date.parse(lastPassAt ?? "") > since && passHeight !== null && passHeight > was + COMES_ON_BLOCKS;
  };
  const isDone = (one: Standing): boolean => one.watch === "live" && one.verifiedThrough + 1 >= written && hasRead(one);
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

async function falseAlarms(calm: CalmCluster): Promise<{ alerts: FalseAlarm[]; unreachable: readonly string[] }> {
  const { alerts, more, unreachable } = await listOf(calm.cluster.nodes[0] as ClusterNode);
  const left: FalseAlarm[] = alerts.filter((alert) => !calm.isRightly(alert));
  if (more > 0) left.push({ kind: "more", node: "", detail: `${more} further ones` });
  return { alerts: left, unreachable };
}

/** A node that does not tell may have any. */
async function falseAlarmsOfAll(calm: CalmCluster): Promise<FalseAlarm[]> {
  let silent = "the node that is asked";
  const told = await poll(
    async () => {
      const found = await falseAlarms(calm).catch(() => null);
      if (found !== null) silent = found.unreachable.join(", ");
      return found?.unreachable.length === 0 && found.alerts;
    },
    { withinMs: ALL_TELL_WITHIN_MS, everyMs: 500 },
  );
  if (told === undefined) throw new Error(`the alerts of ${silent} are not known`);
  return told;
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
    say(`${options.writers} writers for ${options.minutes} minutes; nobody touches the data, but for what is repaired`);
    const { written, troubles, passes, alerts } = await stayCalm(calm, options, say);
    for (const [name, count] of troubles) say(`${name}: ${count} times`);
    say(`${written} events were acknowledged, and the whole log verified at least ${passes} times`);
    for (const { kind, node, detail } of alerts) say(`FALSE ALARM: ${kind} on ${node}: ${detail}`);
    say(`${alerts.length} false alarms; ${calm.ids.length} alerts told rightly of what was altered and put right`);
    return alerts.length === 0 ? 0 : INTEGRITY_FAILURE;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    await cluster.stop();
  }
}
