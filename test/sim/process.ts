import type { Input } from "../../cluster/types.js";
import type { Clock } from "../../node/clock.js";
import type { WatchedReplica } from "../../node/integrity/watched-replica.js";
import type { Driver } from "../../node/replica/driver.js";
import type { ToldEffect } from "../../node/replica/driver-ports.js";
import type { WordedAlert } from "../../node/replica/wording.js";
import { HEADS_EVERY_MS } from "../../node/service/head-exchange.js";
import type { NodeLogService } from "../../node/service/log-service.js";
import type { ReadLimits } from "../../node/service/lookups.js";
import { type ReplicaPorts, ServedReplica } from "../../node/service/served-replica.js";
import type { NodeStorage } from "../../node/storage/open.js";
import { StoreError } from "../../node/storage/port.js";
import type { ShownEvent } from "../../shared/log/event.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { fakeSigner, fakeVerifier } from "./fake-crypto.js";
import { fakeStateMac, SimIdentity } from "./identity.js";
import type { BareInput, SimNode } from "./node.js";
import { SimPeers } from "./peers.js";
import { forgetting } from "./promises.js";
import { simStorage } from "./storage.js";
import { describeInput } from "./trace.js";
import { rememberedOwnRun, rememberedVerdicts } from "./verdicts.js";
import { noteError } from "./violation.js";
import { watchedReplica } from "./watched.js";

const START_RETRY_MS = 500;
const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `${String(ms).padStart(3, "0")}Z`);

/** One life of a node's process: what the product serves, on simulated time, storage, identity and network. */
export class SimProcess implements Clock {
  isAlive = true;
  isPaused = false;
  /** True while a recovery takes no time: scenarios begin with the node there. */
  recoversAtOnce: boolean;
  readonly bootId: string;
  readonly peers = new SimPeers(this);
  readonly served: ServedReplica<SimPeers>;
  readonly storage: NodeStorage;
  /** What looks after its database; null where nothing does. */
  private readonly watched: WatchedReplica<SimPeers> | null;
  /** False while its store is being recovered: nobody may ask for a block to be written or removed then. */
  hasReplica = false;
  private readonly streamed: ShownEvent[] = [];
  private isReluctant = false;
  /** What waits while the process is stopped: overdue timers, and what came in from outside. */
  private overdue: (() => void)[] = [];
  private inbox: (() => void)[] = [];
  private readonly clockBase: number;
  private readonly startedAt: number;
  /** For how long its machine was suspended, and since when it is: its monotonic clock stands still meanwhile. */
  private asleepMs = 0;
  private asleepSince: number | null = null;
  /** The database refused a look-up as if its index were gone. */
  isIndexDoubted = false;
  private indexWorks = 0;
  private indexMendedAt = Number.NEGATIVE_INFINITY;
  private wallSecond = { at: Number.NaN, text: "" };

  constructor(readonly node: SimNode) {
    const { around, id, disk } = node;
    const { random, scheduler } = around;
    this.bootId = random.hex(8);
    this.clockBase = random.between(1, 1_000_000);
    this.startedAt = scheduler.now;
    this.recoversAtOnce = around.recoversAtOnce;
    const identity = new SimIdentity(disk.identity, this);
    const { keys } = disk.identity;
    const logger = this.logger();
    const storage = simStorage(this, fakeStateMac(identity.identity.seed));
    this.storage = storage;
    const ports = {
      ...{ config: this.config(), version: "simulated", storage, identity, logger, clock: this },
      signer: { keys, block: fakeSigner(keys.block) },
      verifyBlock: rememberedVerdicts,
      verifier: fakeVerifier,
      connect: () => this.peers,
      disk: ROOMY,
      integrity: () => (this.served.isDamaged ? { ...UNWATCHED, isDamaged: true } : UNWATCHED),
      mayLead: () => !this.isReluctant,
      limits: around.limits,
      readLimits: random.pick(READ_LIMITS),
      log: { verifiedTail: around.verifiedTail, memory: around.memory, ownRun: rememberedOwnRun },
      ...(around.comparesHeads ? { heads: { everyMs: HEADS_EVERY_MS } } : {}),
      observer: {
        onEffect: (effect) => this.onEffect(effect),
        onAlert: (alert) => this.onAlert(alert),
        onReplicaLost: (reason) => {
          if (!STORE_REASONS.test(reason)) noteError(new Error(`${id} loses its replica: ${reason}`));
          around.checkers.justified.onReplicaLost(this);
          this.hasReplica = false;
          if (this.isReplaced) return;
          node.loseReplica();
        },
        onRecovered: (commitHeight) => {
          this.hasReplica = true;
          this.showStreamed();
          node.onRecovered(commitHeight);
        },
        onInvalidBlock: (at, detail) => node.onInvalidBlock(at, detail),
        onIndexFinding: (finding) => node.onIndexFinding(finding),
        onFatal: (error) => {
          // Anything else is thrown, too, and is the run's failure.
          if (error instanceof StoreError) node.exit(this, error);
        },
      },
    } satisfies ReplicaPorts<SimPeers>;
    this.watched = around.isWatched ? watchedReplica(this, ports) : null;
    this.served = this.watched?.served ?? new ServedReplica(ports);
    this.service.reads.subscribe((events) => this.streamed.push(...events));
    if (around.trace.isOn) this.traceInputs();
    this.judgeProposals();
  }

  /** Another one of its node has begun since. */
  get isReplaced(): boolean {
    return this.node.process !== this;
  }
  get driver(): Driver {
    return this.served.driver;
  }
  get service(): NodeLogService {
    return this.served.service;
  }

  private config(): ConstructorParameters<typeof ServedReplica>[0]["config"] {
    const { around, id } = this.node;
    const { timing } = around;
    const members = around.configured.map((member) => ({ ...member, address: `http://${member.id}.test` }));
    return {
      nodeId: id,
      members,
      self: members.find((member) => member.id === id) as (typeof members)[number],
      heartbeatMs: timing.heartbeatMs,
      electionTimeoutMs: timing.electionTimeoutMs,
      requestTimeoutMs: timing.requestTimeoutMs,
      ...around.timingOf(id),
      takeoverCooldownMs: timing.takeoverCooldownMs,
      admitsNewKeys: around.admitsNewKeys,
      indexedPaths: around.random.pick(around.indexedPaths),
    };
  }

  async start(): Promise<void> {
    for (;;) {
      try {
        const { opened } = await this.driver.start();
        this.recoversAtOnce = false;
        if (this.watched !== null) await this.watched.start(opened.storeId);
        return;
      } catch (error) {
        this.recoversAtOnce = false;
        if (!(error instanceof StoreError)) throw error;
        if (error.failure === "unfit" || error.failure === "not_owner") {
          if (this.watched !== null) await this.watched.tellPeers(error);
          return this.node.exit(this, error);
        }
        await new Promise<void>((resolve) => {
          this.after(START_RETRY_MS, resolve);
        });
      }
    }
  }

  /** Runs what happens to this process: now, when it is resumed, or never. */
  run(action: () => void, { isTimer = false } = {}): void {
    if (!this.isAlive) return;
    if (this.isPaused) (isTimer ? this.overdue : this.inbox).push(action);
    else action();
  }

  suspend(): void {
    this.isPaused = true;
    this.asleepSince = this.node.around.scheduler.now;
  }

  resume(): void {
    this.isPaused = false;
    if (this.asleepSince !== null) this.asleepMs += this.node.around.scheduler.now - this.asleepSince;
    this.asleepSince = null;
    const { random, recoversAtOnce } = this.node.around;
    // Node has read its sockets before it ran its timers, and the other way round, depending on its version.
    const isTimersFirst = !recoversAtOnce && random.chance(0.5);
    const waiting = isTimersFirst ? [...this.overdue, ...this.inbox] : [...this.inbox, ...this.overdue];
    this.inbox = [];
    this.overdue = [];
    // In tasks of their own, as an event loop would run them.
    for (const action of waiting) this.node.around.scheduler.after(0, () => this.run(action));
  }

  /** Since then it may have said of its index that it is not whole. */
  mayLackIndex(since: number): boolean {
    const { isWhole } = this.driver.log.index;
    const isDiskWhole = this.node.disk.isIndexWhole && !this.isIndexDoubted && this.indexWorks === 0;
    return !isWhole || !isDiskWhole || this.indexMendedAt >= since;
  }

  /** Its index is not whole until this is answered. */
  async mendIndex(end: () => Promise<void>): Promise<void> {
    this.indexWorks += 1;
    try {
      await end();
      this.isIndexDoubted = false;
    } finally {
      this.indexWorks -= 1;
      this.indexMendedAt = this.node.around.scheduler.now;
    }
  }

  /** The clocks are read when it is handled, which after a pause is later. */
  input(input: BareInput): void {
    const { served } = this;
    switch (input.kind) {
      case "bulk_progress":
        return served.onBulkProgress(input.peer, input.round);
      case "bulk_over":
        return served.onBulkOver(input.peer, input.round, input.end);
      case "unreachable":
        return served.onUnreachable(input.peer);
      case "gone":
        return served.onGone(input.peer);
      case "campaigns_late":
        this.isReluctant = input.isLate;
        return served.tellFitness();
      default:
        served.driver.submit({ now: this.now(), wall: this.wall(), ...input } as Input);
    }
  }

  /** It found an unsound block in its log, has lost its index, or was told that it should not lead. */
  get campaignsLate(): boolean {
    return this.served.isUnfit;
  }

  send(message: PeerMessage, ref: number | undefined): void {
    if (!this.isAlive) return;
    const { node } = this;
    // One that was replaced may still say what was durable before.
    if (!this.isReplaced) node.around.checkers.onSend(node, message, ref);
    node.note({ kind: "send", message, ...(ref === undefined ? {} : { ref }) });
    node.around.transmit(message);
  }

  private onEffect(effect: ToldEffect): void {
    const { node } = this;
    if (!this.isAlive || this.isReplaced) return;
    if (effect.kind === "role_changed") node.standing = effect;
    if (effect.kind === "note" && effect.note.code === "handing_over") node.onHandsOver();
    node.around.checkers.onEffect(node, effect);
    if (effect.kind === "committed") this.showStreamed();
    node.note(effect);
  }

  private onAlert(alert: WordedAlert): void {
    if (!this.isAlive) return;
    const { trace, checkers } = this.node.around;
    checkers.onAlert(this.node, alert);
    if (trace.isOn) trace.add(`${this.node.id} ALERT ${alert.alertKind} against ${alert.accused}: ${alert.detail}`);
  }

  /** Whoever commits a block first publishes it before it says so. */
  private showStreamed(): void {
    if (this.streamed.length > 0) this.node.around.checkers.reads.onStreamed(this, this.streamed.splice(0));
  }

  private logger() {
    const { trace } = this.node.around;
    const add = (level: string) => (what: unknown, text?: string) => {
      if (!trace.isOn) return;
      const error = typeof what === "object" && what !== null && "err" in what ? `: ${String(what.err)}` : "";
      trace.add(`${this.node.id} ${level} ${typeof what === "string" ? what : `${text}${error}`}`);
    };
    return { info: add("info"), warn: add("warn"), error: add("error") };
  }

  private judgeProposals(): void {
    const { driver } = this;
    const { justified } = this.node.around.checkers;
    const propose = driver.propose.bind(driver);
    driver.propose = (proposals) => {
      justified.onProposing(this, proposals);
      const isTaken = propose(proposals);
      if (!isTaken) justified.onNotTaken(this, proposals);
      return isTaken;
    };
  }

  private traceInputs(): void {
    const { driver } = this;
    const submit = driver.submit.bind(driver);
    driver.submit = (input) => {
      if (input.kind !== "tick") this.node.around.trace.add(`${this.node.id} ${describeInput(input)}`);
      submit(input);
    };
  }

  // --- The clock of this process ---------------------------------------------------------------------------------------

  now(): number {
    const at = this.asleepSince ?? this.node.around.scheduler.now;
    return this.clockBase + Math.floor((at - this.startedAt - this.asleepMs) * this.node.clockRate);
  }

  wall(): string {
    const at = this.node.wallMs;
    const second = Math.floor(at / 1_000);
    // "2030-01-01T00:00:00." is the same for a second.
    if (second !== this.wallSecond.at)
      this.wallSecond = { at: second, text: new Date(second * 1_000).toISOString().slice(0, 20) };
    return this.wallSecond.text + (MILLISECONDS[at - second * 1_000] as string);
  }

  after(ms: number, action: () => void): () => void {
    let isOn = true;
    // A timer waits a millisecond at least, and never less than it was asked to.
    const waits = Math.max(1, Math.ceil(ms / this.node.clockRate));
    const { asleepMs } = this;
    const fire = (): void => {
      if (!isOn) return;
      const slept = this.asleepMs - asleepMs;
      if (slept === 0) action();
      else this.after(Math.min(ms, slept * this.node.clockRate), () => isOn && action());
    };
    const entry = this.node.around.scheduler.timer(waits, () => this.run(fire, { isTimer: true }));
    return () => {
      isOn = false;
      entry.action = null;
    };
  }

  every(ms: number, action: () => void): () => void {
    const { scheduler, random } = this.node.around;
    let isOn = true;
    let isDue = false;
    const fire = (): void => {
      isDue = false;
      if (isOn) action();
    };
    const again = (): void => {
      if (!isOn || !this.isAlive) return;
      entry = scheduler.timer(ms / this.node.clockRate + random.between(0, JITTER_MS), again);
      if (isDue) return;
      isDue = true;
      this.run(fire, { isTimer: true });
    };
    let entry = scheduler.timer(random.between(0, ms), again);
    return () => {
      isOn = false;
      entry.action = null;
    };
  }

  breathe(): Promise<void> {
    if (this.recoversAtOnce) return Promise.resolve();
    return this.isAlive ? new Promise((resolve) => this.after(0, resolve)) : forgetting();
  }

  busyMs(): number {
    return 0;
  }

  randomHex(bytes: number): string {
    return this.node.around.random.hex(bytes);
  }
}

/** Nobody alters a database under a node but the faults, whose findings go to the checkers. */
const UNWATCHED = {
  watch: "unsupported",
  verifiedThrough: -1,
  lastPassAt: null,
  oldestVerifiedAt: null,
  passHeight: null,
  passBlocksPerSecond: null,
} as const;
/** No volume is nearly full. */
const ROOMY = { isLow: false, describe: () => "roomy", onChecked: () => undefined };
/** A list's part may end after any event, and a search at any moment. */
const READ_LIMITS: readonly ReadLimits[] = [
  { partBytesMax: 1, searchMsMax: 1_500 },
  { partBytesMax: 1_000, searchMsMax: 20 },
  { partBytesMax: 1_000_000, searchMsMax: 0 },
  { partBytesMax: 1_000_000, searchMsMax: 1_500 },
];
const JITTER_MS = 5;
/** Why a store may be lost here; any other reason is a bug that the driver took for a failure of its store. */
const STORE_REASONS =
  /cannot be reached|disk is full|refused|answer was lost|longer than the limit|went away|opened again|not open|MongoDB was lost|another process answers|interrupted|another block is stored|where no event is|changed by someone else/i;
