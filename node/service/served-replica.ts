import { DEFAULT_LIMITS, type ReplicaLimits } from "../../cluster/limits.js";
import type { BulkEnd } from "../../cluster/types.js";
import type { Height, NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { Config } from "../config.js";
import type { PeerTransport } from "../peers/transport.js";
import { Driver } from "../replica/driver.js";
import type { DriverEvents, DriverOptions, ToldEffect } from "../replica/driver-ports.js";
import type { IndexFinding } from "../replica/held-log.js";
import type { WordedAlert } from "../replica/wording.js";
import { NodeLogService } from "./log-service.js";
import type { LogServiceOptions, PeerPort } from "./parts.js";

/** What a transport tells of the other nodes. */
export interface PeerEvents {
  /** With `ref` when the answer can be sent in place. */
  onMessage(message: PeerMessage, ref?: number): void;
  onBulkProgress(peer: NodeId, round: number): void;
  onBulkOver(peer: NodeId, round: number, end: BulkEnd): void;
  onUnreachable(peer: NodeId): void;
  /** Its process has ended. */
  onGone(peer: NodeId): void;
}

/** The way to the other nodes: messages of the replicas, which may be lost, and questions that are answered. */
export type ClusterPort = PeerPort & Pick<PeerTransport, "send" | "setClusterId">;

/** What a replica tells its node. */
export type ReplicaObserver = Omit<DriverEvents, "onIndexChange">;

/** All that has a side effect or is a matter of chance. */
export interface ReplicaPorts<P extends ClusterPort>
  extends Pick<DriverOptions, "storage" | "identity" | "signer" | "verifyBlock" | "logger" | "clock">,
    Pick<
      LogServiceOptions,
      | "version"
      | "disk"
      | "verifier"
      | "readLimits"
      | "integrity"
      | "incidents"
      | "testWebhook"
      | "webhookFault"
      | "heads"
    > {
  readonly config: LogServiceOptions["config"] &
    Pick<Config, "heartbeatMs" | "takeoverCooldownMs" | "admitsNewKeys" | "indexedPaths">;
  readonly limits?: ReplicaLimits;
  readonly log?: Omit<NonNullable<DriverOptions["log"]>, "indexedPaths">;
  /** Called once; null for a node that stands alone. */
  readonly connect: (events: PeerEvents) => P | null;
  /** Told of everything first. */
  readonly observer: ReplicaObserver;
  /** False while others should lead, whatever this node's log says. */
  readonly mayLead: () => boolean;
}

/** A replica, and what answers clients and peers from it: the same in the product and in the simulator. */
export class ServedReplica<P extends ClusterPort> implements DriverEvents, PeerEvents {
  readonly driver: Driver;
  readonly service: NodeLogService;
  readonly peers: P | null;
  private hasInvalidBlock = false;

  constructor(private readonly ports: ReplicaPorts<P>) {
    const { config, storage, identity, signer, verifyBlock, verifier, logger, clock, version, disk, integrity } = ports;
    this.peers = ports.connect(this);
    this.driver = new Driver({
      config: {
        self: { id: config.nodeId, address: config.self.address, priority: config.self.priority },
        configured: config.members,
        heartbeatMs: config.heartbeatMs,
        electionTimeoutMs: config.electionTimeoutMs,
        requestTimeoutMs: config.requestTimeoutMs,
        takeoverCooldownMs: config.takeoverCooldownMs,
        admitsNewKeys: config.admitsNewKeys,
        limits: ports.limits ?? DEFAULT_LIMITS,
      },
      ...{ storage, identity, signer, verifyBlock, logger, clock },
      send: (message, ref) => this.peers?.send(message, ref),
      events: this,
      log: { ...ports.log, indexedPaths: config.indexedPaths },
    });
    this.service = new NodeLogService({
      ...{ config, version, storage, disk, verifier, integrity, logger, clock },
      onInvalidBlock: (at, detail) => this.onInvalidBlock(at, detail),
      driver: this.driver,
      transport: this.peers,
      ...(ports.incidents === undefined ? {} : { incidents: ports.incidents }),
      ...(ports.testWebhook === undefined ? {} : { testWebhook: ports.testWebhook }),
      ...(ports.webhookFault === undefined ? {} : { webhookFault: ports.webhookFault }),
      ...(ports.heads === undefined ? {} : { heads: ports.heads }),
      onAlert: (alert) => this.onAlert(alert),
      ...(ports.readLimits === undefined ? {} : { readLimits: ports.readLimits }),
    });
    disk.onChecked(() => this.tellFitness());
  }

  /** Others lead better: it neither asks for the lead nor stands in the way of those that may. */
  get isUnfit(): boolean {
    return this.hasInvalidBlock || !this.ports.mayLead() || this.driver.log.isIndexGone;
  }

  /** A committed block of its own was found to be another one, and was not put right since. */
  get isDamaged(): boolean {
    return this.hasInvalidBlock;
  }

  /** Whether it may lead has perhaps changed. */
  tellFitness(): void {
    this.driver.submit({ kind: "campaigns_late", now: this.ports.clock.now(), isLate: this.isUnfit });
  }

  // --- What its peers do ---------------------------------------------------------------------------------------------

  onMessage(message: PeerMessage, ref?: number): void {
    this.service.onPeerMessage(message);
    const received = { kind: "message", ...this.time(), message } as const;
    this.driver.submit(ref === undefined ? received : { ...received, ref });
  }
  onBulkProgress(peer: NodeId, round: number): void {
    this.driver.submit({ kind: "bulk_progress", now: this.ports.clock.now(), peer, round });
  }
  onBulkOver(peer: NodeId, round: number, end: BulkEnd): void {
    this.driver.submit({ kind: "bulk_over", now: this.ports.clock.now(), peer, round, end });
  }
  onUnreachable(peer: NodeId): void {
    this.service.onPeerGone(peer);
    this.driver.submit({ kind: "unreachable", now: this.ports.clock.now(), peer });
  }
  onGone(peer: NodeId): void {
    this.service.onPeerGone(peer);
    this.driver.submit({ kind: "gone", now: this.ports.clock.now(), peer });
  }

  // --- What its driver tells -----------------------------------------------------------------------------------------

  onEffect(effect: ToldEffect): void {
    this.ports.observer.onEffect(effect);
    if (effect.kind === "committed") this.nameCluster(effect.blocks.at(-1)?.next.clusterId);
    this.service.onEffect(effect);
  }
  onAlert(alert: WordedAlert): void {
    this.ports.observer.onAlert(alert);
  }
  onReplicaLost(reason: string): void {
    this.ports.observer.onReplicaLost(reason);
    this.service.onReplicaLost();
  }
  onRecovered(commitHeight: Height): void {
    this.nameCluster(this.driver.view()?.clusterId);
    this.ports.observer.onRecovered(commitHeight);
    this.service.onRecovered(commitHeight);
    if (this.isUnfit) this.tellFitness();
  }
  onInvalidBlock(at: Height, detail: string): void {
    this.ports.observer.onInvalidBlock(at, detail);
    this.onAltered();
  }
  /** A committed block of this node is not what it was. */
  onAltered(): void {
    this.hasInvalidBlock = true;
    this.tellFitness();
    // A leader that cannot serve a block starves whoever needs it: another one may have it sound.
    this.driver.submit({ kind: "hand_over", ...this.time(), target: null });
  }
  /** What was altered has been put right. */
  onHealed(): void {
    this.hasInvalidBlock = false;
    this.tellFitness();
  }
  onIndexFinding(finding: IndexFinding): void {
    this.ports.observer.onIndexFinding(finding);
  }
  onIndexChange(): void {
    this.tellFitness();
  }
  onFatal(error: Error): void {
    this.ports.observer.onFatal(error);
  }

  private nameCluster(clusterId = ""): void {
    if (clusterId !== "") this.peers?.setClusterId(clusterId);
  }

  private time(): { now: number; wall: string } {
    const { clock } = this.ports;
    return { now: clock.now(), wall: clock.wall() };
  }
}
