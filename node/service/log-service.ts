import type { Effect } from "../../cluster/types.js";
import type { Height, NodeId } from "../../shared/ids.js";
import type { ShownEvent } from "../../shared/log/event.js";
import type { AlertRecord } from "../storage/port.js";
import { BlockViews } from "./block-views.js";
import { Elections } from "./elections.js";
import { HandOver } from "./leadership.js";
import type { LogService, StreamNotice } from "./log-port.js";
import { type LogServiceOptions, type Parts, PeerDesk } from "./parts.js";
import { Reads } from "./reads.js";
import { Status } from "./status.js";
import { Writes } from "./writes.js";

/** The log as the routes see it; each part is in node/service. */
export class NodeLogService implements LogService {
  readonly nodeId: NodeId;
  private readonly reads: Reads;
  private readonly writes: Writes;
  private readonly status: Status;
  private readonly elected: Elections;
  private readonly handOver: HandOver;
  private readonly blockViews: BlockViews;
  private readonly noticeListeners = new Set<(notice: StreamNotice) => void>();

  constructor(private readonly options: LogServiceOptions) {
    this.nodeId = options.config.nodeId;
    const parts: Parts = { ...options, peers: new PeerDesk(options) };
    this.reads = new Reads(parts);
    this.blockViews = new BlockViews(parts, this.reads.places);
    this.status = new Status(parts, this.reads);
    this.handOver = new HandOver(parts);
    this.elected = new Elections(parts, (election) => this.notify({ kind: "election", election }));
    this.writes = new Writes(parts, {
      onRefused: () => this.elected.onRefused(),
      onAcknowledged: (size) => this.reads.onAcknowledged(size),
      isHandingOver: () => this.handOver.isLeavingForDisk,
    });
    options.disk.onChecked(() => this.handOver.onDisk());
  }

  // --- What the node tells it ----------------------------------------------------------------------------------------

  onEffect(effect: Effect): void {
    this.writes.onEffect(effect);
    this.reads.onEffect(effect);
    this.elected.onEffect(effect);
    this.handOver.onEffect(effect);
    this.status.onEffect(effect);
  }
  onVerified(lastSequence: number): void {
    this.status.verifiedThrough = lastSequence;
  }
  onReplicaLost(): void {
    this.writes.onReplicaLost();
    this.reads.onReplicaLost();
  }
  onRecovered(commitHeight: Height): void {
    this.writes.onRecovered(commitHeight);
  }
  onPeerHeard(peer: NodeId): void {
    this.handOver.onPeerHeard(peer);
  }
  onPeerGone(peer: NodeId): void {
    this.handOver.onPeerGone(peer);
  }
  onAlert(alert: AlertRecord): void {
    this.notify({ kind: "alert", alert });
  }
  /** Says in /readyz that the node stops, and hands over if it leads; everything is still served until then. */
  async beforeStop(): Promise<void> {
    this.status.isStopping = true;
    await this.handOver.beforeStop();
  }
  stop(): void {
    this.writes.stop();
    this.reads.stop();
  }
  drained(): Promise<void> {
    return this.writes.drained();
  }

  // --- What the routes and streams ask -------------------------------------------------------------------------------

  append: LogService["append"] = (write) => this.writes.append(write);
  awaitReadable: LogService["awaitReadable"] = (condition) => this.reads.awaitReadable(condition);
  get: LogService["get"] = (sequence) => this.reads.get(sequence);
  page: LogService["page"] = (request) => this.reads.page(request);
  count: LogService["count"] = (filter, range) => this.reads.count(filter, range);
  copies: LogService["copies"] = (sequence) => this.reads.copies(sequence);
  block: LogService["block"] = (height) => this.reads.guarded(() => this.blockViews.block(height));
  chain: LogService["chain"] = (from, count) => this.blockViews.chain(from, count);
  standing: LogService["standing"] = () => this.status.standing();
  readiness: LogService["readiness"] = () => this.status.readiness();
  clusterStatus: LogService["clusterStatus"] = () => this.status.clusterStatus();
  admit: LogService["admit"] = (request) => this.status.admit(request);
  alerts: LogService["alerts"] = (limit) => this.status.alerts(limit);
  elections: LogService["elections"] = (limit) => this.reads.guarded(() => this.elected.list(limit));
  stepDown: LogService["stepDown"] = (request) => this.handOver.stepDown(request);

  get logSize(): number {
    return this.reads.logSize;
  }
  get indexedPaths(): readonly string[] {
    return this.options.driver.index.indexedPaths;
  }

  subscribe(listener: (events: readonly ShownEvent[]) => void): () => void {
    return this.options.driver.committed.subscribe(listener);
  }

  subscribeNotices(listener: (notice: StreamNotice) => void): () => void {
    this.noticeListeners.add(listener);
    return () => this.noticeListeners.delete(listener);
  }

  private notify(notice: StreamNotice): void {
    for (const listener of this.noticeListeners) listener(notice);
  }
}
