import type { Effect } from "../../cluster/types.js";
import type { Height } from "../../shared/ids.js";
import { eventView, type ShownEvent } from "../../shared/log/event.js";
import type { EventFilter } from "../../shared/log/filter.js";
import type { BlockView, NodeChain } from "../../shared/protocol/http.js";
import type { Clock } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { CommittedEvents, PassBy } from "../replica/committed.js";
import { BlockViews } from "./block-views.js";
import type {
  Counted,
  Found,
  FoundOne,
  HistogramFound,
  HistogramRequest,
  LogReads,
  NodeCopy,
  PageRequest,
  ReadCondition,
} from "./log-port.js";
import { Lookups, READ_WAIT_MS_MAX } from "./lookups.js";
import { LEADER_POLL_MS, noLeader, notReady, type Parts, resultWithin } from "./parts.js";
import { SharedRun } from "./shared-run.js";
import { Turns } from "./turns.js";

const CONFIRMATION_LOOK_MS = 50;
/** A leader that has not confirmed within this time is asked again, or the next one. */
const CONFIRM_MS_MAX = 1_000;
/** Copies of an event that are gathered at once. */
const COPIES_AT_ONCE = 2;

/** Reads of what this node acknowledged and, where the request says so, of more. */
export class Reads implements LogReads {
  /** Reads wait for these: events that this node acknowledged. */
  private acknowledgedSize = 0;
  /**
   * After a start, reads wait for the height that a leader confirmed when this process asked it: what this node
   * acknowledged in an earlier life is not above it. What a leader merely calls committed is not enough: a new one does
   * not know yet what its predecessor committed last.
   */
  private confirmed: Height | null = null;
  private isAsking = false;
  /** It has been reached. */
  private isConfirmed = false;
  private becomeReadable = (): void => {};
  private readonly isReadable = new Promise<true>((resolve) => {
    this.becomeReadable = () => resolve(true);
  });
  private readonly confirming = new Map<number, (confirmed: Height | null) => void>();
  private lastReadId = 0;
  private readonly here = new SharedRun<Height | null>(() => this.confirmHere());
  private readonly atLeader = new SharedRun<Height | null>(() => this.confirmAtLeader());

  private readonly clock: Clock;
  private readonly stopLooking: () => void;

  private readonly lookups: Lookups;
  private readonly blockViews: BlockViews;
  /** Each brings an event from every node, as text to be read and written: a place rests after it, as after a large part. */
  private readonly copyTurns: Turns<NodeCopy[]>;

  constructor(private readonly parts: Parts) {
    const { clock } = parts;
    this.clock = clock;
    this.copyTurns = new Turns(COPIES_AT_ONCE, () => true, clock);
    // Looks without being asked: there may be no leader to ask when the first read comes.
    this.stopLooking = clock.every(CONFIRMATION_LOOK_MS, () => this.lookForConfirmation());
    this.lookups = new Lookups(parts, (condition) => this.awaitReadable(condition));
    this.blockViews = new BlockViews(parts, this.lookups.places);
    parts.peers.handle("read-index", async () => ({ height: await this.here.ask() }));
    parts.peers.handle("copy", ({ sequence }) => this.ownCopy(sequence));
  }

  stop(): void {
    this.stopLooking();
  }
  onAcknowledged(size: number): void {
    this.acknowledgedSize = Math.max(this.acknowledgedSize, size);
  }
  onEffect(effect: Effect): void {
    if (effect.kind === "read_confirmed") this.settle(effect.readId, effect.height);
    if (effect.kind === "read_refused") this.settle(effect.readId, null);
  }
  onReplicaLost(): void {
    for (const readId of [...this.confirming.keys()]) this.settle(readId, null);
  }

  /** How many wait for a leader's confirmation. */
  get load(): number {
    return this.confirming.size;
  }

  get indexedPaths(): readonly string[] {
    return this.parts.driver.log.index.indexedPaths;
  }

  subscribe(listener: (events: readonly ShownEvent[]) => void, passBy?: PassBy): () => void {
    return this.parts.driver.log.committed.subscribe(listener, passBy);
  }

  get logSize(): number {
    return this.parts.driver.log.committed.size;
  }

  async awaitReadable(condition: ReadCondition = {}): Promise<void> {
    const deadline = this.clock.now() + READ_WAIT_MS_MAX;
    const { driver } = this.parts;
    if (!this.lookForConfirmation() && (await resultWithin(this.clock, this.isReadable, READ_WAIT_MS_MAX)) === null)
      throw notReady(
        this.confirmed === null
          ? "This node has started and no leader has confirmed yet how far the log goes. Ask another node, or again shortly."
          : `This node has started and has not caught up yet with block ${this.confirmed}, which a leader has confirmed. Ask another node, or again shortly.`,
      );
    // A learner counts for nothing and serves nothing: what it lost is not all known yet.
    if (driver.standing()?.isLearner === true)
      throw notReady(
        "This node waits to be admitted to its cluster and serves no events until then. Ask another node.",
      );
    const acknowledged = this.acknowledgedSize;
    const confirmed = condition.isLinearizable === true ? await this.sizeConfirmedBy(deadline) : 0;
    const asked = (condition.minSequence ?? -1) + 1;
    const wanted = Math.max(acknowledged, confirmed, asked);
    if (this.logSize >= wanted) return;
    if (await this.reachedBy(wanted, deadline)) return;
    if (asked > Math.max(acknowledged, confirmed))
      throw notReady(
        `This node has the events below ${this.logSize}, and event ${condition.minSequence} has not come within ${READ_WAIT_MS_MAX} ms. Ask again shortly.`,
      );
    const detail = `This node has ${this.logSize} events of the ${wanted} that this read must see: it is catching up. Ask again shortly.`;
    throw notReady(detail);
  }

  /** A leader has told this process how far the log goes. */
  get hasConfirmation(): boolean {
    return this.confirmed !== null;
  }

  /** True from the first time on that this node has what a leader confirmed. */
  private lookForConfirmation(): boolean {
    if (this.isConfirmed) return true;
    if (this.confirmed === null) void this.askForConfirmation();
    const view = this.confirmed === null ? null : this.parts.driver.view();
    if (view === null || this.confirmed === null || view.commitHeight < this.confirmed) return false;
    this.acknowledgedSize = Math.max(this.acknowledgedSize, view.committedSize);
    this.isConfirmed = true;
    this.becomeReadable();
    this.stop();
    return true;
  }

  private async askForConfirmation(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    this.confirmed = await this.atLeader.ask();
    this.isAsking = false;
  }

  private reachedBy(size: number, deadline: number): Promise<boolean> {
    return this.within(this.parts.driver.log.committed.awaitSize(size), deadline);
  }

  private within({ reached, cancel }: ReturnType<CommittedEvents["awaitSize"]>, deadline: number): Promise<boolean> {
    const isThere = reached.then(() => true);
    return resultWithin(this.clock, isThere, deadline - this.clock.now()).then((there) => {
      cancel();
      return there === true;
    });
  }

  // --- Linearizable reads --------------------------------------------------------------------------------------------

  /** The size of the log at a height that the leader confirmed after this was called, once this node has that height. */
  private async sizeConfirmedBy(deadline: number): Promise<number> {
    const confirmed = await this.confirmBy(deadline);
    const { committed } = this.parts.driver.log;
    if (committed.height < confirmed && !(await this.within(committed.awaitHeight(confirmed), deadline)))
      throw notReady(
        `The leader has confirmed the log up to block ${confirmed}, and this node has block ${committed.height}. Ask again shortly, or another node.`,
      );
    return committed.size;
  }

  private async confirmBy(deadline: number): Promise<Height> {
    while (this.clock.now() < deadline) {
      const confirmed = await resultWithin(this.clock, this.atLeader.ask(), deadline - this.clock.now());
      if (confirmed !== null) return confirmed;
      // Another one may lead any moment; and this one may know soon how far the log is committed.
      const isLed = this.parts.driver.standing()?.leaderId != null;
      await this.parts.leaders.changeWithin(this.clock, isLed ? LEADER_POLL_MS : deadline - this.clock.now());
    }
    const detail = `No leader has confirmed within ${READ_WAIT_MS_MAX} ms that it still leads, so this node cannot say that it has the newest events.`;
    throw noLeader(this.parts.driver, detail);
  }

  private async confirmAtLeader(): Promise<Height | null> {
    const { driver, config, peers } = this.parts;
    const leaderId = driver.standing()?.leaderId ?? null;
    if (leaderId === null) return null;
    if (leaderId === config.nodeId) return this.here.ask();
    return (await peers.ask(leaderId, "read-index", {}))?.height ?? null;
  }

  /** Whether this node leads is the core's to say: it asks a majority, and refuses when it does not lead. */
  private confirmHere(): Promise<Height | null> {
    const { driver } = this.parts;
    const readId = ++this.lastReadId;
    return new Promise((resolve) => {
      const cancel = this.clock.after(CONFIRM_MS_MAX, () => this.settle(readId, null));
      this.confirming.set(readId, (confirmed) => {
        cancel();
        resolve(confirmed);
      });
      if (driver.standing() === null) this.settle(readId, null);
      else driver.submit({ kind: "read_index", now: this.clock.now(), readId });
    });
  }

  private settle(readId: number, confirmed: Height | null): void {
    const resolve = this.confirming.get(readId);
    this.confirming.delete(readId);
    resolve?.(confirmed);
  }

  // --- What the log holds --------------------------------------------------------------------------------------------

  /** null is said only once the leader has confirmed that the log is shorter. */
  async get(sequence: number): Promise<FoundOne | null> {
    const deadline = this.clock.now() + READ_WAIT_MS_MAX;
    if (sequence >= this.logSize && sequence >= (await this.sizeConfirmedBy(deadline))) return null;
    return this.lookups.one(sequence);
  }

  page(request: PageRequest): Promise<Found> {
    return this.lookups.page(request);
  }

  count(filter: EventFilter, range: { high: number; cap: number }): Promise<Counted> {
    return this.lookups.count(filter, range);
  }

  histogram(request: HistogramRequest): Promise<HistogramFound> {
    return this.lookups.histogram(request);
  }

  guarded<T>(read: () => Promise<T>): Promise<T> {
    return this.lookups.guarded(read);
  }

  block(at: number): Promise<BlockView | null> {
    return this.guarded(() => this.blockViews.block(at));
  }

  chain(from: number, count: number): Promise<NodeChain[]> {
    return this.blockViews.chain(from, count);
  }

  copies(sequence: number): Promise<NodeCopy[]> {
    return this.copyTurns.run(() => this.copiesNow(sequence));
  }

  private async copiesNow(sequence: number): Promise<NodeCopy[]> {
    const own: NodeCopy = await this.ownCopy(sequence);
    const others = await this.parts.peers.askAll("copy", { sequence });
    const silent = (node: string, wasAsked: boolean): NodeCopy => ({
      node,
      hash: null,
      event: null,
      detail: wasAsked ? "this node got no answer from it" : "this node could not ask it",
    });
    return [own, ...others.map(({ peer, answer, wasAsked }) => answer ?? silent(peer, wasAsked))].sort((a, b) =>
      a.node < b.node ? -1 : 1,
    );
  }

  /** As it is stored, past what is kept in memory. */
  private async ownCopy(sequence: number): Promise<NodeCopy> {
    const node = this.parts.config.nodeId;
    if (sequence >= this.logSize) return { node, hash: null, event: null, detail: "it does not have it yet" };
    try {
      const place = await this.lookups.places.placeOf(sequence);
      const { header, events } = await this.parts.driver.log.blocks.fresh(place.height);
      const event = eventView(events.event(sequence - header.firstSequence), header);
      return { node, hash: event.hash, event };
    } catch (error) {
      if (error instanceof AlteredBlock) return { node, hash: null, event: null, detail: error.message };
      return { node, hash: null, event: null, detail: "its MongoDB could not be read" };
    }
  }
}
