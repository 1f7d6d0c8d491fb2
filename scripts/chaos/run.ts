import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startCluster } from "../cluster/cluster.js";
import { endOf } from "../cluster/ends.js";
import type { MemberEvent } from "../cluster/member.js";
import { HISTORY_FILE, logFileOf } from "../judge/cli.js";
import { messageOf } from "../lib/project.js";
import { UsageError } from "../lib/usage.js";
import { Network } from "../proxy/network.js";
import { Clients } from "./clients/clients.js";
import { dumpLog } from "./dump.js";
import { copyLogs, keepData } from "./evidence.js";
import { definitionOf, isOnLinks } from "./faults/catalogue.js";
import { FailPoints, MONGOD_ARGS } from "./faults/fail-points.js";
import type { Field } from "./faults/fault.js";
import { alertsSince, healed, settledSequence } from "./health.js";
import { History } from "./history.js";
import { judged } from "./judged.js";
import type { RunOptions } from "./options.js";
import { writeReport } from "./report/report.js";
import { type Episode, type PlannedFault, Schedule } from "./schedule.js";
import { LeaderWatch, seconds } from "./watch.js";

const LEADER_WITHIN_MS = 240_000;
/** A node gives a write up after its request timeout (5 s): then every outcome is decided. */
const DECIDED_AFTER_MS = 6_000;
const SPACE_THAT_NO_DISK_HAS = "999999999999999";

/** Puts a cluster under load and faults, judges what came of it, and answers the exit code. */
export async function runChaos(options: RunOptions): Promise<number> {
  const folder = options.out === undefined ? mkdtempSync(join(tmpdir(), "quorumlog-chaos-")) : resolve(options.out);
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new UsageError(`--out ${folder}: the folder is not empty.`);
  const ids = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
  const network = await Network.open(ids);
  const history = new History(join(folder, HISTORY_FILE));
  const { seed, names } = options;
  history.add({ type: "run", format: 1, seed, nodes: ids, startedAt: new Date().toISOString(), faults: [...names] });
  const story = new Story(history);
  story.say(`Chaos on ${options.nodes} nodes, ${describeLength(options)}, seed ${seed}. Results: ${folder}`);
  const shortOfSpace = new Set<string>();
  const isProxied = names.some(isOnLinks);
  const cluster = await startCluster({
    ids: [...ids],
    nodes: options.nodes,
    ports: [...network.ports],
    mongodArgs: MONGOD_ARGS,
    nodeEnv: (id, uri) => ({
      ...(isProxied ? network.environmentOf(id, uri) : {}),
      ...(shortOfSpace.has(id) ? { DISK_FREE_MIN_BYTES: SPACE_THAT_NO_DISK_HAS } : {}),
    }),
    onEvent: (event) => story.note(event),
  });
  const abandon = () => {
    cluster.abandon();
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  const field = { cluster, network, failPoints: new FailPoints(cluster), shortOfSpace, otherState: new Set<string>() };
  const run = new ChaosRun(field, history, story, options);
  let early: string | undefined;
  try {
    try {
      await run.run();
      await run.settle();
    } catch (error) {
      early = `The run ended early: ${messageOf(error)}`;
      story.say(early);
    }
    await run.dump(folder);
    await history.close();
    const { lines, exitCode } = await judged(folder, run.findings, early);
    for (const line of await writeReport(folder, { verdict: lines, isSound: exitCode === 0, links: network.counts() }))
      console.log(line);
    if (exitCode !== 0) await keepData(cluster, folder);
    return exitCode;
  } catch (error) {
    story.say(`The run cannot be judged: ${messageOf(error)}`);
    await keepData(cluster, folder);
    return 1;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    copyLogs(cluster, folder);
    writeFileSync(join(folder, "story.txt"), `${story.lines.join("\n")}\n`);
    await cluster.stop();
    await network.close();
    console.log(`Results: ${folder}`);
  }
}

function describeLength({ minutes, rounds }: RunOptions): string {
  const lengths = [
    ...(rounds === undefined ? [] : [`${rounds} rounds`]),
    ...(minutes === undefined ? [] : [`${minutes} minutes`]),
  ];
  return lengths.join(", at most ");
}

/** What happens, for the terminal, the story and the history. */
class Story {
  readonly lines: string[] = [];
  /** Nodes and mongods that ended by themselves, which no fault here may bring about. */
  readonly crashes: string[] = [];

  constructor(private readonly history: History) {}

  say(line: string): void {
    const atMs = this.history.now();
    this.history.add({ type: "note", at: atMs, text: line });
    this.lines.push(`${seconds(atMs).padStart(9)}  ${line}`);
    console.log(this.lines.at(-1));
  }

  note(event: MemberEvent): void {
    const end = endOf(event);
    if (end === undefined) return;
    this.say(`    ${end.text}`);
    if (end.isCrash) this.crashes.push(end.text);
  }
}

class ChaosRun {
  /** Crashes and alerts, which no fault may bring about; the judge has findings of its own. */
  findings: string[] = [];
  readonly #clients: Clients;
  readonly #urls: string[];
  readonly #startedAt = new Date();
  #last = -1;

  constructor(
    private readonly field: Field,
    private readonly history: History,
    private readonly story: Story,
    private readonly options: RunOptions,
  ) {
    const { nodes } = field.cluster;
    this.#urls = nodes.map(({ url }) => url);
    const { writers, readers, seed } = options;
    this.#clients = new Clients({ nodes, history, writers, readers, seed });
  }

  async run(): Promise<void> {
    const { minutes, rounds = Number.POSITIVE_INFINITY } = this.options;
    const schedule = new Schedule({ ...this.options, isOneAtATime: this.options.rounds !== undefined });
    const since = { atMs: performance.now() - this.history.now(), term: 0 };
    const watch = new LeaderWatch(this.#urls, since, ({ afterMs, leaderId, term }) =>
      this.history.add({ type: "leader", at: afterMs, node: leaderId, term }),
    );
    this.#clients.start();
    try {
      const deadline = performance.now() + 60_000 * (minutes ?? Number.POSITIVE_INFINITY);
      for (let number = 1; number <= rounds && performance.now() < deadline; number++)
        await this.#episode(number, schedule.next());
    } finally {
      await this.#clients.stop();
      await watch.stop();
    }
  }

  /** Waits until every outcome is decided, and every node has it. */
  async settle(): Promise<void> {
    await sleep(DECIDED_AFTER_MS);
    this.#last = await settledSequence(this.field.cluster);
  }

  /** Every node's log, up to where all of them go if they have settled; and the alerts. */
  async dump(folder: string): Promise<void> {
    for (const { id, url } of this.field.cluster.nodes) {
      const file = join(folder, logFileOf(id));
      try {
        await dumpLog(url, this.#last, file);
      } catch (error) {
        // Once the nodes have settled, each must list its log.
        if (this.#last >= 0) throw error;
        rmSync(file, { force: true });
        this.story.say(`The log of ${id} is missing: ${messageOf(error)}`);
      }
    }
    const { otherState } = this.field;
    const alerts = await alertsSince(this.#urls[0] as string, this.#startedAt, otherState);
    this.findings = [...this.story.crashes, ...alerts.map((alert) => `an alert: ${alert}`)];
  }

  async #episode(number: number, { faults, calmMs }: Episode): Promise<void> {
    const { cluster } = this.field;
    const leader = await cluster.leader(LEADER_WITHIN_MS);
    const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== leader.node.id);
    const byRank = [leader.node.id, ...others];
    const start = this.history.now();
    const before = this.#clients.acknowledged;
    await Promise.all(faults.map((fault) => this.#fault(number, fault, byRank)));
    // A node that has died too often in a row stays down until it is asked for.
    await cluster.startAll();
    await healed(cluster, this.#clients.highestSequence);
    const end = this.history.now();
    this.history.add({ type: "episode", number, start, end });
    this.story.say(
      `      healed after ${seconds(end - start)}; ${this.#clients.acknowledged - before} events meanwhile`,
    );
    await sleep(calmMs);
  }

  async #fault(number: number, fault: PlannedFault, byRank: readonly string[]): Promise<void> {
    const { name, settings, lastsMs } = fault;
    const ids = fault.ranks.map((rank) => byRank[rank] as string);
    await sleep(fault.startsAfterMs);
    const how = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
    const detail = [ids.join(" "), ...how, seconds(lastsMs)].join(", ");
    this.story.say(`${String(number).padStart(4)}  ${name.padEnd(18)}${detail}`);
    const start = this.history.now();
    const heal = await definitionOf(name).strike(this.field, ids, settings);
    try {
      await sleep(lastsMs);
    } finally {
      await heal();
    }
    this.history.add({ type: "fault", name, nodes: ids, settings: { ...settings }, start, end: this.history.now() });
  }
}
