import type { BulkEnd, Effect, Input, ReplicaView } from "../../../cluster/types.js";
import type { Height, NodeId } from "../../../shared/ids.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import {
  type Actor,
  type BareInput,
  ELECTION_TIMEOUT_MS,
  newActor,
  REQUEST_TIMEOUT_MS,
  replicaOf,
  type StageOptions,
} from "./actor.js";
import { Requests } from "./events.js";
import { Judge } from "./judge.js";
import { noteNames, sayBlock, sayEffect, sayMessage, sayOperation } from "./say.js";
import { Teller } from "./teller.js";
import { Wire } from "./wire.js";

const TICK_MS = 50;
const EPOCH_MS = Date.UTC(2030, 0, 1);

/** A message with blocks whose sender has not been told how it ended. */
interface Bulk {
  readonly message: PeerMessage;
  readonly end: BulkEnd;
  readonly at: number;
}

/** The moments at which nodes tick; what a node does some milliseconds later is told as of then. */
const onGrid = (now: number): number => Math.floor(now / TICK_MS) * TICK_MS;

/**
 * A cluster of real replicas under a manual clock. Nothing is late or lost unless the story says so: a message is
 * delivered, and a disk has written, before the clock moves on. All that happens is told line by line.
 */
export class Stage {
  readonly wire = new Wire();
  readonly requests = new Requests();
  readonly actors: readonly Actor[];
  private readonly judge = new Judge();
  /** What every node's wall clock shows. */
  get wallMs(): number {
    return EPOCH_MS + this.now;
  }
  readonly teller = new Teller(() => onGrid(this.now));
  private now = 0;
  private readonly since = new Map<string, Height>();
  private bulk: Bulk[] = [];

  constructor(private readonly options: StageOptions) {
    this.actors = Array.from({ length: options.nodes }, (_, i) => newActor(i, options, (text) => this.say(text)));
  }

  find(id: NodeId): Actor {
    const actor = this.actors.find((it) => it.id === id);
    if (actor === undefined) throw new Error(`there is no ${id}`);
    return actor;
  }

  view(actor: Actor): ReplicaView {
    if (actor.replica === null) throw new Error(`${actor.id} is down`);
    return actor.replica.view(this.now + actor.aheadMs);
  }

  say(text: string): void {
    this.teller.say(text);
  }

  /** Of a write that this node gets now, by its own clock. */
  deadline(actor: Actor): number {
    return this.now + actor.aheadMs + REQUEST_TIMEOUT_MS;
  }

  /** What a write cannot stand at or below: known to be committed before its first attempt. */
  sinceHeight(actor: Actor, name: string): Height {
    const known = this.since.get(name) ?? this.view(actor).knownCommitHeight;
    this.since.set(name, known);
    return known;
  }

  // --- Processes and disks -----------------------------------------------------------------------------------------

  start(id: NodeId): void {
    const actor = this.find(id);
    if (actor.replica !== null) throw new Error(`${id} is up already`);
    actor.boots += 1;
    const { store } = actor;
    const boot = store.boot();
    const configured = actor.members.map((it) => ({ id: it, priority: this.find(it).priority }));
    actor.replica = replicaOf(actor, { boot, configured, options: this.options });
    const { term, votedFor } = store.hardState;
    const vote = votedFor === null ? "" : `, vote for ${votedFor}`;
    this.say(`${id} starts: log #${store.blocks.length}, commit #${boot.commitHeight}, t${term}${vote}`);
    this.step(actor, { kind: "tick" });
    this.settle();
  }

  /** `landed`: so many of the operations that its disk was given reach it, and the process never hears of them. */
  crash(id: NodeId, landed = 0): void {
    const actor = this.find(id);
    actor.replica = null;
    this.say(`${id} crashes`);
    for (const [i, operation] of actor.operations.entries()) {
      if (i < landed) actor.store.apply(operation);
      this.say(`${id} disk ${i < landed ? "has, unheard" : "never got"}: ${sayOperation(operation)}`);
    }
    Object.assign(actor, { operations: [], inbox: [], answers: [], isPaused: false, isDiskHeld: false });
    actor.writes.die();
    this.endBulk(({ message }) => message.to === id, "failed");
  }

  resume(id: NodeId): void {
    const actor = this.find(id);
    actor.isPaused = false;
    this.say(`${id} resumes with ${actor.inbox.length} messages waiting`);
    // The worst order: its overdue timer fires before its sockets are read.
    this.step(actor, { kind: "tick" });
    for (const input of actor.inbox.splice(0)) this.step(actor, input);
    this.settle();
  }

  /** It never stored its newest blocks, which it has acknowledged: more than crashes can do, so nothing is promised. */
  lied(id: NodeId, count: number): void {
    this.judge.promisesNothing();
    const gone = this.find(id).store.blocks.splice(-count);
    this.say(`${id} lied: it never stored ${gone.map(({ block }) => sayBlock(block)).join(", ")}`);
  }

  /** What its disk is given waits until the story writes it. */
  holdDisk(id: NodeId): void {
    this.find(id).isDiskHeld = true;
  }
  freeDisk(id: NodeId): void {
    this.find(id).isDiskHeld = false;
    this.settle();
  }

  // --- Time --------------------------------------------------------------------------------------------------------

  run(durationMs: number): void {
    const end = onGrid(this.now) + durationMs;
    while (this.now < end) {
      this.now = Math.min(end, onGrid(this.now) + TICK_MS);
      this.endBulk(({ at }) => at <= this.now);
      this.tick(this.actors);
    }
  }

  until(what: string, isSo: () => boolean, withinMs = 60_000): void {
    const end = this.now + withinMs;
    while (!isSo()) {
      if (this.now >= end)
        throw new Error(`within ${withinMs} ms it was not so that ${what}:\n${this.teller.told().join("\n")}`);
      this.run(TICK_MS);
    }
  }

  /** Only this node's clock runs until it stops following: it hears nothing meanwhile. */
  timeout(id: NodeId): void {
    const actor = this.find(id);
    for (let waited = 0; this.view(actor).role === "follower"; waited += TICK_MS) {
      if (waited > 5 * ELECTION_TIMEOUT_MS) throw new Error(`${id} waits for ever`);
      actor.aheadMs += TICK_MS;
      this.tick([actor]);
    }
  }

  private tick(actors: readonly Actor[]): void {
    for (const actor of actors) {
      if (actor.replica === null || actor.isPaused) continue;
      this.step(actor, { kind: "tick" });
      this.settle();
    }
  }

  // --- Inputs and effects --------------------------------------------------------------------------------------------

  input(id: NodeId, input: BareInput): void {
    const actor = this.find(id);
    if (actor.isPaused) actor.inbox.push(input);
    else this.step(actor, input);
    this.settle();
  }

  private step(actor: Actor, bare: BareInput): void {
    const { replica } = actor;
    if (replica === null) return;
    const wall = new Date(this.wallMs).toISOString();
    const effects = replica.step({ ...bare, now: this.now + actor.aheadMs, wall } as Input);
    for (const effect of effects) this.perform(actor, effect);
  }

  private perform(actor: Actor, effect: Effect): void {
    const { id, store } = actor;
    const text = sayEffect(id, effect);
    if (text !== null) this.say(`${id} ${text}`);
    actor.writes.onEffect(effect);
    switch (effect.kind) {
      case "send":
        this.wire.underWay.push(effect.message);
        return;
      case "save_state":
      case "save_mark":
      case "store_block":
      case "truncate":
        if (effect.kind === "store_block") noteNames(effect.block, effect.events);
        actor.operations.push(effect);
        if (actor.isDiskHeld) this.say(`${id} disk waits: ${sayOperation(effect)}`);
        return;
      case "look_up_key": {
        const found = store.findByKey(effect.sourceAppId, effect.idempotencyKey);
        actor.answers.push({ kind: "key_looked_up", proposalId: effect.proposalId, found });
        return;
      }
      case "read_blocks": {
        const blocks = store.blocks.slice(effect.from - 1, effect.from + 7).map(({ block }) => block);
        actor.answers.push({ kind: "blocks_read", readId: effect.readId, blocks });
        return;
      }
      case "committed":
        this.judge.onCommitted(id, effect.blocks);
        store.clusterId = this.view(actor).clusterId;
        store.committed = effect.height;
        return;
      case "role_changed":
        if (effect.role === "leader") this.judge.onLeader(id, effect.term);
        return;
      default:
        return;
    }
  }

  /** Until nothing moves: disks first, then each node's own look-ups, then the oldest message. */
  settle(): void {
    for (;;) {
      const writing = this.actors.find((it) => this.isAwake(it) && !it.isDiskHeld && it.operations.length > 0);
      if (writing !== undefined) this.write(writing);
      else if (!this.answerOne() && !this.deliverOne() && !this.wakeOne()) return;
    }
  }

  private isAwake = (actor: Actor): boolean => actor.replica !== null && !actor.isPaused;

  /** The oldest operation of its queue becomes durable. */
  write(actor: Actor): void {
    const operation = actor.operations.shift();
    if (operation === undefined) throw new Error(`the disk of ${actor.id} has nothing to do`);
    if (operation.kind === "truncate")
      for (const { block } of actor.store.blocks.slice(operation.from - 1)) this.judge.onTruncated(actor.id, block);
    actor.store.apply(operation);
    this.say(`${actor.id} disk: ${sayOperation(operation)}`);
    this.step(actor, { kind: "stored", opId: operation.opId });
  }

  private answerOne(): boolean {
    const actor = this.actors.find((it) => this.isAwake(it) && it.answers.length > 0);
    const answer = actor?.answers.shift();
    if (actor === undefined || answer === undefined) return false;
    this.step(actor, answer);
    return true;
  }

  /** A commit that rides on no append leaves some milliseconds later. */
  private wakeOne(): boolean {
    const actor = this.actors.find((it) => this.isAwake(it) && typeof it.replica?.wakeAt === "number");
    if (actor === undefined) return false;
    this.now = Math.max(this.now, (actor.replica?.wakeAt ?? 0) - actor.aheadMs);
    this.step(actor, { kind: "tick" });
    return true;
  }

  // --- Messages ------------------------------------------------------------------------------------------------------

  private deliverOne(): boolean {
    const message = this.wire.underWay.shift();
    if (message === undefined) return false;
    const isRoutine = this.teller.isRoutine(message);
    if (this.wire.isLost(message)) {
      if (!isRoutine) this.teller.sayUndelivered(message, "lost");
      this.endLater(message);
    } else if (this.wire.isHeld(message)) {
      this.wire.held.push(message);
      if (!isRoutine) this.teller.sayUndelivered(message, "held");
      this.endLater(message);
    } else this.deliver(message, isRoutine);
    return true;
  }

  /**
   * What the sender's transport says of a message with blocks: it is given up when for a timeout nothing of it arrives; and
   * after half of one the receiver says at least that it has it.
   */
  private endLater(message: PeerMessage, end: BulkEnd = "failed"): void {
    const afterMs = end === "failed" ? ELECTION_TIMEOUT_MS : ELECTION_TIMEOUT_MS / 2;
    if (message.blocks.length > 0) this.bulk.push({ message, end, at: this.now + afterMs });
  }

  private endBulk(isDue: (bulk: Bulk) => boolean, how?: BulkEnd): void {
    const due = this.bulk.filter(isDue);
    this.bulk = this.bulk.filter((bulk) => !isDue(bulk));
    for (const { message, end } of due) this.end(message, how ?? end);
  }

  private end({ from, to, body }: PeerMessage, end: BulkEnd): void {
    const sender = this.find(from);
    if (body.kind === "append" && this.isAwake(sender))
      this.step(sender, { kind: "bulk_over", peer: to, round: body.round, end });
  }

  /** Heartbeats, and acks that say nothing new, are told only where something comes of them. */
  deliver(message: PeerMessage, isRoutine = false): void {
    const receiver = this.find(message.to);
    if (receiver.isPaused) {
      receiver.inbox.push({ kind: "message", message });
      return this.endLater(message);
    }
    if (receiver.replica === null) {
      if (!isRoutine) this.teller.sayUndelivered(message, `refused, ${message.to} is down`);
      this.step(this.find(message.from), { kind: "unreachable", peer: message.to });
      if (message.blocks.length > 0) this.end(message, "unreachable");
      return;
    }
    const at = this.teller.count;
    this.say(sayMessage(message));
    this.endLater(message, "delivered");
    this.step(receiver, { kind: "message", message });
    if (isRoutine) this.teller.dropIfNothingCame(at);
  }
}
