import { setTimeout as sleep } from "node:timers/promises";
import { type Db, MongoClient } from "mongodb";
import { type Cluster, type ClusterNode, startCluster } from "../../cluster/cluster.js";
import { INTEGRITY_FAILURE } from "../../lib/command.js";
import { poll } from "../../lib/processes.js";
import { UsageError } from "../../lib/usage.js";
import { MONGOD_ARGS } from "../faults/fail-points.js";
import { type Alert, alertsOf, covers, furtherKinds, overlaps } from "./alerts.js";
import { type Role, TAMPER_CASES, type TamperCase } from "./cases.js";
import { call, fillOneByOne, fillTo, Load, writeOne } from "./load.js";
import { type Outcome, Outcomes } from "./outcomes.js";
import { newTarget, Places, stillness, type Target } from "./places.js";

export interface TamperOptions {
  /** How many events are there before anything is changed. */
  readonly events: number;
  readonly writers: number;
  /** Only cases whose sentence has this in it are played; all if it is empty. */
  readonly only: string;
  /** Unless it is said, as it is promised; a machine with much else to do takes longer. */
  readonly foundWithinMs?: number;
}

export const FOUND_WITHIN_MS = 10_000;
/** So much longer is waited, to say how late it was. */
const GIVEN_UP_AFTER_MS = 300_000;
const READY_WITHIN_MS = 120_000;
/** Blocks of a hundred events that a case of thousands takes, and blocks of one event. */
const MANY_BLOCKS = 20;
const MANY_SINGLE_BLOCKS = 1_000;
const EVENTS_A_BLOCK = 100;
/** Without a new block for so long, none comes: what tells of alerts is written within five seconds. */
const QUIET_MS = 7_000;
/** What is told wrongly besides may come a little later. */
const SETTLED_MS = 3_000;
const LOOK_MS = 50;

/** Changes the data of nodes under load in every way that is known to be found, and answers the exit code. */
export async function runTamper(options: TamperOptions): Promise<number> {
  chosenCases(options);
  const cluster = await startCluster({ env: { TAKEOVER_COOLDOWN_MS: "600000" }, mongodArgs: MONGOD_ARGS });
  const abandon = () => {
    cluster.abandon();
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  try {
    const outcomes = await tamperWith(cluster, options, (line) => console.log(line));
    for (const line of outcomes.lines()) console.log(line);
    return outcomes.isSound ? 0 : INTEGRITY_FAILURE;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    await cluster.stop();
  }
}

export async function tamperWith(
  cluster: Cluster,
  options: TamperOptions,
  say: (line: string) => void,
): Promise<Outcomes> {
  const cases = chosenCases(options);
  const { events, writers, foundWithinMs = FOUND_WITHIN_MS } = options;
  const { node } = await cluster.leader();
  await fillTo(node.url, events);
  const { height } = await writeOne(node.url);
  await fillOneByOne(node.url, countOf(cases, "many of one event") * (MANY_SINGLE_BLOCKS + 1));
  say(`${events} events are there; ${writers} clients write on while data are changed behind the nodes' backs.`);
  const load = new Load(cluster.nodes, writers);
  const outcomes = new Outcomes(foundWithinMs);
  const places = { oldest: new Places(1), singles: new Places(height) };
  const attempts: [Attempt, Outcome][] = [];
  try {
    for (const one of cases)
      for (const role of one.roles) {
        const attempt = new Attempt({ cluster, load, places }, one, role);
        const outcome = await attempt.run();
        attempts.push([attempt, outcome]);
        outcomes.add(outcome);
        say(outcomes.line(outcome));
      }
    await sleep(SETTLED_MS);
    const alerts = await alertsOf(node);
    for (const [attempt, outcome] of attempts) {
      const further = attempt.furtherIn(alerts);
      if (further.length === 0) continue;
      outcome.wrong.push(...further);
      say(outcomes.line(outcome));
    }
  } finally {
    await load.stop();
  }
  say(`${load.written} events were acknowledged meanwhile.`);
  return outcomes;
}

const countOf = (cases: readonly TamperCase[], where: TamperCase["where"]): number =>
  cases.filter((one) => one.where === where).flatMap(({ roles }) => roles).length;

/** Throws where the log would have too few old blocks: each case takes some of its own, and the one before. */
function chosenCases({ events, only }: Pick<TamperOptions, "events" | "only">): readonly TamperCase[] {
  const cases = TAMPER_CASES.filter(({ what }) => what.includes(only));
  const least = EVENTS_A_BLOCK * (countOf(cases, "oldest") * 2 + countOf(cases, "many oldest") * (MANY_BLOCKS + 1));
  if (events < least) throw new UsageError(`--events ${events}: these cases need ${least} at least.`);
  return cases;
}

type Targets = readonly [first: Target, last: Target];

interface Ground {
  readonly cluster: Cluster;
  readonly load: Load;
  readonly places: { readonly oldest: Places; readonly singles: Places };
}

class Attempt {
  private readonly cluster: Cluster;
  private readonly places: Ground["places"];
  private done: { readonly nodes: readonly string[]; readonly targets: Targets } | null = null;

  constructor(
    private readonly ground: Ground,
    private readonly one: TamperCase,
    private readonly role: Role,
  ) {
    this.cluster = ground.cluster;
    this.places = ground.places;
  }

  async run(): Promise<Outcome> {
    const { load } = this.ground;
    load.isPaused = this.one.isQuiet === true;
    try {
      return await this.tamper();
    } finally {
      load.isPaused = false;
    }
  }

  /** Nothing else may be told about these blocks of these nodes, also later. */
  furtherIn(alerts: readonly Alert[]): string[] {
    const { where, kinds } = this.one;
    if (this.done === null || where === "none") return [];
    const { nodes, targets } = this.done;
    const [first, last] = targets;
    return furtherKinds(alerts, { nodes, kinds, heights: [first.height, last.height] });
  }

  private async tamper(): Promise<Outcome> {
    const { what, where, kinds, undo, isQuiet } = this.one;
    const victims = await this.victims();
    const clients = await Promise.all(victims.map(({ mongodbUri }) => MongoClient.connect(mongodbUri)));
    try {
      const dbs = clients.map((client) => client.db());
      const nodes = victims.map(({ id }) => id);
      const targets = await this.targets(dbs, victims[0] as ClusterNode);
      if (isQuiet) for (const db of dbs) await stillness(db, QUIET_MS);
      this.done = { nodes, targets };
      const before = await this.alerts(nodes);
      await Promise.all(dbs.map((db, i) => this.one.act(db, targets, nodes[i] as string)));
      const { found, foundMs } = await this.found(nodes, targets, before);
      for (const db of dbs) await undo?.(db);
      const kind = found[0]?.kind ?? (kinds[0] as string);
      const wrong = [
        ...found.flatMap((alert) => this.wrongIn(alert, targets)),
        ...(await this.wrongAbout(nodes, targets, before)),
      ];
      return { what, where, role: this.role, nodes, kind, foundMs, wrong };
    } finally {
      for (const client of clients) await client.close();
    }
  }

  /** An alert of each of these nodes, and how long the last of them took; null if one did not come. */
  private async found(
    nodes: readonly string[],
    targets: Targets,
    before: readonly Alert[],
  ): Promise<{ found: Alert[]; foundMs: number | null }> {
    const at = performance.now();
    const known = new Set(before.map((alert) => JSON.stringify(alert)));
    const found = new Map<string, Alert>();
    const areAllFound = await poll(
      async () => {
        const fresh = (await this.alerts(nodes)).filter((alert) => !known.has(JSON.stringify(alert)));
        for (const node of nodes) {
          const meant = fresh.find((alert) => alert.node === node && this.isMeant(alert, targets));
          if (meant !== undefined && !found.has(node)) found.set(node, meant);
        }
        return found.size === nodes.length;
      },
      { withinMs: GIVEN_UP_AFTER_MS, everyMs: LOOK_MS },
    );
    return { found: [...found.values()], foundMs: areAllFound ? performance.now() - at : null };
  }

  /** Nodes that are level with the others: one that is not has something else to do. */
  private async victims(): Promise<readonly ClusterNode[]> {
    const { cluster, role } = this;
    const ready = await poll(
      async () => {
        const { node: leader } = await cluster.leader(READY_WITHIN_MS);
        const follower = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
        const statuses = await Promise.all(cluster.nodes.map(({ url }) => call(`${url}/livez`).catch(() => null)));
        const { body } = await call<{ nodes: { health: string; watch: string; lagEvents: number }[] }>(
          `${leader.url}/api/v1/cluster`,
        );
        const isLevel = body.nodes.every(
          ({ health, watch, lagEvents }) => health !== "learner" && watch === "live" && (lagEvents ?? 0) < 1_000,
        );
        if (!isLevel || statuses.some((answer) => answer?.status !== 200)) return undefined;
        return role === "two" ? [leader, follower] : [role === "leader" ? leader : follower];
      },
      { withinMs: READY_WITHIN_MS, everyMs: 200 },
    );
    if (ready === undefined) throw new Error(`Not all nodes were ready within ${READY_WITHIN_MS / 1_000} s.`);
    return ready;
  }

  private async targets(dbs: readonly Db[], { url }: ClusterNode): Promise<Targets> {
    const { where } = this.one;
    const [db] = dbs as [Db];
    if (where === "oldest") return this.places.oldest.take(db, 1);
    if (where === "many oldest") return this.places.oldest.take(db, MANY_BLOCKS);
    if (where === "many of one event") return this.places.singles.take(db, MANY_SINGLE_BLOCKS);
    const filled = where === "many recent" ? await fillTo(url, MANY_BLOCKS * EVENTS_A_BLOCK) : undefined;
    await writeOne(url);
    const target = await newTarget(dbs, url);
    return filled ?? [target, target];
  }

  /** As a node tells them whose data nobody has changed. */
  private async alerts(victims: readonly string[]): Promise<readonly Alert[]> {
    const other = this.cluster.nodes.find(({ id, pid }) => !victims.includes(id) && pid !== undefined) as ClusterNode;
    return alertsOf(other);
  }

  private isMeant({ kind, heights, detail }: Alert, [first, last]: Targets): boolean {
    const { kinds, where, isOnDetail, namesEvent } = this.one;
    if (!kinds.includes(kind)) return false;
    if (where === "none") return isOnDetail === undefined || detail.includes(isOnDetail);
    if (!namesEvent) return overlaps(heights, [first.height, last.height]);
    return covers(heights, first.height) && covers(heights, last.height);
  }

  private wrongIn(alert: Alert, [first, last]: Targets): string[] {
    const { node, accused, sequences, differences = [], furtherDifferences = 0 } = alert;
    const { namesEvent } = this.one;
    const events = namesEvent ? [...new Set([first.sequence, last.sequence])] : [];
    const named = differences
      .filter(({ height }) => first.height <= height && height <= last.height)
      .map(({ field }) => field);
    // An alert that others of the kind have filled already shows none of thousands more.
    const fields = first === last || named.length > 0 || furtherDifferences === 0 ? this.one.fields : [];
    return [
      ...(accused === node ? [] : [`${accused} is accused of what is on ${node}`]),
      ...events.filter((at) => !covers(sequences, at)).map((at) => `event ${at} is not named on ${node}`),
      ...fields.filter((field) => !named.includes(field)).map((field) => `${field} is not named on ${node}`),
    ];
  }

  /** Nothing new may be told about these blocks of nodes whose data nobody has changed. */
  private async wrongAbout(nodes: readonly string[], [first]: Targets, before: readonly Alert[]): Promise<string[]> {
    if (this.one.where === "none") return [];
    const known = new Set(before.map(({ id }) => id));
    const others = (await this.alerts(nodes)).filter(({ id, node }) => !known.has(id) && !nodes.includes(node));
    return others.filter(({ heights }) => covers(heights, first.height)).map(({ node }) => `${node} is named too`);
  }
}
