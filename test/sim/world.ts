import { DEFAULT_LIMITS, type ReplicaLimits } from "../../cluster/limits.js";
import type { LogMemory } from "../../node/replica/held-log.js";
import type { VerifiedTail } from "../../node/replica/verified-tail.js";
import type { WordedAlert } from "../../node/replica/wording.js";
import type { StoreError } from "../../node/storage/port.js";
import type { NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { QuestionTo } from "../../shared/protocol/requests.js";
import { BulkTransport } from "./bulk.js";
import { Checkers } from "./checkers/checkers.js";
import { assertDrains } from "./drain.js";
import { fakeKeys, useFastHasher } from "./fake-crypto.js";
import { Network } from "./network.js";
import { type NodeSurroundings, SimNode } from "./node.js";
import type { Exchange } from "./peers.js";
import type { SimProcess } from "./process.js";
import { Random } from "./random.js";
import { Scheduler } from "./scheduler.js";
import { DEFAULT_TIMING, type NodeTiming, type SimTiming } from "./timing.js";
import { Trace } from "./trace.js";
import { check, forgetViolations, noteError } from "./violation.js";
import { checkWireForm } from "./wire.js";

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  /** By node, n1 first; n1 ranks highest unless given. */
  readonly priorities?: readonly number[];
  readonly timing?: Partial<SimTiming>;
  readonly admitsNewKeys?: boolean;
  readonly expectsAlert?: (alert: WordedAlert) => boolean;
  /** How likely each peer notices by its closed connections that a process has ended; a half unless given. */
  readonly noticesEnd?: number;
  /** Every message is parsed by its schema and every block re-encoded: slower. */
  readonly checksWire?: boolean;
  readonly print?: (line: string) => void;
  /** Recoveries take no time, so that a scenario goes on with the node there; so unless a simulation says otherwise. */
  readonly recoversAtOnce?: boolean;
  readonly verifiedTail?: VerifiedTail;
  readonly timingOf?: Record<NodeId, Partial<NodeTiming>>;
  readonly limits?: Partial<ReplicaLimits>;
  readonly limitsOf?: Record<NodeId, Partial<ReplicaLimits>>;
  readonly memory?: Partial<LogMemory>;
  /** Payload paths that a process may be told to index; none unless given. */
  readonly indexedPaths?: readonly (readonly string[])[];
  /** Followers compare their heads with each other; not unless said. */
  readonly comparesHeads?: boolean;
  /** Nodes look after their databases; not unless said. */
  readonly isWatched?: boolean;
  readonly onExit?: (node: SimNode, error: StoreError) => void;
}

const MEMORY: LogMemory = {
  cacheBytesMax: 1_000_000,
  keyFilterBytes: 4_096,
  anchors: { pageHeights: 256, notesMax: 4_096 },
};
const VERIFIED_TAIL: VerifiedTail = { events: 100_000, blocksMax: 5_000, blocksMin: 256 };

/** A cluster in virtual time. Nothing here is random or late unless a fault or a scenario makes it so. */
export class World {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly trace: Trace;
  readonly network: Network;
  private readonly bulk: BulkTransport;
  readonly checkers: Checkers;
  readonly nodes: readonly SimNode[];
  private readonly byId: ReadonlyMap<NodeId, SimNode>;
  readonly timing: SimTiming;
  /** A hand on the wire: a false from any of them keeps the message from being sent. */
  readonly interceptors = new Set<(message: PeerMessage) => boolean>();
  /** The same, asked before all others: what they keep nobody else gets hold of, to send it later. */
  readonly muzzles = new Set<(message: PeerMessage) => boolean>();
  /** Whether connections between two nodes carry anything: one that does not turns out to be closed. */
  isConnected: (from: NodeId, to: NodeId) => boolean = () => true;
  /** Sees what goes each way of an exchange; where it says so, its connection breaks. */
  breaks: (exchange: Exchange, way: "question" | "answer", body: unknown) => boolean = () => false;
  /** Requests in which several writes were forwarded, and those of them that broke. */
  readonly together = { sent: 0, broken: 0 };
  onNewLeader: (node: SimNode) => void = () => {};
  afterElection: (node: SimNode) => void = () => {};
  /** Somebody put another block in the place of a committed one. */
  onReplaced: (node: SimNode, at: number) => void = () => {};

  constructor(private readonly options: WorldOptions) {
    useFastHasher();
    forgetViolations();
    assertDrains();
    this.random = new Random(options.seed);
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.trace = new Trace(() => this.scheduler.now, options.print ?? null);
    this.network = new Network(this.scheduler, this.random.fork());
    this.bulk = new BulkTransport(this);
    this.checkers = new Checkers(() => this.nodes, options.expectsAlert ?? (() => false));
    const { priorities } = options;
    const configured = Array.from({ length: options.nodes }, (_, i) => ({
      id: `n${i + 1}`,
      priority: priorities?.[i] ?? options.nodes - i,
    }));
    this.nodes = configured.map(({ id }) => this.createNode(id, configured));
    this.byId = new Map(this.nodes.map((node) => [node.id, node]));
  }

  private createNode(id: NodeId, configured: NodeSurroundings["configured"]): SimNode {
    const random = this.random.fork();
    const identity = { storeId: random.hex(16), keys: fakeKeys(random) };
    const node = new SimNode(id, identity, {
      scheduler: this.scheduler,
      random,
      trace: this.trace,
      checkers: this.checkers,
      timing: this.timing,
      timingOf: (of) => this.options.timingOf?.[of] ?? {},
      configured,
      admitsNewKeys: this.options.admitsNewKeys ?? true,
      recoversAtOnce: this.options.recoversAtOnce ?? true,
      verifiedTail: this.options.verifiedTail ?? VERIFIED_TAIL,
      limits: { ...DEFAULT_LIMITS, ...this.options.limits, ...this.options.limitsOf?.[id] },
      indexedPaths: this.options.indexedPaths ?? [[]],
      comparesHeads: this.options.comparesHeads ?? false,
      isWatched: this.options.isWatched ?? false,
      memory: { ...MEMORY, ...this.options.memory },
      onExit: (exited, error) => this.onExit(exited, error),
      transmit: (message) => this.transmit(message),
      exchange: (exchange) => this.exchange(exchange),
      close: (exchange) => this.close(exchange),
      onProcessEnd: (ended, process) => this.onProcessEnd(ended, process),
    });
    node.onEffect = (effect) => {
      if (effect.kind === "role_changed" && effect.role === "leader") {
        this.onNewLeader(node);
        this.afterElection(node);
      }
    };
    return node;
  }

  node = (id: NodeId): SimNode => {
    const node = this.byId.get(id);
    if (node === undefined) throw new Error(`there is no ${id}`);
    return node;
  };

  startAll(): void {
    for (const node of this.nodes) if (!node.isUp) node.start();
  }

  run(durationMs: number): void {
    this.scheduler.runUntil(this.scheduler.now + durationMs);
  }

  /** Runs in steps of some milliseconds until `condition` holds; says whether it did within the time. */
  runUntil(condition: () => boolean, withinMs: number): boolean {
    const end = this.scheduler.now + withinMs;
    while (!condition()) {
      if (this.scheduler.now >= end) return false;
      this.run(Math.min(10, end - this.scheduler.now));
    }
    return true;
  }

  /** The leader of the highest term among the nodes that are up, if it leads now. */
  get leader(): SimNode | undefined {
    let best: SimNode | undefined;
    for (const node of this.nodes)
      if (node.standing.role === "leader" && (best === undefined || node.standing.term > best.standing.term))
        best = node;
    return best;
  }

  private onExit(node: SimNode, error: StoreError): void {
    const { onExit } = this.options;
    check(onExit !== undefined, "exception", () => `${node.id} exits: ${error.message}`);
    onExit(node, error);
  }

  private transmit(message: PeerMessage): void {
    if (this.options.checksWire) checkWireForm(message);
    const isTaken = !passesAll(this.muzzles, message) || !passesAll(this.interceptors, message);
    if (message.blocks.length > 0) this.bulk.send(message, isTaken);
    else if (!isTaken) this.network.send(message.from, message.to, () => this.deliver(message));
  }

  /** A process that ends closes its connections; some peers notice at once, and say "gone". */
  private onProcessEnd(ended: SimNode, process: SimProcess): void {
    const probability = this.options.noticesEnd ?? 0.5;
    for (const { from, onBroken } of process.peers.answering)
      if (this.random.chance(probability)) this.network.send(ended.id, from, onBroken);
    for (const exchange of process.peers.asking) if (this.random.chance(probability)) this.close(exchange);
    for (const peer of this.nodes) {
      if (peer === ended || !this.random.chance(probability)) continue;
      this.network.send(ended.id, peer.id, () => {
        // A refused probe precedes it: a process that is back already answers that probe.
        if (!ended.isUp) peer.input({ kind: "gone", peer: ended.id });
      });
    }
  }

  /** Hands a message to its receiver, past the network. */
  deliver = (message: PeerMessage): void => {
    const receiver = this.node(message.to);
    if (receiver.isUp) return receiver.receive(message);
    const sender = this.node(message.from);
    if (sender.isUp && this.random.chance(REFUSES)) sender.input({ kind: "unreachable", peer: message.to });
  };

  /** A question of one node to another one, over a connection. */
  private exchange(exchange: Exchange): void {
    if (isSeveralWrites(exchange)) this.together.sent += 1;
    // A connection may turn out to be closed after the question has gone into it, and perhaps has arrived.
    const isStale = this.random.chance(this.network.profile.duplication);
    if (isStale) this.ask(exchange, () => undefined);
    if (isStale && exchange.isSentOnce) return this.break(exchange);
    this.ask(exchange, (answer) => {
      const { to, from, onAnswer } = exchange;
      if (this.breaks(exchange, "answer", answer.body)) return this.break(exchange);
      this.carry(exchange, [to, from], () => onAnswer({ ...answer, body: this.onWire(answer.body) }));
    });
  }

  private ask(exchange: Exchange, then: (answer: { status: number; body: unknown }) => void): void {
    const { from, to, onRefused } = exchange;
    if (this.breaks(exchange, "question", exchange.question)) return this.break(exchange);
    this.carry(exchange, [from, to], () => {
      const { process } = this.node(to);
      if (process === null) {
        if (this.random.chance(REFUSES)) this.network.send(to, from, onRefused);
        return;
      }
      process.peers.answering.add(exchange);
      process.run(() => {
        process.peers
          .answer(exchange, this.onWire(exchange.question))
          .then((answer) => process.isAlive && then(answer))
          .catch(noteError)
          .finally(() => process.peers.answering.delete(exchange));
      });
    });
  }

  /** What a connection loses it sends again, as long as somebody waits for it, or it breaks. */
  private carry(
    exchange: Exchange,
    [from, to]: readonly [NodeId, NodeId],
    deliver: () => void,
    againMs = RETRANSMISSION_MS,
  ): void {
    if (!this.isConnected(from, to)) return this.scheduler.after(againMs, exchange.onBroken);
    this.network.sendOnce(from, to, deliver, () => {
      if (this.random.chance(BREAKS)) return this.break(exchange);
      this.scheduler.after(againMs, () => {
        if (!exchange.isOver()) this.carry(exchange, [from, to], deliver, 2 * againMs);
      });
    });
  }

  /** Both ends see it, sooner or later. */
  private break(exchange: Exchange): void {
    if (isSeveralWrites(exchange)) this.together.broken += 1;
    this.scheduler.after(1, exchange.onBroken);
    this.close(exchange);
  }

  private close({ from, to, closed }: Exchange): void {
    this.network.send(from, to, () => this.node(to).process?.run(() => closed.abort()));
  }

  private onWire(body: unknown): unknown {
    return this.options.checksWire ? JSON.parse(JSON.stringify(body)) : body;
  }
}

const passesAll = (hands: World["interceptors"], message: PeerMessage): boolean =>
  hands.size === 0 || [...hands].every((passes) => passes(message));

/** A process that is gone refuses the connection; a machine that is gone says nothing. */
const REFUSES = 0.7;
const RETRANSMISSION_MS = 200;
/** A proxy or a firewall ends a connection that has lost something. */
const BREAKS = 0.1;

const isSeveralWrites = ({ path, question }: Exchange): boolean =>
  path === "append" && (question as QuestionTo<"append">).writes.length > 1;
