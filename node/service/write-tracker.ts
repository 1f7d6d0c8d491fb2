import type { Logger } from "pino";
import type { CommittedBlock, Effect, Proposal, ProposalRefusal } from "../../cluster/types.js";
import type { HashHex, Height, NodeId, Term } from "../../shared/ids.js";
import { type EventView, eventFault, eventView, type LoggedEvent, type PreparedEvent } from "../../shared/log/event.js";
import type { Clock } from "../clock.js";
import type { Driver } from "../replica/driver.js";
import { bodyOfLogged, bodyOfView, earlierRequest, isSameBody } from "./same-write.js";

/**
 * A write is queued, sealed or decided. `not_written` is said only when that is certain; `unknown` when the write may
 * stand in the log later.
 */
export type WriteResult =
  | { kind: "committed"; events: EventView[]; acknowledgedBy: NodeId[]; isReplay: boolean }
  | {
      kind: "not_written";
      reason: ProposalRefusal | "superseded" | "stale_term" | "unreached" | "handing_over" | "disk_low" | "not_valid";
    }
  | { kind: "head_differs"; headHash: HashHex | ""; nextSequence: number }
  | { kind: "in_progress" }
  /** The key was used for another body: the event at `sequence`. */
  | { kind: "key_reused"; sequence: number }
  | { kind: "unknown" };

/** `deadline` in monotonic milliseconds: what is in no block by then never will be. */
export interface ProposedWrite {
  readonly events: readonly PreparedEvent[];
  readonly deadline: number;
  readonly sinceHeight: Height;
  readonly ifPreviousHash?: HashHex | "" | undefined;
}

interface Pending {
  readonly proposal: Proposal;
  readonly resolve: (result: WriteResult) => void;
  readonly cancelExpiry: () => void;
  /** The log holds these events already: it can no longer be said that they are not written. */
  isKnown: boolean;
  /** Once it stands in a block: decided when that height is. */
  sealed: { height: Height; blockHash: HashHex; events: readonly LoggedEvent[] | null; term: Term } | null;
  /** Where it waits for another one. */
  group: Group | null;
}

/** Repeats of one request that wait for the outcome of the write `of`, the first to come first. */
interface Group {
  of: number;
  readonly request: string;
  readonly waiting: Set<Pending>;
}

/** What keeps one write from being taken keeps all repeats of it from it. */
const FOR_ALL: ReadonlySet<string> = new Set<ProposalRefusal>([
  "not_leader",
  "queue_full",
  "unavailable",
  "look_up_failed",
  "index_rebuilding",
]);

/** How often and how long a repeated write's answer waits for who has it. */
const HOLDERS_LOOKS = 25;
const HOLDERS_LOOK_MS = 20;

/** Timers may fire a moment early; the core judges deadlines by the same clock. */
const EXPIRY_MARGIN_MS = 20;

/**
 * Follows the writes that this node proposes as leader until they are decided. A sealed write is decided by the block
 * that is committed at its height, whoever leads by then.
 */
export class WriteTracker {
  private readonly pending = new Map<number, Pending>();
  private readonly byHeight = new Map<Height, Set<Pending>>();
  /** Writes that wait for the outcome of another one with the same key or id. */
  private readonly groups = new Map<number, Group[]>();
  private readonly retried: Group[] = [];
  private isRetrying = false;
  private nextId = 1;

  constructor(
    private readonly driver: Pick<Driver, "propose" | "log" | "holders" | "majority">,
    private readonly logger: Pick<Logger, "warn">,
    private readonly clock: Clock,
  ) {}

  propose(write: ProposedWrite): Promise<WriteResult> {
    return this.proposeAll([write])[0] as Promise<WriteResult>;
  }

  /** Writes that came together: each is decided by itself. */
  proposeAll(writes: readonly ProposedWrite[]): Promise<WriteResult>[] {
    const begun: Pending[] = [];
    const results = writes.map((write) => {
      // The door lets no such event in: a block with one would be refused by every follower, and by this node's next start.
      const fault = write.events.map(eventFault).find((found) => found !== null);
      if (fault !== undefined) return Promise.reject(new RangeError(`an event cannot be logged: ${fault}`));
      return new Promise<WriteResult>((resolve) => begun.push(this.begin(write, resolve)));
    });
    if (!this.driver.propose(begun.map(({ proposal }) => proposal)))
      for (const pending of begun) this.settle(pending, { kind: "not_written", reason: "unavailable" });
    return results;
  }

  private begin(
    { events, deadline, sinceHeight, ifPreviousHash }: ProposedWrite,
    resolve: Pending["resolve"],
  ): Pending {
    const proposal: Proposal = {
      proposalId: this.nextId++,
      events,
      deadline,
      sinceHeight,
      ...(ifPreviousHash === undefined ? {} : { ifPreviousHash }),
    };
    const pending: Pending = {
      proposal,
      resolve,
      // A little after the deadline, so that the core certainly seals it no more when the answer says so.
      cancelExpiry: this.clock.after(Math.max(0, deadline - this.clock.now()) + EXPIRY_MARGIN_MS, () =>
        this.expire(pending),
      ),
      isKnown: false,
      sealed: null,
      group: null,
    };
    this.pending.set(proposal.proposalId, pending);
    return pending;
  }

  /** How much it follows. */
  get load(): { pending: number; sealed: number; following: number } {
    const sizes = (sets: Iterable<{ readonly size: number }>): number =>
      [...sets].reduce((sum, { size }) => sum + size, 0);
    return {
      pending: this.pending.size,
      sealed: sizes(this.byHeight.values()),
      following: sizes([...this.groups.values()].flat().map(({ waiting }) => waiting)),
    };
  }
  /** The earliest of what it follows. */
  get deadline(): number {
    return Math.min(...[...this.pending.values()].map(({ proposal }) => proposal.deadline));
  }

  onEffect(effect: Effect): void {
    switch (effect.kind) {
      case "sealed":
        return this.seal(effect.proposalId, { ...effect });
      case "duplicate":
        return this.duplicate(effect);
      case "in_progress":
        return this.follow(effect.proposalId, effect.of);
      case "refused":
        return this.settleId(effect.proposalId, { kind: "not_written", reason: effect.reason });
      case "head_differs":
        return this.settleId(effect.proposalId, {
          kind: "head_differs",
          headHash: effect.headHash,
          nextSequence: effect.nextSequence,
        });
      case "committed":
        return this.decide(effect.blocks, effect.acknowledgedBy);
      default:
        return;
    }
  }

  /** The replica is gone: what it had queued is certainly not written, what it had sealed is still undecided. */
  onReplicaLost(): void {
    // One that repeats a sealed or known write shares that one's fate, which is not decided.
    const undecided = [...this.pending.values()].filter((pending) => pending.sealed !== null || pending.isKnown);
    const repeats = new Set(undecided.flatMap((pending) => this.repeatsOf(pending)));
    for (const pending of [...this.pending.values()]) {
      if (pending.sealed === null && !pending.isKnown && !repeats.has(pending))
        this.settle(pending, { kind: "not_written", reason: "unavailable" });
    }
  }

  /** After a recovery: heights up to the commit height are decided by the blocks that are stored there. */
  onRecovered(commitHeight: Height): void {
    for (const at of [...this.byHeight.keys()]) if (at <= commitHeight) void this.decideFromStore(at);
  }

  private seal(proposalId: number, sealed: NonNullable<Pending["sealed"]>): void {
    const pending = this.pending.get(proposalId);
    if (pending === undefined) return;
    pending.sealed = sealed;
    const at = this.byHeight.get(sealed.height) ?? new Set();
    this.byHeight.set(sealed.height, at.add(pending));
  }

  private duplicate(effect: Extract<Effect, { kind: "duplicate" }>): void {
    const pending = this.pending.get(effect.proposalId);
    if (pending === undefined) return;
    pending.isKnown = true;
    if (effect.blockHash === null) return void this.replay(pending, effect.height, []);
    this.seal(effect.proposalId, { height: effect.height, blockHash: effect.blockHash, events: null, term: 0 as Term });
  }

  private follow(proposalId: number, of: number): void {
    const pending = this.pending.get(proposalId);
    if (pending === undefined) return;
    const groups = this.groups.get(of) ?? [];
    const request = requestOf(pending.proposal);
    let group = groups.find((other) => other.request === request);
    if (group === undefined) {
      group = { of, request, waiting: new Set() };
      this.groups.set(of, [...groups, group]);
    }
    group.waiting.add(pending);
    pending.group = group;
  }

  /** All that wait for its outcome, or for that of one that does. */
  private repeatsOf({ proposal }: Pending): Pending[] {
    const waiting = (this.groups.get(proposal.proposalId) ?? []).flatMap((group) => [...group.waiting]);
    return waiting.flatMap((pending) => [pending, ...this.repeatsOf(pending)]);
  }

  private decide(blocks: readonly CommittedBlock[], acknowledgedBy: readonly NodeId[]): void {
    for (const { block } of blocks) {
      const at = this.byHeight.get(block.header.height);
      if (at === undefined) continue;
      for (const pending of [...at]) this.decideOne(pending, block.blockHash, acknowledgedBy);
    }
  }

  private decideOne(pending: Pending, committedHash: HashHex, acknowledgedBy: readonly NodeId[]): void {
    const { sealed } = pending;
    if (sealed === null) return;
    if (sealed.blockHash !== committedHash) return this.settle(pending, { kind: "not_written", reason: "superseded" });
    if (sealed.events === null) return void this.replay(pending, sealed.height, acknowledgedBy);
    const events = sealed.events.map((event) => eventView(event, sealed));
    const holders = acknowledgedBy.length > 0 ? [...acknowledgedBy] : this.driver.holders(sealed.height);
    this.settle(pending, { kind: "committed", events, acknowledgedBy: holders, isReplay: false });
  }

  private async decideFromStore(at: Height): Promise<void> {
    try {
      const sound = await this.driver.log.soundBlock(at);
      // An unsound block decides nothing here; the writes end as `unknown` at their deadline.
      if (sound === null) return;
      for (const pending of [...(this.byHeight.get(at) ?? [])]) this.decideOne(pending, sound.block.blockHash, []);
    } catch (error) {
      this.logger.warn({ err: error }, "a decided block could not be read");
    }
  }

  /** Answers with the events as they were logged first, read from their committed block. */
  private async replay(pending: Pending, at: Height, acknowledgedBy: readonly NodeId[]): Promise<void> {
    const { events: proposed } = pending.proposal;
    try {
      const sound = await this.driver.log.soundBlock(at);
      if (sound === null) return;
      const own = sound.requests.ofIds(proposed.map((event) => event.id));
      const found = own.length > 0 ? own : earlierRequest(proposed, sound.requests);
      const [first] = found;
      if (first === undefined) return;
      if (own.length === 0 && !isSameBody(proposed, found.map(bodyOfLogged)))
        return this.settle(pending, { kind: "key_reused", sequence: first.record.sequence });
      const events = found.map((event) => eventView(event, sound.block.header));
      this.settle(pending, {
        kind: "committed",
        events,
        acknowledgedBy: acknowledgedBy.length > 0 ? [...acknowledgedBy] : await this.holdersOf(at),
        isReplay: own.length === 0,
      });
    } catch (error) {
      this.logger.warn({ err: error }, "the block of a repeated write could not be read");
    }
  }

  /** A leader that was just elected knows of itself only: it waits a moment until it knows of a majority. */
  private async holdersOf(at: Height): Promise<NodeId[]> {
    for (let look = 1; look < HOLDERS_LOOKS && this.driver.holders(at).length < this.driver.majority; look++)
      await new Promise<void>((resolve) => this.clock.after(HOLDERS_LOOK_MS, resolve));
    return this.driver.holders(at);
  }

  private expire(pending: Pending): void {
    const { proposal, sealed, isKnown } = pending;
    // A sealed write without events repeats another one: with a key, that one is said to be on its way.
    const isRepetition = sealed?.events === null && proposal.events[0]?.idempotencyKey !== undefined;
    if (pending.group !== null || isRepetition) return this.settle(pending, { kind: "in_progress" });
    this.settle(pending, sealed !== null || isKnown ? { kind: "unknown" } : { kind: "not_written", reason: "expired" });
  }

  private settleId(proposalId: number, result: WriteResult): void {
    const pending = this.pending.get(proposalId);
    if (pending !== undefined) this.settle(pending, result);
    // It was told so at its deadline; whoever repeats it waits still.
    else this.settleRepeats(proposalId, result);
  }

  private settle(pending: Pending, result: WriteResult): void {
    const { proposalId } = pending.proposal;
    if (!this.pending.delete(proposalId)) return;
    pending.cancelExpiry();
    if (pending.sealed !== null) {
      const at = this.byHeight.get(pending.sealed.height);
      at?.delete(pending);
      if (at?.size === 0) this.byHeight.delete(pending.sealed.height);
    }
    this.leave(pending);
    pending.resolve(result);
    this.settleRepeats(proposalId, result);
  }

  private leave(pending: Pending): void {
    const { group } = pending;
    if (group === null) return;
    pending.group = null;
    group.waiting.delete(pending);
    if (group.waiting.size > 0) return;
    const rest = (this.groups.get(group.of) ?? []).filter((other) => other !== group);
    if (rest.length > 0) this.groups.set(group.of, rest);
    else this.groups.delete(group.of);
  }

  /** One event is stored: whoever sent the same again gets the first one's outcome. */
  private settleRepeats(proposalId: number, result: WriteResult): void {
    const groups = this.groups.get(proposalId) ?? [];
    this.groups.delete(proposalId);
    for (const group of groups) {
      const isShared =
        result.kind === "committed" ||
        result.kind === "unknown" ||
        (result.kind === "not_written" && FOR_ALL.has(result.reason));
      // The first one is not stored under this key: the next one takes its place.
      if (!isShared) this.retry(group);
      else for (const pending of [...group.waiting]) this.settle(pending, forRepeat(pending, result));
    }
  }

  /** One group after the other, not one within the other: there can be as many refusals in a row as there are repeats. */
  private retry(group: Group): void {
    this.retried.push(group);
    if (this.isRetrying) return;
    this.isRetrying = true;
    for (let next = this.retried.shift(); next !== undefined; next = this.retried.shift()) this.proposeFirst(next);
    this.isRetrying = false;
  }

  /** The others go on waiting, now for this one. */
  private proposeFirst(group: Group): void {
    const [first] = group.waiting;
    if (first === undefined) return;
    const { proposal } = first;
    group.of = proposal.proposalId;
    this.groups.set(group.of, [...(this.groups.get(group.of) ?? []), group]);
    this.leave(first);
    if (!this.driver.propose([proposal])) this.settle(first, { kind: "not_written", reason: "unavailable" });
  }
}

/** Equal for requests with the same keys; of one without a key there are repeats with its own id only. */
function requestOf({ events }: Proposal): string {
  const keys = events.map(({ sourceAppId, idempotencyKey }) => `${sourceAppId}\u0000${idempotencyKey}`);
  return events[0]?.idempotencyKey === undefined ? (events[0]?.id ?? "") : [...new Set(keys)].sort().join("\u0000");
}

function forRepeat({ proposal }: Pending, result: WriteResult): WriteResult {
  if (result.kind === "committed") return repeated(proposal.events, result);
  return result.kind === "unknown" ? { kind: "in_progress" } : result;
}

/** What a request is told that came while another with its id or key was on its way. */
function repeated(proposed: readonly PreparedEvent[], first: Extract<WriteResult, { kind: "committed" }>): WriteResult {
  if (proposed[0]?.id === first.events[0]?.id) return { ...first, isReplay: false };
  if (isSameBody(proposed, first.events.map(bodyOfView))) return { ...first, isReplay: true };
  return { kind: "key_reused", sequence: first.events[0]?.sequence ?? 0 };
}
