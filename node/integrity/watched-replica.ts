import type { Logger } from "pino";
import type { Height } from "../../shared/ids.js";
import { blockVerifier } from "../../shared/log/chain.js";
import type { Config } from "../config.js";
import type { BenchSwitches } from "../host/bench-switches.js";
import type { notifySupervisor } from "../host/supervision.js";
import type { ToldEffect } from "../replica/driver-ports.js";
import type { IndexFinding } from "../replica/held-log.js";
import { AlteredLog } from "../replica/verified-tail.js";
import type { WordedAlert } from "../replica/wording.js";
import { HEADS_EVERY_MS } from "../service/head-exchange.js";
import { PeerDesk } from "../service/parts.js";
import { type ClusterPort, type ReplicaObserver, type ReplicaPorts, ServedReplica } from "../service/served-replica.js";
import type { IdentityFile } from "../storage/identity.js";
import type { NodeStorage } from "../storage/open.js";
import { Alerts } from "./alerts.js";
import { Integrity } from "./integrity.js";
import { tellOfAlteredLog } from "./last-word.js";
import { type MakeSchedule, PassSchedule } from "./pass-schedule.js";
import { type OpenPlaces, PlaceFile } from "./place-file.js";
import { Webhook, type WebhookParts } from "./webhook.js";
import { WebhookFile } from "./webhook-file.js";

export interface WatchedParts<P extends ClusterPort>
  extends Pick<ReplicaPorts<P>, "version" | "clock" | "connect" | "signer" | "verifier" | "disk"> {
  readonly config: ReplicaPorts<P>["config"] &
    Pick<Config, "identityFolder" | "verifySchedule" | "keyFilterBytes" | "webhook">;
  readonly storage: NodeStorage;
  readonly identity: ReplicaPorts<P>["identity"] & Pick<IdentityFile, "identity" | "update">;
  readonly switches: Pick<BenchSwitches, "hasIntegrity" | "hasWatch">;
  readonly logger: Logger;
  readonly onEffect: (effect: ToldEffect) => void;
  /** Once the other nodes know as far as they can. */
  readonly onFatal: (error: Error) => void;
  /** What a simulation has in the place of what a node has. */
  readonly instead?: Instead<P>;
}

interface Instead<P extends ClusterPort>
  extends Pick<Partial<ReplicaPorts<P>>, "limits" | "readLimits" | "log" | "mayLead" | "verifyBlock"> {
  /** Told first. */
  readonly observer: Omit<ReplicaObserver, "onEffect" | "onFatal">;
  readonly openPlaces: OpenPlaces;
  readonly schedule: MakeSchedule;
  readonly notify: typeof notifySupervisor;
}

/**
 * A served replica, and what looks after its log: what is found is looked into, kept, and told. Each part is made from those
 * before it. Integrity comes last, as it needs the replica: the others reach it through this object.
 */
export class WatchedReplica<P extends ClusterPort> implements ReplicaObserver {
  readonly served: ServedReplica<P>;
  private readonly alerts: Alerts;
  private readonly webhook: Webhook | null;
  private readonly desk: PeerDesk;
  private readonly integrity: Integrity;

  constructor(private readonly parts: WatchedParts<P>) {
    const { config, version, storage, identity, signer, verifier, disk, switches, logger, clock, connect } = parts;
    const { nodeId, identityFolder, verifySchedule } = config;
    const { instead } = parts;
    const verifyBlock = instead?.verifyBlock ?? blockVerifier(verifier);
    const notify = instead === undefined ? {} : { notify: instead.notify };
    this.alerts = new Alerts({
      ...{ nodeId, store: storage.alerts, evidence: storage.integrity, clock, logger, ...notify },
      onOpened: (alert) => this.integrity.onStep(alert),
    });
    const webhook = makeWebhook(parts, {
      onGivenUp: (detail) => this.alerts.onWebhookGivenUp(detail),
      annotated: (alert) => this.integrity.windows.annotated(alert),
    });
    const served = new ServedReplica({
      ...{ config, version, storage, identity, signer, verifyBlock, verifier, disk, logger, clock, connect },
      log: instead?.log ?? { memory: { keyFilterBytes: config.keyFilterBytes } },
      ...(instead?.limits === undefined ? {} : { limits: instead.limits }),
      ...(instead?.readLimits === undefined ? {} : { readLimits: instead.readLimits }),
      heads: { everyMs: HEADS_EVERY_MS },
      mayLead: () => !disk.isLow && !this.integrity.isPending && instead?.mayLead?.() !== false,
      integrity: () => this.integrity.status,
      incidents: () => this.integrity,
      ...(webhook === null ? {} : { testWebhook: () => webhook.test(), webhookFault: () => webhook.fault }),
      observer: this,
    });
    const { service, driver, peers } = served;
    this.webhook = webhook;
    this.served = served;
    this.desk = new PeerDesk({ config, transport: peers, clock });
    this.integrity = new Integrity({
      ...{ nodeId, identity, storage, driver, desk: this.desk },
      ...{ signer: signer.block, verifyBlock, verifier, clock, logger, ...notify },
      openPlaces: instead?.openPlaces ?? ((storeId) => PlaceFile.open(identityFolder, storeId)),
      schedule: instead?.schedule ?? ((begin) => new PassSchedule(verifySchedule, begin, logger)),
      isOff: !switches.hasIntegrity,
      isUnwatched: !switches.hasWatch,
      onStep(alert) {
        service.onAlert(alert);
        webhook?.onAlert(alert);
      },
      onHeard: (alert) => service.onAlert(alert),
      onAltered: () => served.onAltered(),
      onHealed: () => served.onHealed(),
      onPending: () => served.tellFitness(),
    });
  }

  /** Once the log is recovered, and before anybody is answered. */
  async start(storeId: string): Promise<void> {
    await this.integrity.recallWindows();
    await this.webhook?.start();
    await this.integrity.start(storeId);
  }

  async stop(): Promise<void> {
    await this.integrity.stop();
    await this.webhook?.stop();
  }

  /** Before this node ends; never throws. */
  async tellPeers(error: unknown): Promise<void> {
    const { config, identity, signer, clock, logger } = this.parts;
    const { formedClusterId } = identity.identity;
    if (!(error instanceof AlteredLog) || formedClusterId === null) return;
    this.served.peers?.setClusterId(formedClusterId);
    const { nodeId } = config;
    const isTold = await tellOfAlteredLog(error, {
      ...{ nodeId, identity: identity.identity, signer: signer.block, desk: this.desk, clock },
    }).catch(() => false);
    logger.warn(
      isTold
        ? "the leader has an alert of it for the cluster's log: GET /api/v1/alerts of any other node shows it"
        : "nobody is known to have taken an alert of it for the cluster's log",
    );
  }

  // --- What its replica tells ----------------------------------------------------------------------------------------

  onEffect(effect: ToldEffect): void {
    this.parts.onEffect(effect);
  }
  onAlert(alert: WordedAlert): void {
    this.observer?.onAlert(alert);
    this.alerts.onReplicaAlert(alert);
  }
  onReplicaLost(reason: string): void {
    this.observer?.onReplicaLost(reason);
    // What the store holds is looked at once it is opened again.
  }
  onRecovered(commitHeight: Height): void {
    this.observer?.onRecovered(commitHeight);
    this.integrity.onRecovered();
  }
  onInvalidBlock(at: Height, detail: string): void {
    this.observer?.onInvalidBlock(at, detail);
    this.parts.logger.error(`stored block ${at} fails its check: ${detail}`);
    this.integrity.suspect(at);
  }
  onIndexFinding(finding: IndexFinding): void {
    this.observer?.onIndexFinding(finding);
    if (finding.kind === "key_repeated") this.alerts.onKeyRepeated(finding);
    else this.integrity.onIndexDiffers(finding);
  }
  private get observer(): Instead<P>["observer"] | undefined {
    return this.parts.instead?.observer;
  }
  onFatal(error: Error): void {
    void this.tellPeers(error).finally(() => this.parts.onFatal(error));
  }
}

function makeWebhook(
  { config, storage, clock, logger }: WatchedParts<ClusterPort>,
  told: Pick<WebhookParts, "onGivenUp" | "annotated">,
): Webhook | null {
  const { webhook: target, nodeId, self, identityFolder } = config;
  if (target === null) return null;
  return new Webhook({
    ...{ nodeId, address: self.address, target, heartbeatMs: target.heartbeatMs, clock, logger, ...told },
    file: new WebhookFile(identityFolder),
    openAlerts: () => storage.alerts.count(),
    alerts: storage.alerts,
  });
}
