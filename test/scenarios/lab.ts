import type { Note } from "../../cluster/codes.js";
import type { ToldEffect } from "../../node/replica/driver-ports.js";
import type { NodeId } from "../../shared/ids.js";
import type { PeerBody, PeerMessage } from "../../shared/protocol/messages.js";
import { prepare } from "../sim/clients.js";
import { Random } from "../sim/random.js";
import type { Answer, Outcome, Write } from "../sim/requests.js";
import { World, type WorldOptions } from "../sim/world.js";

/**
 * A cluster under a scenario's hand: the simulator's world, all of its checkers on, nothing random but the timers.
 * n1 ranks highest and leads once `form` has run.
 */
export class Lab extends World {
  /** Every message that was sent, as the scenario asks for it. */
  readonly sent: PeerMessage[] = [];
  readonly effects: { node: NodeId; effect: ToldEffect }[] = [];
  private readonly rules = new Set<(message: PeerMessage) => boolean>();
  private readonly writes = new Random(7);

  constructor(options: Partial<WorldOptions> = {}) {
    super({ seed: 1, nodes: 3, checksWire: true, noticesEnd: 0, ...options });
    this.interceptors.add((message) => {
      this.sent.push(message);
      return ![...this.rules].some((drops) => drops(message));
    });
    for (const node of this.nodes) node.onEffect = (effect) => this.effects.push({ node: node.id, effect });
  }

  /** Starts every node and waits until n1 leads and its first blocks are committed everywhere; then forgets the past. */
  form(): this {
    this.startAll();
    this.elect("n1");
    this.writeTo("n1");
    this.until("all are level", () => this.isLevel());
    this.timeouts(1);
    this.sent.length = 0;
    this.effects.length = 0;
    return this;
  }

  until(what: string, condition: () => boolean, withinMs = 20 * this.timing.electionTimeoutMs): void {
    if (!this.runUntil(condition, withinMs)) throw new Error(`within ${withinMs} ms it was not so that ${what}`);
  }

  timeouts(count: number): void {
    this.run(count * this.timing.electionTimeoutMs);
  }

  /** Lets one node try first, since priority alone only makes that likely, and waits until it leads. */
  elect(id: NodeId): void {
    const others = this.nodes.filter((node) => node.id !== id && node.isUp);
    for (const node of others) node.input({ kind: "campaigns_late", isLate: true });
    // One that found the leader gone just before may be running already: it gets no votes.
    const undo = this.drop(({ from, body }) => from !== id && (body.kind === "pre_vote" || body.kind === "vote"));
    this.until(`${id} leads`, () => this.leader?.id === id);
    undo();
    for (const node of others) node.input({ kind: "campaigns_late", isLate: false });
  }

  isLevel(): boolean {
    const heights = this.nodes.map((node) => (node.isUp ? node.view.commitHeight : -1));
    return heights.every((height) => height > 0 && height === heights[0] && height === this.tailOf("n1"));
  }

  tailOf(id: NodeId): number {
    return this.node(id).disk.tailHeight;
  }

  /** Drops what matches until the returned function is called. */
  drop(matches: (message: PeerMessage) => boolean): () => void {
    this.rules.add(matches);
    return () => this.rules.delete(matches);
  }

  /** Cuts every link between the two groups, both ways. */
  split(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left)
      for (const b of right) {
        this.network.cut(a, b);
        this.network.cut(b, a);
      }
  }

  /** A client's write to a node; the answer comes later, or never. */
  begin(id: NodeId, what: { key?: string; count?: number } = {}): { write: Write; outcome: () => Outcome | null } {
    let outcome: Outcome | null = null;
    const write: Write = { events: prepare(this.writes, { source: "scenario", ...what }) };
    const answer: Answer = (it) => {
      outcome = it;
      this.checkers.ledger.onAnswer(write, it);
    };
    this.node(id).write(write, answer);
    return { write, outcome: () => outcome };
  }

  /** A write that must be acknowledged. */
  writeTo(id: NodeId, withinMs = 4 * this.timing.electionTimeoutMs): Extract<Outcome, { kind: "written" }> {
    const { outcome } = this.begin(id);
    this.runUntil(() => outcome() !== null, withinMs);
    const result = outcome();
    if (result?.kind !== "written") throw new Error(`a write to ${id} ended as ${JSON.stringify(result)}`);
    return result;
  }

  /** A message as `from` would send it to `to` at this moment. */
  message(from: NodeId, to: NodeId, body: PeerBody, options: Partial<PeerMessage> = {}): PeerMessage {
    const { term, clusterId } = this.node(from).view;
    const wallMs = this.node(from).wallMs;
    return { from, to, clusterId, formingHash: "", term, wallMs, body, blocks: [], ...options };
  }

  sentBy<K extends PeerBody["kind"]>(
    from: NodeId,
    kind: K,
  ): (PeerMessage & { body: Extract<PeerBody, { kind: K }> })[] {
    return this.sent.filter((message) => message.from === from && message.body.kind === kind) as (PeerMessage & {
      body: Extract<PeerBody, { kind: K }>;
    })[];
  }

  /** Each node's id with what a function finds in it. */
  each<T>(of: (node: World["nodes"][number]) => T): Record<NodeId, T> {
    return Object.fromEntries(this.nodes.map((node) => [node.id, of(node)]));
  }

  /** Who has noted what by this code. */
  notes(code: Note["code"]): { node: NodeId; note: Note }[] {
    return this.effects.flatMap(({ node, effect }) =>
      effect.kind === "note" && effect.note.code === code ? [{ node, note: effect.note }] : [],
    );
  }

  leaderChanges(): string[] {
    return this.effects.flatMap(({ node, effect }) =>
      effect.kind === "role_changed" && effect.role === "leader" ? [`${node} in term ${effect.term}`] : [],
    );
  }

  /** Every node up, level and of one mind; then all that the ledger holds is checked against it. */
  finish(): void {
    this.network.mendAll();
    this.rules.clear();
    this.startAll();
    for (const node of this.nodes) {
      node.resume();
      node.store.behaviour.held = () => false;
      node.store.next();
    }
    this.until("a leader leads all", () => this.nodes.every((node) => node.view.leaderId === this.leader?.id));
    this.writeTo(this.leader?.id ?? "n1");
    const { committed } = this.checkers.history;
    this.until("all are level", () => this.nodes.every((node) => node.view.commitHeight === committed.length));
    this.checkers.ledger.finish(this.nodes.map((node) => node.disk));
  }
}
