import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Effect } from "../cluster/types.js";
import { blockVerifier } from "../shared/log/chain.js";
import { systemClock } from "./clock.js";
import type { Config } from "./config.js";
import { readBenchSwitches, signingOf } from "./host/bench-switches.js";
import { ChaosClient } from "./host/chaos-client.js";
import { DiskWatch } from "./host/disk-watch.js";
import { assertPortFree, listen, reserveStart } from "./host/own-port.js";
import { createVerifier, deriveSigner } from "./host/signer.js";
import { notifySupervisor } from "./host/supervision.js";
import { createApp } from "./http/app.js";
import { createHardenedServer } from "./http/server.js";
import { createStreams } from "./http/stream/streams.js";
import { Alerts } from "./integrity/alerts.js";
import { Integrity } from "./integrity/integrity.js";
import { tellOfAlteredLog } from "./integrity/last-word.js";
import { Webhook, type WebhookParts } from "./integrity/webhook.js";
import { WebhookFile } from "./integrity/webhook-file.js";
import { makeBootNonce } from "./peers/authentication.js";
import { PeerTransport } from "./peers/transport.js";
import type { Driver } from "./replica/driver.js";
import { AlteredLog } from "./replica/verified-tail.js";
import { roleReason } from "./replica/wording.js";
import { HEADS_EVERY_MS } from "./service/head-exchange.js";
import type { NodeLogService } from "./service/log-service.js";
import { PeerDesk } from "./service/parts.js";
import { type PeerEvents, ServedReplica } from "./service/served-replica.js";
import { openAtStart } from "./storage/first-opening.js";
import { IdentityFile } from "./storage/identity.js";
import { openStorage } from "./storage/open.js";
import { type AlertRecord, type Storage, StoreError } from "./storage/port.js";
import { stateMacOf } from "./storage/state-mac.js";

const WAITING_NOTICE_MS = 2_000;

export interface RunningNode {
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly config: Config;
  readonly version: string;
  readonly logger: Logger;
  /** The node cannot go on; the process must exit. */
  readonly onFatal: (error: Error) => void;
}

/** Builds one node out of its parts, recovers it, and only then answers. */
export async function startNode({ config, version, logger, onFatal }: NodeOptions): Promise<RunningNode> {
  // Before anything is read or written: a second start of this node must leave no trace.
  await reserveStart(config);
  await assertPortFree(config);
  const identity = await IdentityFile.open(config.identityFolder, config.nodeId);
  const switches = readBenchSwitches(process.env);
  for (const warning of switches.warnings) logger.warn(warning);
  const storage = openStorage({
    mongodbUri: config.mongodbUri,
    nodeId: config.nodeId,
    bootId: randomBytes(16).toString("hex"),
    stateMac: stateMacOf(identity.seed),
    stallMs: 2 * config.electionTimeoutMs,
    slowMs: config.electionTimeoutMs / 2,
    uncleanWaitMs: 2 * config.electionTimeoutMs,
    initReplicaSet: config.initiatesReplicaSet,
    allowUnsafeMongod: config.allowsUnsafeMongod,
  });
  const onAlert = (alert: AlertRecord): void => {
    service.onAlert(alert);
    webhook?.onAlert(alert);
  };
  const alerts = new Alerts({
    ...{ nodeId: config.nodeId, store: storage.alerts, evidence: storage.integrity, logger },
    onOpened: (alert) => integrity.onStep(alert),
  });
  const webhook = makeWebhook(config, {
    ...{ storage, logger },
    onGivenUp: (detail) => alerts.onWebhookGivenUp(detail),
    annotated: (alert) => integrity.windows.annotated(alert),
  });
  const disk = watchDisk(config, storage, logger);
  const { signer, verifier } = signingOf(switches, { signer: deriveSigner(identity.seed), verifier: createVerifier() });
  const verifyBlock = blockVerifier(verifier);
  const served = new ServedReplica({
    ...{ config, version, storage, identity, signer, verifyBlock, verifier, logger, disk },
    clock: systemClock,
    log: { memory: { keyFilterBytes: config.keyFilterBytes } },
    heads: { everyMs: HEADS_EVERY_MS },
    connect: (events) =>
      config.clusterSecret === null ? null : makeTransport(config, config.clusterSecret, logger, events),
    mayLead: () => !disk.isLow && !integrity.isPending,
    integrity: () => integrity.status,
    incidents: () => integrity,
    ...(webhook === null ? {} : { testWebhook: () => webhook.test(), webhookFault: () => webhook.fault }),
    observer: {
      onEffect(effect) {
        if (effect.kind === "role_changed") announce(config.nodeId, effect, logger);
      },
      onAlert: (alert) => alerts.onReplicaAlert(alert),
      onReplicaLost: () => undefined,
      onRecovered: () => integrity.onRecovered(),
      onInvalidBlock(at, detail) {
        logger.error(`stored block ${at} fails its check: ${detail}`);
        integrity.suspect(at);
      },
      onIndexFinding(finding) {
        if (finding.kind === "key_repeated") alerts.onKeyRepeated(finding);
        else integrity.onEntryDiffers(finding);
      },
      onFatal: (error) => void tellPeers(error).finally(() => onFatal(error)),
    },
  });
  const { driver, service, peers } = served;
  const desk = new PeerDesk({ config, transport: peers, clock: systemClock });
  /** Before this node ends; never throws. */
  const tellPeers = async (error: unknown): Promise<void> => {
    const { formedClusterId } = identity.identity;
    if (!(error instanceof AlteredLog) || formedClusterId === null) return;
    peers?.setClusterId(formedClusterId);
    const { nodeId } = config;
    const isTold = await tellOfAlteredLog(error, {
      ...{ nodeId, identity: identity.identity, signer: signer.block, desk, clock: systemClock },
    }).catch(() => false);
    logger.warn(
      isTold
        ? "the leader has an alert of it for the cluster's log: GET /api/v1/alerts of any other node shows it"
        : "nobody is known to have taken an alert of it for the cluster's log",
    );
  };
  const integrity: Integrity = new Integrity({
    ...{
      nodeId: config.nodeId,
      identityFolder: config.identityFolder,
      verifySchedule: config.verifySchedule,
      identity,
    },
    ...{ storage, driver, verifyBlock, verifier, signer: signer.block, logger, clock: systemClock },
    desk,
    isOff: !switches.hasIntegrity,
    isUnwatched: !switches.hasWatch,
    onStep: onAlert,
    onHeard: (alert) => service.onAlert(alert),
    onAltered: () => served.onAltered(),
    onHealed: () => served.onHealed(),
    onPending: () => served.tellFitness(),
  });

  const { opened, boot } = await startDriver(driver, config, logger).catch(async (error: unknown) => {
    await tellPeers(error);
    throw error;
  });
  for (const warning of opened.warnings) logger.warn(warning);
  assertSameCluster(config, boot.base.members.size > 0 ? [...boot.base.members.keys()] : null);
  await disk.start();
  await integrity.recallWindows();
  await webhook?.start();
  await integrity.start(opened.storeId);

  const door = await openDoor({ config, version, logger, service, peers });

  const waiting = setInterval(() => tellWhoIsMissing(driver, config.nodeId), WAITING_NOTICE_MS);

  return {
    async stop() {
      clearInterval(waiting);
      // Everything is still served until another node leads, or nobody can.
      await service.beforeStop();
      service.stop();
      await disk.stop();
      await integrity.stop();
      await webhook?.stop();
      await door.streams.close();
      // Writes under way are answered first; then the peers' held exchanges end, so that no socket keeps the server open.
      await service.drained();
      await driver.stop();
      await peers?.close();
      await closeServer(door.server);
      await identity.close();
      await storage.log.close();
    },
  };
}

function makeWebhook(
  config: Config,
  parts: { storage: Storage; logger: Logger } & Pick<WebhookParts, "onGivenUp" | "annotated">,
): Webhook | null {
  const { webhook: target, nodeId, self, identityFolder } = config;
  if (target === null) return null;
  const { storage, ...told } = parts;
  return new Webhook({
    ...{
      nodeId,
      address: self.address,
      target,
      heartbeatMs: target.heartbeatMs,
      ...told,
      clock: systemClock,
    },
    file: new WebhookFile(identityFolder),
    openAlerts: () => storage.alerts.count(),
    alerts: storage.alerts,
  });
}

function watchDisk(config: Config, storage: Storage, logger: Logger): DiskWatch {
  return new DiskWatch({
    freeMinBytes: config.diskFreeMinBytes,
    askDatabase: () => storage.freeBytes(),
    folders: [
      { of: "this node's identity file", folder: config.identityFolder },
      ...(config.managedDbFolder === null ? [] : [{ of: "its mongod's data", folder: config.managedDbFolder }]),
    ],
    logger,
  });
}

interface DoorParts extends Pick<NodeOptions, "config" | "version" | "logger"> {
  readonly service: NodeLogService;
  readonly peers: PeerTransport | null;
}

/** From here on clients and peers are answered. */
async function openDoor({ config, version, logger, service, peers }: DoorParts) {
  const streams = createStreams(service, { logger });
  const chaos = config.chaos === null ? null : new ChaosClient(config.chaos);
  const app = createApp(service, { logger, version, streams, eventBytesMax: config.eventBytesMax, chaos });
  const server = createHardenedServer(peers?.listener(app) ?? app, {
    messages: app.messages,
    app,
    allowedHosts: [hostname(), ...config.hostNames],
    allowedOrigins: config.allowedOrigins,
  });
  streams.attach(server);
  await listen(server, config);
  logger.info(`${config.nodeId} answers at ${config.self.address}`);
  notifySupervisor({ kind: "listening", node: config.nodeId, url: config.self.address });
  return { server, streams };
}

function makeTransport(config: Config, secret: string, logger: Logger, events: PeerEvents): PeerTransport {
  return new PeerTransport({
    selfId: config.nodeId,
    secret,
    peers: new Map(config.members.map(({ id, address }) => [id, config.links.get(id) ?? address])),
    bootNonce: makeBootNonce(),
    timeouts: {
      holdMs: config.electionTimeoutMs / 2,
      controlMs: config.electionTimeoutMs,
      bulkIdleMs: config.electionTimeoutMs,
    },
    onMessage: (message, ref) => events.onMessage(message, ref),
    onBulkProgress: (peer, round) => events.onBulkProgress(peer, round),
    onBulkOver: (peer, round, end) => events.onBulkOver(peer, round, end),
    onUnreachable: (peer) => events.onUnreachable(peer),
    onGone: (peer) => events.onGone(peer),
    onRejected: () => undefined,
    logger,
  });
}

/** A database that starts a little later than its node is waited for; everything else is told at once. */
function startDriver(driver: Driver, config: Config, logger: Logger) {
  return openAtStart({
    open: async () => {
      // Again, as the wait may have been long: whoever listens by now must not lose its database to this process.
      await assertPortFree(config);
      return driver.start();
    },
    mongodbUri: config.mongodbUri,
    logger,
    onWaiting: (detail) => notifySupervisor({ kind: "waits", node: config.nodeId, detail }),
  });
}

/** Members come from the log: another configured set means that this store belongs to another cluster. */
function assertSameCluster(config: Config, members: readonly string[] | null): void {
  if (members === null) return;
  const configured = config.members.map((member) => member.id).sort();
  const known = [...members].sort();
  if (configured.join() === known.join()) return;
  throw new StoreError(
    "unfit",
    `This store belongs to a cluster of ${known.join(", ")}, and the configuration names ${configured.join(", ")}. ` +
      "Set MEMBERS as it was, or give this node an empty database.",
  );
}

function announce(nodeId: string, effect: Extract<Effect, { kind: "role_changed" }>, logger: Logger): void {
  const { role, term, leaderId, reason } = effect;
  logger.info({ role, term, leaderId }, `${role} in term ${term}: ${roleReason(reason)}`);
  notifySupervisor({ kind: "leader", node: nodeId, leaderId, term });
}

function tellWhoIsMissing(driver: Driver, node: string): void {
  const missing = driver.view()?.missing ?? [];
  if (missing.length > 0) notifySupervisor({ kind: "waiting", node, missing: [...missing] });
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // Requests under way are answered or told to go elsewhere within their own deadline; idle ones are cut above.
  const cut = setTimeout(() => server.closeAllConnections(), 6_000);
  await closed;
  clearTimeout(cut);
}
