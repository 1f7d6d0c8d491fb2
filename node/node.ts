import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { hostname } from "node:os";
import type { Logger } from "pino";
import { DEFAULT_LIMITS } from "../cluster/limits.js";
import type { Effect } from "../cluster/types.js";
import type { HashHex, Height, NodeId } from "../shared/ids.js";
import { blockVerifier } from "../shared/log/chain.js";
import { systemClock } from "./clock.js";
import type { Config } from "./config.js";
import { readBenchSwitches, signingOf } from "./host/bench-switches.js";
import { DiskWatch } from "./host/disk-watch.js";
import { openAtStart } from "./host/first-opening.js";
import { assertPortFree, listen, reserveStart } from "./host/own-port.js";
import { createVerifier, deriveSigner } from "./host/signer.js";
import { notifySupervisor } from "./host/supervision.js";
import { createApp } from "./http/app.js";
import { createHardenedServer } from "./http/server.js";
import { createStreams } from "./http/stream/streams.js";
import { Alerts } from "./integrity/alerts.js";
import { Integrity } from "./integrity/integrity.js";
import { makeBootNonce } from "./peers/authentication.js";
import { PeerTransport } from "./peers/transport.js";
import { Driver } from "./replica/driver.js";
import { NodeLogService } from "./service/log-service.js";
import { PeerDesk } from "./service/parts.js";
import { IdentityFile } from "./storage/identity.js";
import { openStorage } from "./storage/open.js";
import { StoreError } from "./storage/port.js";
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
  const alerts = new Alerts(config.nodeId, storage.alerts, logger, (alert) => service.onAlert(alert));
  const disk = new DiskWatch({
    freeMinBytes: config.diskFreeMinBytes,
    askDatabase: () => storage.freeBytes(),
    folders: [
      { of: "this node's identity file", folder: config.identityFolder },
      ...(config.managedDbFolder === null ? [] : [{ of: "its mongod's data", folder: config.managedDbFolder }]),
    ],
    logger,
  });
  const { signer, verifier } = signingOf(switches, { signer: deriveSigner(identity.seed), verifier: createVerifier() });
  const verifyBlock = blockVerifier(verifier);
  let hasInvalidBlock = false;
  // A node that should not lead while others can neither asks for the lead nor stands in the way of those that may.
  const campaignLateIfUnfit = (): void =>
    driver.submit({ kind: "campaigns_late", now: performance.now(), isLate: isUnfit() });
  const isUnfit = (): boolean => hasInvalidBlock || disk.isLow || driver.campaignsLateForIndex;
  const onInvalidBlock = (at: Height, detail: string): void => {
    logger.error(`stored block ${at} fails its check: ${detail}`);
    integrity.suspect(at);
    onAltered();
  };
  const onAltered = (): void => {
    hasInvalidBlock = true;
    campaignLateIfUnfit();
    // A leader that cannot serve a block starves whoever needs it: another one may have it sound.
    driver.submit({ kind: "hand_over", now: performance.now(), wall: new Date().toISOString(), target: null });
  };
  const transport =
    config.clusterSecret === null
      ? null
      : makeTransport(config, logger, {
          submit: (input) => driver.submit(input),
          onHeard: (peer) => service.onPeerHeard(peer),
          onGone: (peer) => service.onPeerGone(peer),
        });
  const driver: Driver = new Driver({
    config: {
      self: { id: config.nodeId, address: config.self.address, priority: config.self.priority },
      configured: config.members,
      heartbeatMs: config.heartbeatMs,
      electionTimeoutMs: config.electionTimeoutMs,
      requestTimeoutMs: config.requestTimeoutMs,
      takeoverCooldownMs: config.takeoverCooldownMs,
      admitsNewKeys: config.admitsNewKeys,
      limits: DEFAULT_LIMITS,
    },
    storage,
    identity,
    signer,
    verifyBlock,
    logger,
    send: (message, ref) => transport?.send(message, ref),
    onEffect: (effect) => onEffect(effect),
    onReplicaLost: () => service.onReplicaLost(),
    onRecovered: (commitHeight) => {
      service.onRecovered(commitHeight);
      if (isUnfit()) campaignLateIfUnfit();
    },
    onInvalidBlock,
    onIndexFinding: (finding) =>
      finding.kind === "index_differs"
        ? integrity.onEntryDiffers(finding.height, finding.detail)
        : alerts.onKeyRepeated(finding),
    onIndexChange: () => campaignLateIfUnfit(),
    indexedPaths: config.indexedPaths,
    memory: { keyFilterBytes: config.keyFilterBytes },
    onFatal,
  });
  const integrity: Integrity = new Integrity({
    ...{ nodeId: config.nodeId, identityFolder: config.identityFolder, verifySchedule: config.verifySchedule },
    ...{ storage, driver, verifyBlock, verifier, logger, clock: systemClock, onAltered },
    desk: new PeerDesk({ config, transport }),
    isOff: !switches.hasIntegrity,
    onOpened: (alert) => service.onAlert(alert),
  });
  const service = new NodeLogService({ config, version, storage, driver, transport, disk, integrity, logger });
  disk.onChecked(campaignLateIfUnfit);
  const onEffect = (effect: Effect): void => {
    service.onEffect(effect);
    if (effect.kind === "alert") alerts.onReplicaAlert(effect.alert);
    if (effect.kind === "role_changed") announce(config.nodeId, effect, logger);
    if (effect.kind === "committed") nameCluster(effect.blocks.at(-1)?.next.clusterId ?? "");
  };

  const nameCluster = (clusterId: HashHex | ""): void => {
    if (clusterId !== "") transport?.setClusterId(clusterId);
  };

  const { opened, boot } = await startDriver(driver, config, logger);
  for (const warning of opened.warnings) logger.warn(warning);
  assertSameCluster(config, boot.base.members.size > 0 ? [...boot.base.members.keys()] : null);
  nameCluster(driver.view()?.clusterId ?? "");
  await disk.start();
  await integrity.start(opened.storeId);

  const streams = createStreams(service, { logger });
  const app = createApp(service, { logger, version, streams, eventBytesMax: config.eventBytesMax });
  const server = createHardenedServer(transport?.listener(app) ?? app, {
    messages: app.messages,
    app,
    allowedHosts: [hostname(), ...config.hostNames],
    allowedOrigins: config.allowedOrigins,
  });
  streams.attach(server);
  await listen(server, config);
  logger.info(`${config.nodeId} answers at ${config.self.address}`);
  notifySupervisor({ kind: "listening", node: config.nodeId, url: config.self.address });

  const waiting = setInterval(() => tellWhoIsMissing(driver, config.nodeId), WAITING_NOTICE_MS);

  return {
    async stop() {
      clearInterval(waiting);
      // Everything is still served until another node leads, or nobody can.
      await service.beforeStop();
      service.stop();
      await disk.stop();
      await integrity.stop();
      await streams.close();
      // Writes under way are answered first; then the peers' held exchanges end, so that no socket keeps the server open.
      await service.drained();
      await driver.stop();
      await transport?.close();
      await closeServer(server);
      await identity.close();
      await storage.log.close();
    },
  };
}

function makeTransport(
  config: Config,
  logger: Logger,
  to: { submit: Driver["submit"]; onHeard: (peer: NodeId) => void; onGone: (peer: NodeId) => void },
): PeerTransport {
  const { submit } = to;
  return new PeerTransport({
    selfId: config.nodeId,
    secret: config.clusterSecret as string,
    peers: new Map(config.members.map((member) => [member.id, member.address])),
    bootNonce: makeBootNonce(),
    timeouts: {
      holdMs: config.electionTimeoutMs / 2,
      controlMs: config.electionTimeoutMs,
      bulkIdleMs: config.electionTimeoutMs,
    },
    onMessage: (message, ref) => {
      to.onHeard(message.from);
      const wall = new Date().toISOString();
      submit({ kind: "message", now: performance.now(), wall, message, ...(ref === undefined ? {} : { ref }) });
    },
    onBulkProgress: (peer, round) => submit({ kind: "bulk_progress", now: performance.now(), peer, round }),
    onBulkOver: (peer, round, end) => submit({ kind: "bulk_over", now: performance.now(), peer, round, end }),
    onUnreachable: (peer) => {
      to.onGone(peer);
      submit({ kind: "unreachable", now: performance.now(), peer });
    },
    onGone: (peer) => {
      to.onGone(peer);
      submit({ kind: "gone", now: performance.now(), peer });
    },
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
  logger.info({ role, term, leaderId }, `${role} in term ${term}: ${reason}`);
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
