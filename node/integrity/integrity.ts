import { type Height, height } from "../../shared/ids.js";
import type { Block, BlockHeader } from "../../shared/log/block.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import { sleep } from "../clock.js";
import { ProblemError } from "../problems.js";
import type { IndexFinding } from "../replica/held-log.js";
import { resultWithin } from "../service/parts.js";
import type { FoundBy } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import type { AlertLog } from "./alert-log.js";
import { AlertRecorder } from "./alert-recorder.js";
import { EntryInspector } from "./entry-inspector.js";
import { Evidence } from "./evidence.js";
import { keepFoundAtStart } from "./found-at-start.js";
import { makeHealing } from "./healing.js";
import { Incidents } from "./incidents.js";
import { Inspector } from "./inspector.js";
import { Keeping } from "./keeping.js";
import type { MaintenanceWindows } from "./maintenance-windows.js";
import { isSealedNow, sealOf, storeSince } from "./members-then.js";
import type { IntegrityParts, IntegrityStatus } from "./parts.js";
import { Passes } from "./passes.js";
import { PeerBlocks } from "./peer-blocks.js";
import type { KeptPlaces } from "./place-file.js";
import { RecalledAlerts } from "./recalled-alerts.js";
import type { AlertDecision, Decided } from "./resolutions.js";
import type { Scrub } from "./scrub.js";
import { makeScrub, makeSilence } from "./scrubbing.js";
import { StrangerWatch } from "./stranger-watch.js";
import { Watch } from "./watch.js";

/** A start is busy enough; the first pass begins when the node has found its place. */
const FIRST_PASS_AFTER_MS = 10_000;
const PLACES_EVERY_MS = 5_000;
/** What was not committed when it was suspected is looked at as soon as it is. */
const LOOK_AGAIN_MS = 500;
const WINDOWS_WAIT_MS = 2_000;
/** A store that gives no alerts keeps no door shut: the node opens it, and is not ready. */
const ALERTS_WAIT_MS = 2_000;
/** A stop waits so long until what was found is stored. */
const STOP_SAVES_MS = 2_000;

/** Finds what somebody did to this node's own database: the watch at once, the scrub in time, and whatever reads stumble over. */
export class Integrity {
  private readonly incidents: Incidents;
  private readonly inspector: Inspector;
  private readonly entries: EntryInspector;
  private readonly strangers: StrangerWatch;
  private readonly keeping: Keeping;
  private readonly bundles: Evidence;
  private readonly recalled: RecalledAlerts;
  private readonly recorder: AlertRecorder;
  private readonly healing: ReturnType<typeof makeHealing>;
  private running: {
    readonly places: KeptPlaces;
    readonly watch: Watch;
    readonly scrub: Scrub;
    readonly passes: Passes;
    readonly stop: () => Promise<void>;
  } | null = null;
  private isStopped = false;
  private isRecalled = false;
  /** What is open from before is not known yet. */
  private isUnread = false;

  constructor(private readonly parts: IntegrityParts) {
    const { nodeId, storage, driver, clock, logger } = parts;
    const store = storage.integrity;
    const heldThrough = (): Height => this.heldThrough;
    const committedAt = (at: Height) => driver.log.committedAt(at);
    const onStep = (alert: AlertRecord): void => this.onStep(alert);
    const onDamage = (isDamaged: boolean): void => (isDamaged ? parts.onAltered() : parts.onHealed());
    const onStored = (alert: AlertRecord): void => this.recorder.onStored(alert);
    const { notify } = parts;
    this.incidents = new Incidents({
      ...{ nodeId, store: storage.alerts, clock, logger, onStep, onStored, onDamage },
      ...(notify === undefined ? {} : { notify }),
    });
    const note = this.incidents.note.bind(this.incidents);
    const seal = (block: Block): Promise<boolean | null> => sealOf(block, parts);
    const isSealed = async (block: Block): Promise<boolean> => (await seal(block)) === true;
    const peers = new PeerBlocks({ desk: parts.desk, store, committedAt, heldThrough, isSealed });
    this.bundles = new Evidence({
      ...{ nodeId, store, peers, committedAt, heldThrough, isSealed, log: storage.log },
      clusterId: () => driver.view()?.clusterId ?? "",
      wall: () => clock.wall(),
    });
    this.inspector = new Inspector({
      ...{ nodeId, store, peers, committedAt, heldThrough, clock, note, logger, sealOf: seal },
      verifiedAt: (at) => this.running?.scrub.verifiedAt(at) ?? null,
      onAltered: parts.onAltered,
      // A rebuild has deleted them itself, and ends with a whole pass.
      onForgotten: () => this.healing.rebuild.isUnderWay || this.running?.passes.onReplaced(),
    });
    this.keeping = new Keeping({ store, clock, logger });
    this.entries = new EntryInspector({
      ...{ nodeId, store, heldThrough, note, keeping: this.keeping },
      readBlocks: (heights) => driver.log.blocks.read(heights),
      entryOf: (events, index, paths) => driver.log.index.entryOf(events, index, paths),
      indexedPaths: () => driver.log.index.indexedPaths,
      isWhole: () => driver.log.index.isWhole,
      ...{ clock, accountOf: () => store.indexAccount() },
      makeAnew: (at) => driver.log.index.differs(at),
      makeAllAnew: () => driver.log.index.lost(),
    });
    this.recalled = new RecalledAlerts({
      ...{ nodeId, store, alerts: storage.alerts, committedAt, incidents: this.incidents, logger },
      storeSince: () => storeSince(parts),
      record: (alert) => this.recorder.record(alert),
      onHeard: parts.onHeard,
      isStopped: () => this.isStopped,
    });
    this.recorder = new AlertRecorder({
      ...{ nodeId, log: this.logged, clock, logger, desk: parts.desk, signer: parts.signer, verifier: parts.verifier },
      view: () => driver.view(),
      submit: (input) => driver.submit(input),
      evidenceHash: (alert) => this.bundles.hashOf(alert),
    });
    this.healing = makeHealing({
      ...{ of: { ...parts, onStep }, peers, desk: parts.desk, incidents: this.incidents, heldThrough },
      logged: (id) => this.logged.find(id, nodeId),
      places: () => this.running?.places ?? null,
      watched: async () => {
        const areJudged = (await this.running?.watch.caughtUp()) ?? true;
        await this.inspector.idle();
        return areJudged;
      },
      fullPass: async () => this.running?.passes.fullPass(),
      mendEntries: (heights) => this.entries.mend(heights),
      onMended: () => this.strangers.forget(),
      isStopped: () => this.isStopped,
    });
    this.strangers = new StrangerWatch({
      ...{ nodeId, store, clock, note, keeping: this.keeping },
      isSealed: ({ block }) => isSealedNow(block, parts),
      held: (at) => driver.heldBlock(at),
      durableHeight: () => driver.view()?.durableHeight ?? null,
    });
  }

  get status(): IntegrityStatus {
    const { running } = this;
    if (running === null)
      return {
        watch: this.parts.isOff ? "down" : "starting",
        verifiedThrough: -1,
        lastPassAt: null,
        oldestVerifiedAt: null,
        passHeight: null,
        passBlocksPerSecond: null,
      };
    return {
      // What is open from before is part of what a start has to know.
      watch: this.isRecalled ? running.watch.state : "starting",
      ...running.scrub.coverage,
      ...(this.healing.rebuild.isUnderWay ? { isRebuilding: true } : {}),
      ...(this.incidents.isDamaged ? { isDamaged: true } : {}),
      ...(this.isPending ? { isVerificationPending: true } : {}),
      ...(this.isUnread ? { isUnread: true } : {}),
    };
  }

  /** What was changed while nobody watched is being looked for, or what was found before is not known: others should lead. */
  get isPending(): boolean {
    return this.isUnread || this.running?.passes.isPending === true;
  }

  get isIndexInDoubt(): boolean {
    return this.incidents.isOpen("index_differs");
  }

  get logged(): AlertLog {
    return this.recalled.logged;
  }

  get windows(): MaintenanceWindows {
    return this.recalled.windows;
  }

  /** Before anything is told of alerts; a log whose notes were lost takes longer to prove them than a start may wait. */
  recallWindows(): Promise<void> {
    const { clock, driver } = this.parts;
    return Promise.race([this.recalled.recallWindows(driver.heldThrough), sleep(clock, WINDOWS_WAIT_MS)]);
  }

  evidence(alert: AlertRecord): Promise<EvidenceBundle> {
    return this.bundles.bundle(alert);
  }

  /** Streams hear of any alert of this node at once, and the log in time. */
  onStep(alert: AlertRecord): void {
    this.parts.onStep(this.windows.annotated(alert));
    this.recorder.record(alert);
  }

  onRecords(header: BlockHeader): void {
    this.recalled.onRecords(header);
  }

  async decide(decision: AlertDecision): Promise<Decided> {
    // A repair would note nowhere which writes are its own, and a rebuild not how far it has come.
    if (!this.isAllKnown)
      throw new ProblemError(
        "not_ready",
        "This node does not know yet what is open from before. Ask again; if it stays so, its log says what cannot be read.",
      );
    return this.healing.resolutions.decide(decision);
  }

  /** What is being deleted on purpose is missing by right. */
  private get heldThrough(): Height {
    return this.healing.rebuild.isClearing ? height(0) : this.parts.driver.heldThrough;
  }

  /** A read, or a start, met a block that does not verify: perhaps only its signature. */
  suspect(at: Height): void {
    this.inspector.suspect(at, { foundBy: this.foundBy, isSealInDoubt: true });
    void this.inspector.idle().then(() => this.onLookedAt());
  }

  /** What a read met is an incident by now, or was sound: then the node is as good as any other. */
  private onLookedAt(): void {
    if (this.isAllKnown && !this.incidents.isDamaged) this.parts.onHealed();
  }

  /** An entry was not its block's, or the index lost its account of itself: it is being made anew. */
  onIndexDiffers(finding: Extract<IndexFinding, { kind: "index_differs" }>): void {
    this.entries.tellOf(finding, this.foundBy);
  }

  /** The database was opened again. */
  onRecovered(): void {
    if (this.isAllKnown) void keepFoundAtStart(this.parts, this.incidents);
  }

  /** Once the log is recovered. */
  async start(storeId: string): Promise<void> {
    const { clock, driver } = this.parts;
    if (this.parts.isOff) return;
    this.recalled.onStart(driver.view()?.durableHeight ?? 0);
    this.isUnread = true;
    const loading = this.incidents.load();
    const late = sleep(clock, ALERTS_WAIT_MS);
    await Promise.race([loading, late]);
    await this.begin(storeId);
    await Promise.race([loading.then(() => this.goOn()), late]);
  }

  /** What is found is told also by a node that cannot read what is open from before. */
  private async begin(storeId: string): Promise<void> {
    const { clock } = this.parts;
    const places = await this.parts.openPlaces(storeId);
    if (this.isStopped) return;
    const watch = this.makeWatch(places);
    const { incidents, inspector } = this;
    const scrubbing = { of: this.parts, incidents, inspector, heldThrough: () => this.heldThrough };
    const scrub = makeScrub(scrubbing, {
      ...{ entries: this.entries, keeping: this.keeping, bundles: this.bundles, logged: this.logged, places },
      isAlone: () => this.running?.passes.isDue !== false || this.running.watch.state !== "live",
      isUnread: () => this.isUnread && !this.isStopped,
      // What is not seen just now comes as soon as the watch goes on from its place.
      isSeen: () => !watch.isFromNow && watch.state !== "unsupported",
    });
    const passes = this.makePasses(places, scrub);
    // One that is under way at that time goes on.
    const schedule = this.parts.schedule(() => void (passes.isUnderWay || passes.pass()));
    const silence = makeSilence(scrubbing, { watch, scrub, passes, schedule });
    const stops = [
      clock.after(FIRST_PASS_AFTER_MS, () => void passes.pass()),
      clock.every(PLACES_EVERY_MS, () => void this.writePlaces()),
      clock.every(LOOK_AGAIN_MS, () => this.inspector.lookAgain()),
    ];
    const stop = async (): Promise<void> => {
      for (const cancel of stops) cancel();
      silence.stop();
      await schedule.stop();
      // Together with its scrub: one that is due would else begin anew for ever, and leave no turn to what is waited for.
      const passesStopped = passes.stop();
      this.inspector.stop();
      this.strangers.stop();
      this.recorder.stop();
      await watch.stop();
      await passesStopped;
    };
    this.running = { places, watch, scrub, passes, stop };
    passes.start();
    this.parts.onPending();
    this.inspector.start();
    if (this.parts.isUnwatched) watch.leaveOff();
    else watch.start();
    silence.start();
    this.strangers.start();
  }

  /** Once it is known what is open from before. */
  private async goOn(): Promise<void> {
    const { driver, onPending } = this.parts;
    if (this.isStopped) return;
    this.isUnread = false;
    onPending();
    // It may be over since.
    this.endBlindness();
    void keepFoundAtStart(this.parts, this.incidents);
    void this.inspector.idle().then(() => this.onLookedAt());
    await this.healing.resolutions.resume();
    if (this.isStopped) return;
    // What the log has already is not to be sent once more.
    void this.recalled.recall(driver.heldThrough).then(() => {
      this.isRecalled = true;
      if (!this.isStopped) this.recorder.start();
    });
  }

  async stop(): Promise<void> {
    const { incidents, running } = this;
    this.isStopped = true;
    // Who has found it waits until it is stored.
    incidents.tellHeldBack();
    await running?.stop();
    await resultWithin(this.parts.clock, incidents.saved(), STOP_SAVES_MS);
    incidents.stop();
    await this.writePlaces();
  }

  /** Watch and scrub are there, and what is open from before. */
  private get isAllKnown(): boolean {
    return this.running !== null && !this.isUnread;
  }

  private get foundBy(): FoundBy {
    return this.running === null ? "start" : "read";
  }

  private makeWatch(places: KeptPlaces): Watch {
    const { storage, driver, clock, logger } = this.parts;
    return new Watch({
      store: storage.integrity,
      from: places.places.watch,
      onPlace: (watch) => places.set({ watch }),
      clock,
      logger,
      heldThrough: () => this.heldThrough,
      clusterId: () => driver.view()?.clusterId ?? "",
      isStoreOpen: () => driver.view() !== null,
      suspect: (at, suspicion) => this.inspector.suspect(at, suspicion),
      inspectEntries: (heights, changedAt, onPart) => this.entries.inspect(heights, "watch", changedAt, onPart),
      isMarkerSound: () => this.entries.isMarkerSound(),
      note: (finding) => this.incidents.note(finding),
      isOwnWrite: (at) => this.healing.repair.isOwnWrite(at),
      alteredAlerts: async (ids) => {
        const standings = await Promise.all(ids.map((id) => storage.alerts.standing(id)));
        return ids.filter((_, i) => standings[i] === "altered");
      },
      isOpenEvidence: (id) =>
        this.isUnread ? null : this.incidents.unresolved.some(({ evidence = [] }) => evidence.includes(id)),
      onAlertsGone: () => this.incidents.saveAgain(),
      settled: async (onPart) => {
        await this.inspector.idle(onPart);
        await this.incidents.saved();
      },
      onBlind: () => this.running?.passes.onBlind(),
      onReplaced: () => this.running?.passes.onReplaced(),
      onLive: (isFromNow) => {
        this.healing.repair.onAllJudged();
        this.running?.passes.onLive(isFromNow);
        this.endBlindness();
        // From here on a restart knows where to go on.
        void this.writePlaces();
      },
    });
  }

  private makePasses(places: KeptPlaces, scrub: Scrub): Passes {
    const { clock, logger, driver, onPending } = this.parts;
    return new Passes({
      ...{ scrub, places, clock, logger, onPending },
      holdsBlocks: () => driver.heldThrough > 0,
      isWatchStarting: () => this.running?.watch.state === "starting",
      onCaughtUp: () => this.endBlindness(),
    });
  }

  private endBlindness(): void {
    if (this.running?.passes.isDue === false && this.running.watch.state === "live") this.incidents.end("watch_down");
  }

  private async writePlaces(): Promise<void> {
    try {
      await this.running?.places.write();
    } catch (err) {
      this.parts.logger.warn({ err }, "the place of watch and scrub could not be written: a restart looks again");
    }
  }
}
