import { randomBytes } from "node:crypto";
import { type Cluster, type Leader, startCluster } from "../cluster/cluster.js";
import type { MemberEvent } from "../cluster/member.js";
import { INTEGRITY_FAILURE } from "../command.js";
import { firstOf } from "../judge/first-of.js";
import { LogAudit, type LogReport } from "../kill/check-log.js";
import { alertsSince, healed, settledSequence } from "../kill/health.js";
import { Load } from "../kill/load.js";
import { messageOf } from "../project.js";
import { keepEvidence } from "./evidence.js";
import { type Fault, FaultDeck } from "./faults.js";
import { describeTargets, inject, targetsOf } from "./inject.js";
import type { RoundsOptions } from "./options.js";
import { type Pause, pauseTable } from "./summary.js";
import { describeElections, electionsAfter, LeaderWatch, seconds } from "./watch.js";

const NEW_WRITE_WITHIN_MS = 90_000;
/** Between two faults this many writes are acknowledged: enough to be under load, and in the new leader's term. */
const WRITES_BETWEEN_FAULTS = 100;

export class IntegrityError extends Error {
  constructor(readonly faults: string[]) {
    super(
      `INTEGRITY FAILURE: ${faults.length} faults, of which the first are:\n  - ${firstOf(faults, 20).join("\n  - ")}`,
    );
  }
}

/** Starts a cluster, breaks and heals it round by round, and answers the exit code. */
export async function runRounds(options: RoundsOptions): Promise<number> {
  const story: string[] = [];
  const say = (line: string) => {
    story.push(`${new Date().toISOString()}  ${line}`);
    console.log(line);
  };
  say(`Chaos on ${options.nodes} nodes, ${options.writers} writers, seed ${options.seed}.`);
  const deaths = new Deaths(say);
  const cluster = await startCluster({
    nodes: options.nodes,
    onEvent: (event) => deaths.note(event),
    ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
  });
  const abandon = () => {
    cluster.abandon();
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  try {
    await new ChaosRun(cluster, options, say).run();
    return 0;
  } catch (error) {
    say(messageOf(error));
    const faults = error instanceof IntegrityError ? error.faults : [];
    const sequences = faults.flatMap((fault) => /\b(?:at|event) (\d+)/.exec(fault)?.[1] ?? []).map(Number);
    say(`Evidence: ${await keepEvidence(cluster, [...story, ...faults], sequences)}`);
    return error instanceof IntegrityError ? INTEGRITY_FAILURE : 1;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
    await cluster.stop();
  }
}

/** Ends that no fault asked for: a planned stop is one with exit code 0, told by the same event. */
class Deaths {
  constructor(private readonly say: (line: string) => void) {}
  note(event: MemberEvent): void {
    if (event.kind === "died" && event.reason !== "it ended with exit code 0")
      this.say(`      ${event.program}: ${event.reason}`);
    if (event.kind === "down") this.say(`      ${event.program} stays down: ${event.reason}`);
    if (event.kind === "fatal") this.say(`      a node is fatally wrong: ${event.detail}`);
  }
}

class ChaosRun {
  readonly #urls: string[];
  readonly #load: Load;
  readonly #audit: LogAudit;
  readonly #pauses: Pause[] = [];
  readonly #startedAt = new Date();

  constructor(
    private readonly cluster: Cluster,
    private readonly options: RoundsOptions,
    private readonly say: (line: string) => void,
  ) {
    this.#urls = cluster.nodes.map(({ url }) => url);
    const runId = randomBytes(4).toString("hex");
    this.#load = new Load({ urls: this.#urls, runId, sourceAppId: "chaos", isMixed: true });
    this.#audit = new LogAudit(this.#urls);
  }

  async run(): Promise<void> {
    const { seed, nodes, kinds, writers } = this.options;
    const deck = new FaultDeck(seed, nodes, kinds);
    const rounds = this.options.mongodKills ?? this.options.rounds;
    this.#load.start(writers);
    for (let round = 1; round <= rounds; round++) {
      await this.#load.moreAcknowledged(WRITES_BETWEEN_FAULTS, NEW_WRITE_WITHIN_MS);
      const leader = await this.cluster.leader(NEW_WRITE_WITHIN_MS);
      const fault = this.options.mongodKills === undefined ? deck.next() : mongodKill(round, nodes);
      await this.#round(round, fault, leader);
    }
    await this.#load.moreAcknowledged(WRITES_BETWEEN_FAULTS, NEW_WRITE_WITHIN_MS);
    await this.#load.stop();
    await this.#finish(rounds);
  }

  async #round(round: number, fault: Fault, leader: Leader): Promise<void> {
    const targets = targetsOf(this.cluster, fault, leader.node.id);
    this.say(`${String(round).padStart(4)}  ${fault.kind.padEnd(14)}${describeTargets(targets, fault.lastsMs)}`);
    const atMs = performance.now();
    const watch = new LeaderWatch(this.#urls, { atMs, term: leader.term });
    const probing = this.#load.probe(atMs);
    try {
      const first = probing.firstAcknowledgement(NEW_WRITE_WITHIN_MS);
      const [{ gapMs }] = await Promise.all([first, inject(this.cluster, targets, fault.lastsMs)]);
      const promised = this.#load.highestSequence;
      await healed(this.cluster, promised);
      const healedMs = performance.now() - atMs;
      const { stallMs } = probing.stop();
      this.#pauses.push({ kind: fault.kind, gapMs, stallMs });
      const changes = await watch.stop();
      const recorded = await electionsAfter(this.#urls[0] as string, leader.term);
      const elections = describeElections(changes, recorded);
      const pause = `writes paused ${seconds(gapMs)} (longest stall ${seconds(stallMs)})`;
      this.say(`      ${elections}; ${pause}; healed after ${seconds(healedMs)}`);
      this.#judge(await this.#audit.check(this.#load, promised));
    } finally {
      probing.stop();
      await watch.stop();
    }
  }

  /** Every log once more from its first event, by an audit that knows nothing. */
  async #finish(rounds: number): Promise<void> {
    const { acknowledged, refused, unknown, batches } = this.#load;
    const report = await new LogAudit(this.#urls).checkToEnd(this.#load, await settledSequence(this.cluster));
    this.say(`\n${rounds} rounds; ${acknowledged.size} events acknowledged (${batches} batches were sent).`);
    this.say(`Sent once, without a key: ${refused.size} events refused, ${unknown} writes with an unknown outcome.`);
    this.say(
      "\nPause: from the fault to the first newly begun write that was acknowledged. Stall: the longest time without",
    );
    this.say("any acknowledgement, from the fault until all was healed.\n");
    for (const line of pauseTable(this.#pauses)) this.say(line);
    const alerts = await alertsSince(this.#urls[0] as string, this.#startedAt);
    this.#judge({ ...report, faults: [...report.faults, ...alerts.map((alert) => `an alert: ${alert}`)] });
    this.say(
      `\nAll ${this.options.nodes} nodes hold the same ${report.events} events (head ${report.head.slice(0, 16)}…);`,
    );
    this.say(
      "every acknowledged event is there once, in its place and unchanged; none that was refused is; no node accuses another.",
    );
  }

  #judge(report: LogReport): void {
    const faults = [...this.#load.faults, ...report.faults];
    if (faults.length > 0) throw new IntegrityError(faults);
  }
}

/** In turn, and the leader's every second time. */
function mongodKill(round: number, nodes: number): Fault {
  const rank = round % 2 === 1 ? 0 : 1 + ((round / 2 - 1) % Math.max(1, nodes - 1));
  const kind = rank === 0 ? "leader mongod" : "other mongod";
  return { kind, blows: [{ rank: rank % nodes, act: "kill", programs: ["mongod"] }], lastsMs: 100 };
}
