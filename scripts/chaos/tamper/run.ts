import { type Db, MongoClient } from "mongodb";
import { type Cluster, type ClusterNode, startCluster } from "../../cluster/cluster.js";
import { INTEGRITY_FAILURE } from "../../lib/command.js";
import { poll } from "../../lib/processes.js";
import { TAMPER_CASES, type TamperCase } from "./cases.js";
import { blocksOf } from "./edits.js";
import { call, fillTo, Load, writeOne } from "./load.js";
import { type Outcome, Outcomes } from "./outcomes.js";
import { newTarget, type Target, targetsFrom } from "./places.js";

export interface TamperOptions {
  /** How many events are there before anything is changed. */
  readonly events: number;
  readonly writers: number;
  /** Of the cases those whose sentence has this in it; all if it is empty. */
  readonly only: string;
  /** Unless it is said, as it is promised; a machine with much else to do takes longer. */
  readonly foundWithinMs?: number;
}

export const FOUND_WITHIN_MS = 10_000;
/** So much longer is waited, to say how late it was. */
const GIVEN_UP_AFTER_MS = 300_000;
const READY_WITHIN_MS = 120_000;
/** Blocks that a case of thousands takes. */
const MANY_BLOCKS = 30;
const LOOK_MS = 50;

interface Alert {
  readonly kind: string;
  readonly node: string;
  readonly detail: string;
  readonly heights?: readonly (readonly [number, number])[];
  readonly sequences?: readonly (readonly [number, number])[];
  readonly differences?: readonly { readonly height: number; readonly field: string }[];
}

/** Changes the data of nodes under load in every way that is known to be found, and answers the exit code. */
export async function runTamper(options: TamperOptions): Promise<number> {
  const cluster = await startCluster({ env: { TAKEOVER_COOLDOWN_MS: "600000" } });
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
  { events, writers, only, foundWithinMs = FOUND_WITHIN_MS }: TamperOptions,
  say: (line: string) => void,
): Promise<Outcomes> {
  const { node } = await cluster.leader();
  await fillTo(node.url, events);
  say(`${events} events are there; ${writers} clients write on while data are changed behind the nodes' backs.`);
  const load = new Load(cluster.nodes, writers);
  const outcomes = new Outcomes(foundWithinMs);
  const places = new Places();
  const cases = TAMPER_CASES.filter(({ what }) => what.includes(only));
  try {
    for (const one of cases)
      for (const role of ["follower", "leader"] as const) {
        const outcome = await new Attempt(cluster, places, one, role).run();
        outcomes.add(outcome);
        say(outcomes.line(outcome));
      }
  } finally {
    await load.stop();
  }
  say(`${load.written} events were acknowledged meanwhile.`);
  return outcomes;
}

/** Oldest blocks of the log, each for one case: what was changed once stays as it is. */
class Places {
  #next = 0;

  async oldest(db: Db, count: number): Promise<readonly [Target, Target]> {
    const found = await targetsFrom(db, 1, this.#next + 2 * count);
    // One between two, as some cases take the block before.
    const taken = found.slice(this.#next + 1, this.#next + 1 + count);
    this.#next += 2 * count;
    const [first] = taken;
    if (first === undefined || taken.length < count) throw new Error("the log has too few blocks: give more --events");
    return [first, taken.at(-1) as Target];
  }
}

class Attempt {
  constructor(
    private readonly cluster: Cluster,
    private readonly places: Places,
    private readonly one: TamperCase,
    private readonly role: "follower" | "leader",
  ) {}

  async run(): Promise<Outcome> {
    const { one, role } = this;
    const victim = await this.victim();
    const client = await MongoClient.connect(victim.mongodbUri);
    try {
      const db = client.db();
      const targets = await this.targets(db, victim);
      const before = (await this.alerts(victim)).map((alert) => JSON.stringify(alert));
      await one.act(db, targets);
      const at = performance.now();
      const isNew = (alert: Alert): boolean => !before.includes(JSON.stringify(alert));
      const found = await poll(
        async () => (await this.alerts(victim)).find((alert) => isNew(alert) && this.isMeant(alert, victim, targets)),
        { withinMs: GIVEN_UP_AFTER_MS, everyMs: LOOK_MS },
      );
      const foundMs = found === undefined ? null : performance.now() - at;
      const place = {
        what: one.what,
        where: one.where,
        role,
        node: victim.id,
        kind: found?.kind ?? (one.kinds[0] as string),
      };
      await this.forget(db);
      return { ...place, foundMs, wrong: found === undefined ? [] : this.wrongIn(found, targets) };
    } finally {
      await client.close();
    }
  }

  /** A node that is level with the others: one that is not has something else to do. */
  private async victim(): Promise<ClusterNode> {
    const { cluster, role } = this;
    const ready = await poll(
      async () => {
        const { node: leader } = await cluster.leader(READY_WITHIN_MS);
        const victim = role === "leader" ? leader : cluster.nodes.find(({ id }) => id !== leader.id);
        const statuses = await Promise.all(cluster.nodes.map(({ url }) => call(`${url}/livez`).catch(() => null)));
        const { body } = await call<{ nodes: { id: string; health: string; lagEvents: number }[] }>(
          `${leader.url}/api/v1/cluster`,
        );
        const isLevel = body.nodes.every(({ health, lagEvents }) => health !== "learner" && (lagEvents ?? 0) < 1_000);
        return statuses.every((answer) => answer?.status === 200) && isLevel ? victim : undefined;
      },
      { withinMs: READY_WITHIN_MS, everyMs: 200 },
    );
    if (ready === undefined) throw new Error(`No ${role} was ready within ${READY_WITHIN_MS / 1_000} s.`);
    return ready;
  }

  private async targets(db: Db, victim: ClusterNode): Promise<readonly [Target, Target]> {
    const { where } = this.one;
    if (where === "oldest") return this.places.oldest(db, 1);
    if (where === "many") return this.places.oldest(db, MANY_BLOCKS);
    await writeOne(victim.url);
    const target = await newTarget(db, victim.url);
    return [target, target];
  }

  /** As another node tells it. */
  private async alerts(victim: ClusterNode): Promise<readonly Alert[]> {
    const other = this.cluster.nodes.find(({ id, pid }) => id !== victim.id && pid !== undefined) as ClusterNode;
    const { body } = await call<{ alerts?: Alert[] }>(`${other.url}/api/v1/alerts?limit=500`).catch(() => ({
      body: {} as { alerts?: Alert[] },
    }));
    return body.alerts ?? [];
  }

  private isMeant(
    { kind, node, heights, detail }: Alert,
    victim: ClusterNode,
    [first, last]: readonly [Target, Target],
  ): boolean {
    const { kinds, where, isOnDetail } = this.one;
    if (!kinds.includes(kind) || node !== victim.id) return false;
    if (where === "none") return isOnDetail === undefined || detail.includes(isOnDetail);
    return covers(heights, first.height) && covers(heights, last.height);
  }

  private wrongIn({ sequences, differences = [] }: Alert, [first]: readonly [Target, Target]): string[] {
    const { namesEvent, fields } = this.one;
    const named = differences.filter(({ height }) => height === first.height).map(({ field }) => field);
    return [
      ...(namesEvent && !covers(sequences, first.sequence) ? [`event ${first.sequence} is not named`] : []),
      ...fields.filter((field) => !named.includes(field)).map((field) => `${field} is not named`),
    ];
  }

  /** What would be found again for ever is taken away. */
  private async forget(db: Db): Promise<void> {
    await blocksOf(db).deleteMany({ _id: "evil" });
  }
}

const covers = (ranges: readonly (readonly [number, number])[] = [], at: number): boolean =>
  ranges.some(([first, last]) => first <= at && at <= last);
