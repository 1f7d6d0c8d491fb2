import type { Effect, Proposal } from "../../../cluster/types.js";
import { BLOCK_BYTES_MAX, BLOCK_EVENTS_MAX } from "../../../shared/limits.js";
import { eventBytesBound } from "../../../shared/log/body.js";
import type { PreparedEvent } from "../../../shared/log/event.js";
import type { SimNode, Standing } from "../node.js";
import type { SimProcess } from "../process.js";
import type { Outcome, Write } from "../requests.js";
import { check } from "../violation.js";

/** A client's write, from when it came to its node. */
interface Request {
  readonly write: Write;
  readonly process: SimProcess;
  readonly standing: Standing;
  /** By the clock of the simulation, and by that of its process. */
  readonly askedAt: number;
  readonly beganAt: number;
  /** Why leaders refused it, or what it repeats. */
  readonly refused: { readonly reason: string; readonly by: SimProcess }[];
  outcome: Outcome["kind"] | null;
  endedAt: number | null;
}

/** What a leader has been told of and has not answered. */
interface Waiting {
  readonly proposal: Proposal;
  readonly bytes: number;
  readonly place: number;
  readonly since: number;
}

/** What one process was asked for as leader. */
interface Queue {
  readonly waiting: Map<number, Waiting>;
  places: number;
  /** The last to come of those that stand in a block. */
  lastSealed: number;
}

/** A clock runs faster by no more than this. */
const RATE_MAX = 1.1;
const SLACK_MS = 100;

/** I11: a write is refused only for what is the case. Of one that went to another node no more is judged than that its time was up. */
export class JustificationChecker {
  private readonly queues = new WeakMap<SimProcess, Queue>();
  /** By id and key. */
  private readonly open = new Map<string, Set<Request>>();
  private readonly byKey = new Map<string, Request[]>();

  constructor(private readonly nodes: () => readonly SimNode[]) {}

  begin(process: SimProcess, write: Write): (outcome: Outcome) => void {
    const { node } = process;
    const { now } = node.around.scheduler;
    const times = { askedAt: now, beganAt: process.now(), endedAt: null };
    const request: Request = { write, process, standing: node.standing, ...times, refused: [], outcome: null };
    for (const name of namesOf(write.events)) this.open.set(name, (this.open.get(name) ?? new Set()).add(request));
    for (const key of keysOf(write.events)) this.byKey.set(key, [...(this.byKey.get(key) ?? []), request]);
    return (outcome) => this.onAnswer(request, outcome);
  }

  /** Before the core takes them. */
  onProposing(process: SimProcess, proposals: readonly Proposal[]): void {
    const queue = this.queueOf(process);
    const since = process.node.around.scheduler.now;
    for (const proposal of proposals) {
      const bytes = proposal.events.reduce((sum, event) => sum + eventBytesBound(event), 0);
      // One that had waited for another one comes last again.
      queue.waiting.delete(proposal.proposalId);
      queue.waiting.set(proposal.proposalId, { proposal, bytes, place: ++queue.places, since });
    }
  }

  /** There is no core. */
  onNotTaken(process: SimProcess, proposals: readonly Proposal[]): void {
    for (const proposal of proposals) {
      this.queueOf(process).waiting.delete(proposal.proposalId);
      this.note(process, proposal, "unavailable");
    }
  }

  /** What it was asked for and had not sealed is not written. */
  onReplicaLost(process: SimProcess): void {
    for (const { proposal } of this.queueOf(process).waiting.values()) this.note(process, proposal, "unavailable");
    this.queueOf(process).waiting.clear();
  }

  onEffect({ process }: SimNode, effect: Effect): void {
    if (process === null) return;
    switch (effect.kind) {
      case "sealed":
      case "duplicate":
      case "in_progress":
      case "head_differs":
      case "refused": {
        const queue = this.queueOf(process);
        const entry = queue.waiting.get(effect.proposalId);
        queue.waiting.delete(effect.proposalId);
        if (entry === undefined) return;
        if (effect.kind === "sealed") queue.lastSealed = Math.max(queue.lastSealed, entry.place);
        // Its node may have to ask again, and have no time left for it.
        if (effect.kind === "head_differs") this.note(process, entry.proposal, "head_differs");
        if (effect.kind !== "refused") return;
        this.note(process, entry.proposal, effect.reason);
        return this.onRefused(process, entry, effect.reason);
      }
      default:
        return;
    }
  }

  private onRefused(process: SimProcess, entry: Waiting, reason: string): void {
    const { node } = process;
    const { id } = node;
    if (reason === "queue_full") check(this.isFull(process, entry), "I11", () => `${id} refuses a write as if full`);
    if (reason === "index_rebuilding")
      check(
        process.mayLackIndex(entry.since),
        "I11",
        () => `${id} refuses a write as if its index were not whole, and it has been`,
      );
    if (reason !== "expired") return;
    const { deadline } = entry.proposal;
    check(process.now() >= deadline, "I11", () => `${id} refuses a write ${deadline - process.now()} ms too early`);
    this.checkPlace(process, entry);
  }

  /** Others came before it, and wait: it is counted among them where several came at once. */
  private isFull(process: SimProcess, { bytes, place, proposal }: Waiting): boolean {
    const { limits } = process.node.around;
    const before = [...this.queueOf(process).waiting.values()].filter((other) => other.place < place);
    const beforeBytes = before.reduce((sum, other) => sum + other.bytes, 0);
    if (bytes > BLOCK_BYTES_MAX || proposal.events.length > BLOCK_EVENTS_MAX) return true;
    return before.length >= limits.queuedWritesMax || beforeBytes + bytes > limits.queuedBytesMax;
  }

  /** Its time is up as blocks do not get through: what came after it waits as well. */
  private checkPlace(process: SimProcess, { proposal, place }: Waiting): void {
    // These wait for more than their turn.
    if (proposal.ifPreviousHash !== undefined || proposal.events[0]?.idempotencyKey !== undefined) return;
    const isOvertaken = this.queueOf(process).lastSealed > place;
    check(!isOvertaken, "I11", () => `${process.node.id} lets a write's time run out, and seals what came later`);
  }

  private onAnswer(request: Request, outcome: Outcome): void {
    const { process, refused } = request;
    const { node } = process;
    for (const name of namesOf(request.write.events)) {
      const open = this.open.get(name);
      open?.delete(request);
      if (open?.size === 0) this.open.delete(name);
    }
    request.outcome = outcome.kind;
    request.endedAt = node.around.scheduler.now;
    if (outcome.kind === "in_progress") return this.checkInProgress(request);
    if (outcome.kind !== "not_written") return;
    const wasRefused = (as: string): boolean => refused.some(({ reason }) => reason === as);
    const says = (): string =>
      `${node.id} answers ${outcome.reason}, and nothing was ${refused.map((it) => it.reason)}`;
    if (outcome.reason === "overloaded") check(wasRefused("queue_full"), "I11", says);
    if (outcome.reason === "index_rebuilding") check(wasRefused("index_rebuilding"), "I11", says);
    if (outcome.reason === "no_quorum") this.checkNoQuorum(request);
  }

  /** As long as its node may try it is tried; where that one led all the time, its own core has refused it, or holds it still. */
  private checkNoQuorum({ process, standing, beganAt, refused, write }: Request): void {
    const { node } = process;
    const triedMs = process.now() - beganAt;
    check(
      triedMs >= node.requestTimeoutMs,
      "I11",
      () => `${node.id} gives a write up after ${triedMs} ms, and may try for ${node.requestTimeoutMs}`,
    );
    if (standing.role !== "leader" || standing !== node.standing || node.process !== process) return;
    const [id] = namesOf(write.events);
    const held = [...this.queueOf(process).waiting.values()].find(({ proposal }) => namesOf(proposal.events)[0] === id);
    if (held !== undefined) return this.checkPlace(process, held);
    check(
      refused.some(({ by }) => by === process),
      "I11",
      () => `${node.id} leads, and gives a write up that it has not refused`,
    );
  }

  /** The time of one with its key is up, of which nobody knows yet what became: another one, or an earlier try of this one. */
  private checkInProgress(request: Request): void {
    const { node } = request.process;
    const { now } = node.around.scheduler;
    const shortestMs = Math.min(...this.nodes().map(({ requestTimeoutMs }) => requestTimeoutMs));
    const alike = keysOf(request.write.events).flatMap((key) => this.byKey.get(key) ?? []);
    const others = alike.filter((other) => other !== request && !isDecidedBefore(other, request.askedAt));
    const says = (what: string) => (): string => `${node.id} says that a write with the same key is under way: ${what}`;
    const longestMs = now - Math.min(...[request, ...others].map(({ askedAt }) => askedAt));
    check(longestMs >= shortestMs / RATE_MAX - SLACK_MS, "I11", says(`they were asked for ${longestMs} ms ago`));
  }

  private note(process: SimProcess, { events }: Proposal, reason: string): void {
    for (const name of namesOf(events))
      for (const { refused } of this.open.get(name) ?? []) refused.push({ reason, by: process });
  }

  private queueOf(process: SimProcess): Queue {
    let queue = this.queues.get(process);
    if (queue === undefined) {
      queue = { waiting: new Map(), places: 0, lastSealed: 0 };
      this.queues.set(process, queue);
    }
    return queue;
  }
}

function isDecidedBefore({ outcome, endedAt }: Request, at: number): boolean {
  return endedAt !== null && endedAt < at && outcome !== "unknown" && outcome !== "in_progress";
}

const keysOf = (events: readonly PreparedEvent[]): string[] => [
  ...new Set(
    events.flatMap(({ sourceAppId, idempotencyKey }) =>
      idempotencyKey === undefined ? [] : [`key ${sourceAppId} ${idempotencyKey}`],
    ),
  ),
];
/** Its id first. */
const namesOf = (events: readonly PreparedEvent[]): string[] => [`id ${events[0]?.id}`, ...keysOf(events)];
