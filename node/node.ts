import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Effect } from "../cluster/types.js";
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
import { WatchedReplica } from "./integrity/watched-replica.js";
import { makeBootNonce } from "./peers/authentication.js";
import { PeerTransport } from "./peers/transport.js";
import type { Driver } from "./replica/driver.js";
import { roleReason } from "./replica/wording.js";
import type { NodeLogService } from "./service/log-service.js";
import type { PeerEvents } from "./service/served-replica.js";
import { openAtStart } from "./storage/first-opening.js";
import { IdentityFile } from "./storage/identity.js";
import { openStorage } from "./storage/open.js";
import { type Storage, StoreError } from "./storage/port.js";
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
  const own = await openOwn(config, logger);
  const { identity, storage, disk } = own;
  const watched = new WatchedReplica({
    ...{ ...own, config, version, logger, onFatal, clock: systemClock },
    connect: (events) =>
      config.clusterSecret === null ? null : makeTransport(config, config.clusterSecret, logger, events),
    onEffect(effect) {
      if (effect.kind === "role_changed") announce(config.nodeId, effect, logger);
    },
  });
  const { driver, service, peers } = watched.served;

  const storeId = await openLog(watched, config, logger);
  await disk.start();
  await watched.start(storeId);
  const door = await openDoor({ config, version, logger, service, peers });
  const waiting = setInterval(() => tellWhoIsMissing(driver, config.nodeId), WAITING_NOTICE_MS);

  return {
    async stop() {
      clearInterval(waiting);
      // Everything is still served until another node leads, or nobody can.
      await service.beforeStop();
      service.stop();
      await disk.stop();
      await watched.stop();
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

/** What a node has of its own: its identity, its keys, its database, and how full its disks are. */
async function openOwn(config: Config, logger: Logger) {
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
  const keys = signingOf(switches, { signer: deriveSigner(identity.seed), verifier: createVerifier() });
  return { identity, switches, storage, ...keys, disk: watchDisk(config, storage, logger) };
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

/** The log, recovered, and of this cluster; gives the id of its store. */
async function openLog(watched: WatchedReplica<PeerTransport>, config: Config, logger: Logger): Promise<string> {
  const { opened, boot } = await startDriver(watched.served.driver, config, logger).catch(async (error: unknown) => {
    await watched.tellPeers(error);
    throw error;
  });
  for (const warning of opened.warnings) logger.warn(warning);
  assertSameCluster(config, [...boot.base.members.keys()]);
  return opened.storeId;
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
function assertSameCluster(config: Config, members: readonly string[]): void {
  if (members.length === 0) return;
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
