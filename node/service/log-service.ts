import type { Effect } from "../../cluster/types.js";
import type { Height, NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { AlertRecord } from "../storage/port.js";
import { Admissions } from "./admissions.js";
import { AlertDesk } from "./alert-desk.js";
import { Elections } from "./elections.js";
import { HeadExchange } from "./head-exchange.js";
import { LeaderWatch } from "./leader-watch.js";
import { HandOver } from "./leadership.js";
import type { LogLeadership, LogService } from "./log-port.js";
import { MaintenanceDesk } from "./maintenance.js";
import { type LogServiceOptions, type Parts, PeerDesk } from "./parts.js";
import { Reads } from "./reads.js";
import { Status } from "./status.js";
import { Writes } from "./writes.js";

/** The log as the routes see it: its parts, and what the node tells them. */
export class NodeLogService implements LogService {
  readonly writes: Writes;
  readonly reads: Reads;
  readonly leadership: LogLeadership;
  readonly status: Status;
  readonly alerts: AlertDesk;
  readonly maintenance: MaintenanceDesk;
  private readonly elected: Elections;
  private readonly handOver: HandOver;
  private readonly leaders: LeaderWatch;
  private readonly heads: HeadExchange | null;

  constructor(options: LogServiceOptions) {
    this.leaders = new LeaderWatch(options.driver);
    const parts: Parts = { ...options, peers: new PeerDesk(options), leaders: this.leaders };
    this.reads = new Reads(parts);
    this.alerts = new AlertDesk(parts);
    this.maintenance = new MaintenanceDesk(parts);
    this.status = new Status(parts, this.reads, this.alerts);
    this.handOver = new HandOver(parts);
    this.elected = new Elections(parts, (election) => this.status.notify({ kind: "election", election }));
    this.writes = new Writes(parts, {
      onRefused: () => this.elected.onRefused(),
      onAcknowledged: (size) => this.reads.onAcknowledged(size),
      isHandingOver: () => this.handOver.isLeavingForDisk,
    });
    const admissions = new Admissions(parts);
    this.leadership = {
      stepDown: (request) => this.handOver.stepDown(request),
      admit: (request) => admissions.admit(request),
      elections: (limit) => this.reads.guarded(() => this.elected.list(limit)),
    };
    options.disk.onChecked(() => this.handOver.onDisk());
    const { heads, transport, onAlert = () => undefined } = options;
    this.heads = heads === undefined || transport === null ? null : new HeadExchange({ ...parts, heads, onAlert });
  }

  onEffect(effect: Effect): void {
    this.writes.tracker.onEffect(effect);
    this.reads.onEffect(effect);
    this.elected.onEffect(effect);
    this.handOver.onEffect(effect);
    this.status.onEffect(effect);
    this.alerts.onEffect(effect);
    if (effect.kind === "role_changed" || effect.kind === "committed") this.leaders.look();
  }
  onReplicaLost(): void {
    this.writes.tracker.onReplicaLost();
    this.reads.onReplicaLost();
    this.leaders.look();
  }
  onRecovered(commitHeight: Height): void {
    this.writes.tracker.onRecovered(commitHeight);
    this.leaders.look();
  }
  onPeerMessage(message: PeerMessage): void {
    this.handOver.onPeerHeard(message.from);
    this.elected.onMessage(message);
  }
  onPeerGone(peer: NodeId): void {
    this.handOver.onPeerGone(peer);
  }
  onAlert(alert: AlertRecord): void {
    this.status.notify({ kind: "alert", alert });
  }

  /** Says in /readyz that the node stops, and hands over if it leads; everything is still served until then. */
  async beforeStop(): Promise<void> {
    this.status.isStopping = true;
    await this.handOver.beforeStop();
  }
  stop(): void {
    this.heads?.stop();
    this.writes.stop();
    this.reads.stop();
  }
  drained(): Promise<void> {
    return this.writes.drained();
  }
}
