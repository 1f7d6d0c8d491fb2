import { fromHex, utf8 } from "../../shared/bytes.js";
import { type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import type { SimNode } from "./node.js";
import type { Random } from "./random.js";
import type { Outcome, Write } from "./requests.js";
import { check } from "./violation.js";
import type { World } from "./world.js";

export interface ClientProfile {
  readonly clients: number;
  readonly thinkMaxMs: number;
  readonly keyed: number;
  readonly batches: number;
  readonly conditional: number;
  /** A keyed write that is posted to two nodes at once. */
  readonly doubled: number;
  /** Several writes that are posted to one node at once. */
  readonly bursts: number;
}

export const TYPES = ["simulated", "simulated.now", "simulated.now.again", "other"] as const;
export const SOURCES = ["app-1", "app-2", "app-3", "app-4", "elected"] as const;
export const TIMES = [
  "2030-01-01T00:00:00Z",
  "2030-01-01T00:00:00.001Z",
  "2030-01-01T00:00:00.0014Z",
  "2030-01-01T01:00:00+01:00",
  "2031-05-05T12:00:00.000Z",
] as const;

interface EventsAsked {
  readonly source: string;
  readonly key?: string;
  readonly count?: number;
  readonly isOtherBody?: boolean;
  /** The sources of a batch's events, in turn. */
  readonly sources?: readonly string[];
}

type KeyedEvents = EventsAsked & { readonly key: string };

/** Events as a receiving node prepares them: new ids each time; the client's key, if it has one, always with the same body. */
export function prepare(random: Random, what: EventsAsked): PreparedEvent[] {
  const count = what.count ?? 1;
  return Array.from({ length: count }, (_, i) => {
    const body = `${what.key}${what.isOtherBody === true ? " of another" : ""} ${i}`;
    const n = what.key === undefined ? random.between(0, 19) : what.key.length + i;
    const payload = utf8(what.key === undefined ? `{"m":["x",${n % 10}],"n":${n}}` : `{"n":"${body}"}`);
    const payloadSalt = fromHex(random.hex(16));
    return {
      id: random.hex(12),
      eventType: TYPES[n % TYPES.length] as string,
      timestamp: TIMES[n % TIMES.length] as string,
      sourceAppId: what.sources?.[i % what.sources.length] ?? what.source,
      payload,
      payloadSalt,
      payloadHash: payloadCommitment(payloadSalt, payload),
      ...(what.key === undefined ? {} : { idempotencyKey: what.key }),
      ...(count === 1 ? {} : { batch: [i, count] as const }),
    };
  });
}

/** Clients that write to any node, try again with their key when they are not sure, and keep every answer. */
export class Clients {
  isStopped = false;
  waiting = 0;
  private requests = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly profile: ClientProfile,
  ) {
    for (let i = 0; i < profile.clients; i++) this.think(`app-${i + 1}`);
    this.readLater();
  }

  /** Linearizable reads on whoever thinks that it leads, and most of all while two do. */
  private readLater(): void {
    const { world } = this;
    world.afterElection = (elected) => {
      // A write at once, so that there is something that a deposed leader does not know.
      const write = { events: prepare(this.random, { source: "elected" }) };
      world.scheduler.after(1, () =>
        elected.process?.run(() => elected.write(write, (outcome) => world.checkers.ledger.onAnswer(write, outcome))),
      );
      for (const delayMs of READS_AFTER_ELECTION_MS)
        world.scheduler.after(delayMs, () => {
          this.readAtLeaders(2);
          if (!this.isStopped) this.conditionAtLeaders();
        });
    };
    world.scheduler.after(this.random.between(0, 2 * this.profile.thinkMaxMs), () => {
      this.readAtLeaders(1);
      if (!this.isStopped) this.readLater();
    });
  }

  /** While two think that they lead, each is asked to go on from the head, which one of them does not know. */
  private conditionAtLeaders(): void {
    const leaders = this.world.nodes.filter((node) => node.standing.role === "leader");
    if (leaders.length < 2) return;
    const { history, ledger } = this.world.checkers;
    for (const node of leaders) {
      const ifPreviousHash = history.events.at(-1)?.event.hash ?? "";
      const write = { events: prepare(this.random, { source: "conditional" }), ifPreviousHash };
      const judge = ledger.beginCondition(ifPreviousHash);
      node.process?.run(() =>
        node.write(write, (outcome) => {
          judge(outcome);
          ledger.onAnswer(write, outcome);
        }),
      );
    }
  }

  private readAtLeaders(atLeast: number): void {
    const leaders = this.world.nodes.filter((node) => node.standing.role === "leader");
    if (leaders.length < atLeast) return;
    for (const node of leaders) {
      const answer = this.world.checkers.ledger.beginRead(node.id);
      // One that is stopped finds the request when it goes on: it may have been deposed meanwhile.
      node.process?.run(() => node.read(answer));
    }
  }

  private think(source: string): void {
    this.world.scheduler.after(this.random.between(0, this.profile.thinkMaxMs), () => {
      if (!this.isStopped) this.write(source);
    });
  }

  private write(source: string): void {
    const { random, profile } = this;
    this.requests += 1;
    if (random.chance(profile.keyed)) {
      const what = this.withKey(source);
      const goals = random.chance(profile.doubled) ? 2 : 1;
      let open = goals;
      for (let i = 0; i < goals; i++)
        this.keyed(what, KEYED_ATTEMPTS, () => {
          open -= 1;
          if (open === 0) this.think(source);
        });
      return;
    }
    if (random.chance(profile.bursts)) {
      const node = random.pick(this.world.nodes);
      for (let i = random.between(1, 6); i > 0; i--) this.post({ events: prepare(random, { source }) }, () => {}, node);
    }
    const count = random.chance(profile.batches) ? random.between(2, 4) : 1;
    const isConditional = random.chance(profile.conditional);
    const head = isConditional ? this.world.nodes.find((node) => node.isUp)?.view.headHash : undefined;
    const events = prepare(random, { source, count });
    this.post({ events, ...(head === undefined ? {} : { ifPreviousHash: head }) }, () => this.think(source));
  }

  /** Now and then a key that others use as well, in their own sources; and batches, of several sources. */
  private withKey(source: string): KeyedEvents {
    const { random, profile } = this;
    const key = random.chance(SHARED) ? `shared-${this.requests >> 2}` : `key-${this.requests}`;
    if (!random.chance(profile.batches)) return { source, key };
    return { source, key, count: random.between(2, 4), sources: [source, random.pick(SOURCES), random.pick(SOURCES)] };
  }

  /** Posts again, wherever, until it is told that the event is written: the same key each time. */
  private keyed(what: KeyedEvents, attempts: number, done: () => void): void {
    // Somebody uses the key for something else: that one or this one is refused.
    if (this.random.chance(what.sources === undefined ? REUSED : REUSED_OF_BATCHES)) {
      const alone = { key: what.key, source: what.sources?.at(-1) ?? what.source };
      const other = this.random.chance(0.5) ? what : alone;
      this.post({ events: prepare(this.random, { ...other, isOtherBody: true }) }, () => {});
    }
    this.post({ events: prepare(this.random, what) }, (outcome) => {
      const isSettled = outcome !== null && (outcome.kind === "written" || outcome.kind === "key_reused");
      if (isSettled || attempts <= 1 || this.isStopped) return done();
      this.world.scheduler.after(this.random.between(5, 200), () => this.keyed(what, attempts - 1, done));
    });
  }

  /** One request to one node; null when the connection failed or the client lost patience. */
  private post(write: Write, then: (outcome: Outcome | null) => void, at: SimNode | null = null): void {
    const { world } = this;
    const node = at ?? this.random.pick(world.nodes);
    const judge =
      write.ifPreviousHash === undefined ? null : world.checkers.ledger.beginCondition(write.ifPreviousHash);
    let isAnswered = false;
    this.waiting += 1;
    const answer = (outcome: Outcome | null): void => {
      // What arrives late is still a promise: the client may have read it from the socket before it gave up.
      if (outcome !== null) {
        judge?.(outcome);
        world.checkers.ledger.onAnswer(write, outcome);
      }
      if (isAnswered) return;
      isAnswered = true;
      this.waiting -= 1;
      then(outcome);
    };
    world.scheduler.after(this.random.between(1, 3), () => {
      if (!node.isUp) return answer(null);
      node.process?.run(() => node.write(write, answer));
    });
    world.scheduler.after(node.requestTimeoutMs + CLIENT_PATIENCE_MS, () => answer(null));
  }

  /** I11: a write through this node is acknowledged within the time, though it may have to be tried again. */
  probe(nodeId: string, withinMs: number): void {
    const { world } = this;
    const node = world.node(nodeId);
    const { requestTimeoutMs } = node;
    const deadline = world.scheduler.now + withinMs;
    let last = "no answer";
    while (last !== "written" && world.scheduler.now < deadline) {
      if (!world.runUntil(() => node.isUp, deadline - world.scheduler.now)) break;
      const write = { events: prepare(this.random, { source: "probe", key: `${nodeId} ${deadline}` }) };
      let answered = false;
      node.write(write, (outcome) => {
        answered = true;
        last = outcome.kind;
        world.checkers.ledger.onAnswer(write, outcome);
      });
      const isAnswered = (): boolean => answered || !node.isUp;
      world.runUntil(isAnswered, Math.min(requestTimeoutMs + CLIENT_PATIENCE_MS, deadline - world.scheduler.now));
    }
    check(last === "written", "I11", () => `a write to ${nodeId} ended as ${last}, ${withinMs} ms after it was sent`);
  }
}

const READS_AFTER_ELECTION_MS = [20, 60, 120, 250, 500, 800];
const KEYED_ATTEMPTS = 4;
const REUSED = 0.02;
/** One of its sources at the same time, by itself. */
const REUSED_OF_BATCHES = 0.3;
const SHARED = 0.2;
const CLIENT_PATIENCE_MS = 200;
