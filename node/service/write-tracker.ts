import type { Logger } from "pino";
import { z } from "zod";
import type { CommittedBlock, Effect, Proposal, ProposalRefusal } from "../../cluster/types.js";
import { fromHex, fromUtf8, toHex, utf8 } from "../../shared/bytes.js";
import type { HashHex, Height, NodeId, Term } from "../../shared/ids.js";
import { hashSchema } from "../../shared/log/control.js";
import {
  canonicalObject,
  type EventView,
  eventFault,
  eventView,
  type LoggedEvent,
  type PreparedEvent,
  payloadCommitment,
} from "../../shared/log/event.js";
import { type Clock, systemClock } from "../clock.js";
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
      reason: ProposalRefusal | "superseded" | "stale_term" | "handing_over" | "disk_low";
    }
  | { kind: "head_differs"; headHash: HashHex | ""; nextSequence: number }
  | { kind: "in_progress" }
  /** The key was used for another body: the event at `sequence`. */
  | { kind: "key_reused"; sequence: number }
  | { kind: "unknown" };

interface Pending {
  readonly proposal: Proposal;
  readonly resolve: (result: WriteResult) => void;
  readonly cancelExpiry: () => void;
  /** The log holds these events already: it can no longer be said that they are not written. */
  isKnown: boolean;
  /** Once it stands in a block: decided when that height is. */
  sealed: { height: Height; blockHash: HashHex; events: readonly LoggedEvent[] | null; term: Term } | null;
}

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
  private readonly followers = new Map<number, Pending[]>();
  private nextId = 1;

  constructor(
    private readonly driver: Pick<Driver, "propose" | "soundBlock" | "holders">,
    private readonly logger: Pick<Logger, "warn">,
    private readonly clock: Clock = systemClock,
  ) {}

  /** `deadline` in monotonic milliseconds: what is in no block by then never will be. */
  propose(
    events: readonly PreparedEvent[],
    options: { deadline: number; ifPreviousHash?: HashHex | "" },
  ): Promise<WriteResult> {
    const { deadline, ifPreviousHash } = options;
    for (const event of events) {
      const fault = eventFault(event);
      // The door lets no such event in: a block with one would be refused by every follower, and by this node's next start.
      if (fault !== null) throw new RangeError(`an event cannot be logged: ${fault}`);
    }
    const proposal: Proposal = {
      proposalId: this.nextId++,
      events,
      deadline,
      ...(ifPreviousHash === undefined ? {} : { ifPreviousHash }),
    };
    return new Promise((resolve) => {
      const pending: Pending = {
        proposal,
        resolve,
        // A little after the deadline, so that the core certainly seals it no more when the answer says so.
        cancelExpiry: this.clock.after(Math.max(0, deadline - this.clock.now()) + EXPIRY_MARGIN_MS, () =>
          this.expire(pending),
        ),
        isKnown: false,
        sealed: null,
      };
      this.pending.set(proposal.proposalId, pending);
      if (!this.driver.propose(proposal)) this.settle(pending, { kind: "not_written", reason: "unavailable" });
    });
  }

  /** How much it follows; `deadline` is the earliest of all. */
  get load(): { pending: number; sealed: number; following: number; deadline: number } {
    const sizes = (groups: Iterable<{ size: number } | readonly unknown[]>): number =>
      [...groups].reduce((sum, group) => sum + ("size" in group ? group.size : group.length), 0);
    return {
      pending: this.pending.size,
      sealed: sizes(this.byHeight.values()),
      following: sizes(this.followers.values()),
      deadline: Math.min(...[...this.pending.values()].map(({ proposal }) => proposal.deadline)),
    };
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
    const repeats = new Set(undecided.flatMap((pending) => this.followers.get(pending.proposal.proposalId) ?? []));
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
    const waiting = this.followers.get(of) ?? [];
    waiting.push(pending);
    this.followers.set(of, waiting);
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
      const sound = await this.driver.soundBlock(at);
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
    const ids = new Set(proposed.map((event) => event.id));
    try {
      const sound = await this.driver.soundBlock(at);
      if (sound === null) return;
      const own = sound.events.filter(({ record }) => ids.has(record.id));
      const found = own.length > 0 ? own : earlierRequest(proposed, sound.events);
      const [first] = found;
      if (first === undefined) return;
      if (own.length === 0 && !isSameBody(proposed, found.map(bodyOfLogged)))
        return this.settle(pending, { kind: "key_reused", sequence: first.record.sequence });
      const events = found.map((event) => eventView(event, sound.block.header));
      this.settle(pending, {
        kind: "committed",
        events,
        acknowledgedBy: acknowledgedBy.length > 0 ? [...acknowledgedBy] : this.driver.holders(at),
        isReplay: own.length === 0,
      });
    } catch (error) {
      this.logger.warn({ err: error }, "the block of a repeated write could not be read");
    }
  }

  private expire(pending: Pending): void {
    const { proposal, sealed, isKnown } = pending;
    const isFollower = [...this.followers.values()].some((waiting) => waiting.includes(pending));
    // A sealed write without events repeats another one: with a key, that one is said to be on its way.
    const isRepetition = sealed?.events === null && proposal.events[0]?.idempotencyKey !== undefined;
    if (isFollower || isRepetition) return this.settle(pending, { kind: "in_progress" });
    this.settle(pending, sealed !== null || isKnown ? { kind: "unknown" } : { kind: "not_written", reason: "expired" });
  }

  private settleId(proposalId: number, result: WriteResult): void {
    const pending = this.pending.get(proposalId);
    if (pending !== undefined) this.settle(pending, result);
    // It was told so at its deadline; whoever repeats it waits still.
    else this.settleFollowers(proposalId, result);
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
    for (const [of, waiting] of this.followers) {
      const rest = waiting.filter((other) => other !== pending);
      if (rest.length === 0) this.followers.delete(of);
      else if (rest.length < waiting.length) this.followers.set(of, rest);
    }
    pending.resolve(result);
    this.settleFollowers(proposalId, result);
  }

  /** One event is stored: whoever sent the same again gets the first one's outcome. */
  private settleFollowers(proposalId: number, result: WriteResult): void {
    const waiting = this.followers.get(proposalId) ?? [];
    this.followers.delete(proposalId);
    for (const pending of waiting) {
      if (!this.pending.has(pending.proposal.proposalId)) continue;
      if (result.kind === "committed") this.settle(pending, repeated(pending.proposal.events, result));
      else if (result.kind === "unknown") this.settle(pending, { kind: "in_progress" });
      // The first one is not stored under this key: this one takes its place.
      else if (!this.driver.propose(pending.proposal))
        this.settle(pending, { kind: "not_written", reason: "unavailable" });
    }
  }
}

/** What a request is told that came while another with its id or key was on its way. */
function repeated(proposed: readonly PreparedEvent[], first: Extract<WriteResult, { kind: "committed" }>): WriteResult {
  if (proposed[0]?.id === first.events[0]?.id) return { ...first, isReplay: false };
  if (isSameBody(proposed, first.events.map(bodyOfView))) return { ...first, isReplay: true };
  return { kind: "key_reused", sequence: first.events[0]?.sequence ?? 0 };
}

// --- Over the wire: a forwarded write --------------------------------------------------------------------------------

/** Payload and salt as texts; everything is checked again where it arrives, so that the leader never seals what its followers must refuse. */
const forwardedEvent = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{24}$/),
  eventType: z.string(),
  timestamp: z.string(),
  isStampedHere: z.literal(true).optional(),
  sourceAppId: z.string(),
  payload: z.string(),
  payloadSalt: z.string().regex(/^[0-9a-f]{32}$/),
  payloadHash: hashSchema,
  idempotencyKey: z.string().optional(),
  batch: z.tuple([z.int().min(0), z.int().min(1)]).optional(),
});

export const forwardedWriteSchema = z.strictObject({
  /** The term whose leader is asked: a write that was delayed into another term is not taken. */
  term: z.int().min(1),
  budgetMs: z.number().positive().max(600_000),
  ifPreviousHash: z.union([hashSchema, z.literal("")]).optional(),
  events: z.array(forwardedEvent).min(1).max(1_000),
});
export type ForwardedWrite = z.infer<typeof forwardedWriteSchema>;

export const toForwarded = ({ payloadValue: _value, ...event }: PreparedEvent): ForwardedWrite["events"][number] => ({
  ...event,
  payload: fromUtf8(event.payload),
  payloadSalt: toHex(event.payloadSalt),
  batch: event.batch === undefined ? undefined : [event.batch[0], event.batch[1]],
});

/** Throws when an event is not valid or its commitment does not match: the forwarder is broken, and nothing of it is sealed. */
export function fromForwarded(event: ForwardedWrite["events"][number]): PreparedEvent {
  const { idempotencyKey, batch, isStampedHere, ...rest } = event;
  const payload = utf8(event.payload);
  const payloadSalt = fromHex(event.payloadSalt);
  if (payloadCommitment(payloadSalt, payload) !== event.payloadHash)
    throw new RangeError("payloadHash does not match its payload");
  const fault = eventFault({ ...rest, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) });
  if (fault !== null) throw new RangeError(`a forwarded event is not valid: ${fault}`);
  const payloadValue = canonicalObject(payload);
  if (payloadValue === null) throw new RangeError("a forwarded payload is not a canonical JSON object");
  return {
    ...rest,
    payload,
    payloadSalt,
    payloadValue,
    ...(isStampedHere === undefined ? {} : { isStampedHere }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(batch === undefined ? {} : { batch }),
  };
}
