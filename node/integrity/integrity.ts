import { schedule } from "node-cron";
import type { Logger } from "pino";
import { type Height, height, type NodeId } from "../../shared/ids.js";
import { type Block, hashHeader, headerBytes } from "../../shared/log/block.js";
import { type BlockVerifier, type ChainState, rangeMatches, type SignatureVerifier } from "../../shared/log/chain.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import { type Clock, delay } from "../clock.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { Driver } from "../replica/driver.js";
import type { HeldLog } from "../replica/held-log.js";
import { membersAt, stateAfter } from "../replica/verified-tail.js";
import type { FoundBy } from "../storage/incident.js";
import type { FoundBlock, IntegrityStore } from "../storage/integrity-port.js";
import type { AlertRecord, AlertStore, LogStore } from "../storage/port.js";
import { headerHash } from "./difference.js";
import { EntryInspector } from "./entry-inspector.js";
import { Evidence } from "./evidence.js";
import { Incidents } from "./incidents.js";
import { Inspector, type Suspicion } from "./inspector.js";
import { PeerBlocks, type PeerBlocksParts } from "./peer-blocks.js";
import { PlaceFile } from "./place-file.js";
import { type Coverage, Scrub } from "./scrub.js";
import { StrangerWatch } from "./stranger-watch.js";
import { Watch, type WatchState } from "./watch.js";

/** A start is busy enough; the first pass begins when the node has found its place. */
const FIRST_PASS_AFTER_MS = 10_000;
const PLACES_EVERY_MS = 5_000;
/** What was not committed when it was suspected is looked at as soon as it is. */
const LOOK_AGAIN_MS = 500;
const MARKER_AGAIN_MS = 300;

export interface IntegrityParts {
  readonly nodeId: NodeId;
  readonly identityFolder: string;
  /** When a pass over the whole log begins, if none is under way. */
  readonly verifySchedule: string;
  readonly storage: {
    readonly log: Pick<LogStore, "readMembershipBlocks">;
    readonly integrity: IntegrityStore;
    readonly alerts: Pick<AlertStore, "save" | "list" | "get" | "count" | "standing">;
  };
  readonly driver: Pick<Driver, "heldThrough" | "view"> & {
    readonly log: Pick<HeldLog, "committedAt" | "blocks" | "index">;
  };
  readonly desk: PeerBlocksParts["desk"];
  readonly verifyBlock: BlockVerifier;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of an incident, once it is stored: opened, decided, found again. */
  readonly onStep: (alert: AlertRecord) => void;
  /** A committed block of this node is not what it was. */
  readonly onAltered: () => void;
  /** Nothing is watched and verified, for a measurement. */
  readonly isOff: boolean;
}

export interface IntegrityStatus extends Coverage {
  readonly watch: WatchState;
}

/** Finds what somebody did to this node's own database: the watch at once, the scrub in time, and whatever reads stumble over. */
export class Integrity {
  private readonly incidents: Incidents;
  private readonly inspector: Inspector;
  private readonly entries: EntryInspector;
  private readonly strangers: StrangerWatch;
  private readonly bundles: Evidence;
  private running: {
    readonly places: PlaceFile;
    readonly watch: Watch;
    readonly scrub: Scrub;
    readonly stop: () => Promise<void>;
  } | null = null;
  /** Full passes until it is known what happened while nothing was watched. */
  private passesDue = 0;
  private passing: Promise<void> | null = null;
  private isStopped = false;

  constructor(private readonly parts: IntegrityParts) {
    const { nodeId, storage, driver, clock, logger } = parts;
    const store = storage.integrity;
    const heldThrough = (): Height => driver.heldThrough;
    const committedAt = (at: Height) => driver.log.committedAt(at);
    this.incidents = new Incidents({ nodeId, store: storage.alerts, clock, logger, onStep: parts.onStep });
    const note = this.incidents.note.bind(this.incidents);
    const peers = new PeerBlocks({ desk: parts.desk, store, committedAt, heldThrough });
    this.bundles = new Evidence({
      ...{ nodeId, store, peers, committedAt, heldThrough, log: storage.log },
      clusterId: () => driver.view()?.clusterId ?? "",
      wall: () => clock.wall(),
    });
    this.inspector = new Inspector({
      ...{ nodeId, store, peers, committedAt, heldThrough, clock, note, logger },
      verifiedAt: (at) => this.running?.scrub.verifiedAt(at) ?? null,
      onAltered: parts.onAltered,
    });
    this.entries = new EntryInspector({
      ...{ nodeId, store, heldThrough, note },
      readBlocks: (heights) => driver.log.blocks.read(heights),
      entryOf: (events, index, paths) => driver.log.index.entryOf(events, index, paths),
      indexedPaths: () => driver.log.index.indexedPaths,
      isWhole: () => driver.log.index.isWhole,
      makeAnew: (at) => driver.log.index.differs(at),
      makeAllAnew: () => driver.log.index.lost(),
    });
    this.strangers = new StrangerWatch({
      ...{ nodeId, store, clock, note },
      isSealed: ({ block }) => isSealed(block, driver.view()?.members ?? [], parts.verifier),
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
      };
    return { watch: running.watch.state, ...running.scrub.coverage };
  }

  evidence(alert: AlertRecord): Promise<EvidenceBundle> {
    return this.bundles.bundle(alert);
  }

  /** A read, or a start, met a block that does not verify. */
  suspect(at: Height): void {
    this.inspector.suspect(at, { foundBy: this.foundBy });
  }

  /** An entry was not its block's, and is being made anew. */
  onEntryDiffers(at: Height, detail: string): void {
    this.incidents.note({ kind: "index_differs", foundBy: this.foundBy, heights: [at, at], detail });
  }

  /** Once the log is recovered. */
  async start(storeId: string): Promise<void> {
    const { clock, logger, identityFolder, driver, verifySchedule } = this.parts;
    if (this.parts.isOff) return;
    await this.incidents.load().catch((err) => logger.warn({ err }, "open alerts could not be read"));
    const places = await PlaceFile.open(identityFolder, storeId);
    const watch = this.makeWatch(places);
    const scrub = this.makeScrub(places);
    const task = schedule(verifySchedule, () => this.pass(), { noOverlap: true });
    const stops = [
      clock.after(FIRST_PASS_AFTER_MS, () => void this.pass()),
      clock.every(PLACES_EVERY_MS, () => void this.writePlaces()),
      clock.every(LOOK_AGAIN_MS, () => this.inspector.lookAgain()),
    ];
    const stop = async (): Promise<void> => {
      for (const cancel of stops) cancel();
      await task.destroy();
      scrub.stop();
      this.inspector.stop();
      this.strangers.stop();
      await watch.stop();
      await this.passing;
      this.incidents.stop();
      await this.writePlaces();
    };
    this.running = { places, watch, scrub, stop };
    if (places.places.watch === null && driver.heldThrough > 0) this.onBlind();
    this.inspector.start();
    watch.start();
    this.strangers.start();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running?.stop();
  }

  private get foundBy(): FoundBy {
    return this.running === null ? "start" : "read";
  }

  private makeWatch(places: PlaceFile): Watch {
    const { storage, driver, clock, logger } = this.parts;
    return new Watch({
      store: storage.integrity,
      from: places.places.watch,
      onPlace: (watch) => places.set({ watch }),
      clock,
      logger,
      heldThrough: () => driver.heldThrough,
      clusterId: () => driver.view()?.clusterId ?? "",
      isStoreOpen: () => driver.view() !== null,
      suspect: (at, suspicion) => this.inspector.suspect(at, suspicion),
      inspectEntries: (heights, changedAt) => this.entries.inspect(heights, "watch", changedAt),
      isMarkerSound: () => this.isMarkerSound(),
      note: (finding) => this.incidents.note(finding),
      onAlertsGone: () => this.incidents.saveAgain(),
      settled: async () => {
        await this.inspector.idle();
        await this.incidents.saved();
      },
      onBlind: () => this.onBlind(),
      onLive: () => this.endBlindness(),
    });
  }

  private makeScrub(places: PlaceFile): Scrub {
    const { storage, driver, clock, verifyBlock } = this.parts;
    return new Scrub({
      store: storage.integrity,
      places,
      verifyBlock,
      committedAt: (at) => driver.log.committedAt(at),
      heldThrough: () => driver.heldThrough,
      stateAt: (found) => this.stateAt(found),
      inspect: (from, through, suspicion) => this.inspect(from, through, suspicion),
      paths: () => this.entries.paths,
      compareEntries: async (blocks, entries, paths) => {
        const due = blocks.map(({ found, events, index }) => ({ block: found.block, events, index }));
        const differing = this.entries.differing(due, entries, paths).map(({ block }) => block.header.height);
        // They are read once more before anything is said.
        if (differing.length > 0) await this.entries.inspect(differing, "scrub");
      },
      note: (finding) => this.incidents.note(finding),
      clock,
      isAlone: () => this.passesDue > 0 || this.running?.watch.state !== "live",
    });
  }

  private async inspect(from: Height, through: Height, suspicion: Suspicion): Promise<void> {
    for (let at = from as number; at <= through; at++) this.inspector.suspect(height(at), suspicion);
    await this.inspector.idle();
  }

  /** Header and frontier as they were committed, and members by blocks that are what was committed. */
  private async stateAt({ at, block, frontier, ...found }: FoundBlock): Promise<ChainState | null> {
    const { driver, storage } = this.parts;
    const { header } = block;
    try {
      const { blockHash } = await driver.log.committedAt(height(at));
      if (headerHash({ at, block, frontier, ...found }) !== blockHash || block.blockHash !== blockHash) return null;
      if (!rangeMatches({ size: header.treeSize, hashes: frontier }, header)) return null;
      for (const one of await storage.log.readMembershipBlocks(height(at))) {
        const there = one.block.header;
        if ((await driver.log.committedAt(there.height)).blockHash !== hashHeader(there)) return null;
      }
    } catch (error) {
      if (error instanceof AlteredBlock) return null;
      throw error;
    }
    const { members, clusterId } = await membersAt(storage.log, height(at));
    return stateAfter({ block, frontier }, members, clusterId);
  }

  private async pass(): Promise<void> {
    const { running } = this;
    if (running === null || this.isStopped) return;
    this.passing ??= this.passOnce(running.scrub).finally(() => {
      this.passing = null;
    });
    await this.passing;
    if (this.passesDue > 0 && !this.isStopped) void this.pass();
  }

  private async passOnce(scrub: Scrub): Promise<void> {
    const { logger, clock } = this.parts;
    try {
      if (!(await scrub.pass())) return;
      logger.info(scrub.coverage, `verified the log through event ${scrub.coverage.verifiedThrough}`);
      this.passesDue = Math.max(0, this.passesDue - 1);
      this.endBlindness();
    } catch (error) {
      logger.warn({ err: error }, "the verification pass was interrupted; it goes on where it was");
      await delay(clock, LOOK_AGAIN_MS);
    }
  }

  /** What was changed and not watched is found by a pass that begins now. */
  private onBlind(): void {
    this.passesDue = this.passing === null ? 1 : 2;
    if (this.passing === null) this.running?.places.set({ scrub: null });
    void this.pass();
  }

  private endBlindness(): void {
    if (this.passesDue === 0 && this.running?.watch.state === "live") this.incidents.end("watch_down");
  }

  private async isMarkerSound(): Promise<boolean> {
    const { driver, storage, clock } = this.parts;
    // Work on the index that ends just now says so in the database first.
    for (let look = 0; look < 2; look++) {
      if (!driver.log.index.isWhole || (await storage.integrity.isMarked())) return true;
      await delay(clock, MARKER_AGAIN_MS);
    }
    driver.log.index.lost();
    return false;
  }

  private async writePlaces(): Promise<void> {
    try {
      await this.running?.places.write();
    } catch (err) {
      this.parts.logger.warn({ err }, "the place of watch and scrub could not be written: a restart looks again");
    }
  }
}

/** Whether a member has signed the header; of what follows from that, nothing is checked. */
function isSealed(
  { header, signature }: Block,
  members: readonly { readonly id: NodeId; readonly keys: { readonly block: string } }[],
  verifier: SignatureVerifier,
): boolean {
  const leader = members.find(({ id }) => id === header.leaderId);
  return leader !== undefined && verifier.verify(leader.keys.block, headerBytes(header), signature);
}
