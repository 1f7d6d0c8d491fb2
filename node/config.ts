import { join } from "node:path";
import type { NodeId } from "../shared/ids.js";
import { MEMBERS_MAX } from "../shared/limits.js";
import { baseUrl } from "./host/base-url.js";
import { type EnvFile, parseEnvFile } from "./host/env-file.js";
import {
  CONFIG_NAMES,
  type Environment,
  environmentSchema,
  NAMES,
  type Name,
  SECRET_NAMES,
} from "./host/environment.js";
import { judgeNames, mergeSources, readSetting } from "./host/setting-sources.js";
import type { ChaosAddress, MemberAddress, WebhookTarget } from "./host/setting-values.js";
import { identityFolder } from "./storage/identity.js";

export interface Config {
  readonly nodeId: NodeId;
  readonly port: number;
  readonly host: string;
  readonly mongodbUri: string;
  /** Where this node's identity lives: outside MongoDB, one folder a node and database. */
  readonly identityFolder: string;
  readonly dataDir: string;
  /** All configured members, this node among them. */
  readonly members: readonly MemberAddress[];
  /** This node's own entry in `members`. */
  readonly self: MemberAddress;
  /** null only for a node that stands alone. */
  readonly clusterSecret: string | null;
  readonly logLevel: Environment["LOG_LEVEL"];
  readonly admitsNewKeys: boolean;
  readonly allowsUnsafeMongod: boolean;
  readonly initiatesReplicaSet: boolean;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly takeoverCooldownMs: number;
  readonly eventBytesMax: number;
  /** Below this a leader refuses writes; 0 turns the watch off. */
  readonly diskFreeMinBytes: number;
  /** Where a mongod that `npm start` manages keeps its files; null for a server given by URI. */
  readonly managedDbFolder: string | null;
  /** Cron expression of the full background verification. */
  readonly verifySchedule: string;
  /** Payload paths that events can be filtered by. */
  readonly indexedPaths: readonly string[];
  /** The size of the filter in memory over idempotency keys that were used. */
  readonly keyFilterBytes: number;
  /** Names by which clients may reach this node, besides localhost and addresses: its own, and ALLOWED_HOSTS. */
  readonly hostNames: readonly string[];
  /** Origins of other web sites whose pages may use this node. */
  readonly allowedOrigins: readonly string[];
  /** Where alerts are told, besides the log and the screen; null: nowhere. */
  readonly webhook: WebhookConfig | null;
  /** Where the start script takes requests for faults; null where it takes none. */
  readonly chaos: ChaosAddress | null;
  /** Where this node reaches others instead of at their addresses: proxies that can be cut. */
  readonly links: ReadonlyMap<NodeId, string>;
}

export interface WebhookConfig extends WebhookTarget {
  /** Between messages that say that this node is there; 0: none. */
  readonly heartbeatMs: number;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  /** `report` lists every mistake at once, for a person; the process then exits 78. */
  | { readonly ok: false; readonly report: string; readonly mistakes: readonly string[] };

type Env = Readonly<Record<string, string | undefined>>;

/**
 * One environment out of both: of each setting the environment's, if it is set there, else the file's. Names and lines
 * are judged by `loadConfig`.
 */
export const mergeEnvironment = (env: Env, file: EnvFile): Env => mergeSources(env, file, SECRET_NAMES);

/** The environment wins over `.env`; an empty value counts as not set. */
export function loadConfig(env: Env, dotenv: string | EnvFile = ""): ConfigResult {
  const file = typeof dotenv === "string" ? parseEnvFile(dotenv) : dotenv;
  const names = judgeNames(CONFIG_NAMES, env, file);
  const errors = [...file.mistakes, ...names.mistakes];
  const merged = mergeEnvironment(env, file);
  const values: Partial<Environment> = {};
  const wrong = new Set<Name>();
  for (const name of NAMES) {
    const given = readSetting(name, merged, SECRET_NAMES.includes(name));
    const parsed = environmentSchema.shape[name].safeParse(given);
    if (parsed.success) {
      Object.assign(values, { [name]: parsed.data });
      continue;
    }
    wrong.add(name);
    if (given instanceof Error) errors.push(given.message);
    else if (given === undefined) errors.push(`${name} is not set, for example mongodb://localhost:27017/eventLogs`);
    else errors.push(`${name} ${parsed.error.issues[0]?.message ?? "is not valid"}`);
  }
  errors.push(...brokenRelations(values, wrong));
  if (errors.length > 0) return { ok: false, report: writeReport(errors, names.warnings), mistakes: errors };
  const config = toConfig(values as Environment);
  return { ok: true, config, warnings: [...names.warnings, ...warningsOf(config)] };
}

/** What single values cannot say: each broken relation as a sentence. Values that are wrong themselves are absent. */
function brokenRelations(values: Partial<Environment>, wrong: ReadonlySet<Name>): string[] {
  const { HEARTBEAT_MS: heartbeat, ELECTION_TIMEOUT_MS: timeout, NODE_ID: id, MEMBERS: members, PRIORITY } = values;
  const errors: string[] = [];
  if (heartbeat !== undefined && timeout !== undefined && heartbeat * 3 > timeout)
    errors.push(
      `HEARTBEAT_MS (${heartbeat}) must be at most a third of ELECTION_TIMEOUT_MS (${timeout}), or one lost heartbeat starts an election`,
    );
  const { ALERT_WEBHOOK_URL: webhook, ALERT_WEBHOOK_SECRET: webhookSecret } = values;
  if (webhook !== undefined && webhookSecret === undefined && !wrong.has("ALERT_WEBHOOK_SECRET"))
    errors.push(
      "ALERT_WEBHOOK_SECRET is needed with ALERT_WEBHOOK_URL: receivers check by it who sends (try: openssl rand -base64 32)",
    );
  if (members === undefined) return errors;
  if (members.length === 2)
    errors.push("MEMBERS has two members, which is less available than one: use one, three, five or more");
  if (members.length > MEMBERS_MAX) errors.push(`MEMBERS has ${members.length} members: at most ${MEMBERS_MAX}`);
  for (const id of duplicates(members.map((member) => member.id))) errors.push(`MEMBERS names ${id} twice`);
  for (const address of duplicates(members.map((member) => member.address)))
    errors.push(`MEMBERS gives the address ${address} twice`);
  if (id !== undefined && !members.some((member) => member.id === id))
    errors.push(`NODE_ID ${id} is not in MEMBERS (${members.map((member) => member.id).join(", ")})`);
  const rival = members.find((member) => member.id !== id && member.priority === PRIORITY);
  if (rival !== undefined)
    errors.push(
      `PRIORITY ${PRIORITY} is already ${rival.id}'s by its place in MEMBERS: reorder MEMBERS, or take a number above ${members.length}`,
    );
  if (members.length > 1 && values.CLUSTER_SECRET === undefined && !wrong.has("CLUSTER_SECRET"))
    errors.push(
      "CLUSTER_SECRET is needed, the same on every node, because MEMBERS has more than one (try: openssl rand -hex 32)",
    );
  return errors;
}

const duplicates = (values: readonly string[]): Set<string> =>
  new Set(values.filter((value, i) => values.indexOf(value) !== i));

function toConfig(values: Environment): Config {
  const { NODE_ID: nodeId, PORT: port, MONGODB_URI: mongodbUri, DATA_DIR: dataDir } = values;
  const members = (values.MEMBERS ?? [{ id: nodeId, address: baseUrl(values.HOST, port), priority: 1 }]).map(
    (member) =>
      member.id === nodeId && values.PRIORITY !== undefined ? { ...member, priority: values.PRIORITY } : member,
  );
  const self = members.find((member) => member.id === nodeId) as MemberAddress;
  return {
    nodeId,
    port,
    host: values.HOST,
    mongodbUri,
    identityFolder: identityFolder({ dataDir, nodeId, mongodbUri, isManaged: values.MONGODB_MANAGED }),
    dataDir,
    members,
    self,
    clusterSecret: values.CLUSTER_SECRET ?? null,
    logLevel: values.LOG_LEVEL,
    admitsNewKeys: values.ADMIT_NEW_KEYS,
    allowsUnsafeMongod: values.ALLOW_UNSAFE_MONGOD,
    initiatesReplicaSet: values.MONGODB_INIT_REPLICA_SET,
    heartbeatMs: values.HEARTBEAT_MS,
    electionTimeoutMs: values.ELECTION_TIMEOUT_MS,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    takeoverCooldownMs: values.TAKEOVER_COOLDOWN_MS,
    eventBytesMax: values.EVENT_BYTES_MAX,
    diskFreeMinBytes: values.DISK_FREE_MIN_BYTES,
    managedDbFolder: values.MONGODB_MANAGED ? join(dataDir, nodeId, "db") : null,
    verifySchedule: values.VERIFY_SCHEDULE,
    indexedPaths: values.INDEX_PAYLOAD,
    keyFilterBytes: values.KEY_FILTER_BYTES,
    hostNames: [...new Set([new URL(self.address).hostname, values.HOST.toLowerCase(), ...values.ALLOWED_HOSTS])],
    allowedOrigins: values.ALLOWED_ORIGINS,
    webhook: webhookOf(values),
    chaos: values.CHAOS_URL ?? null,
    links: new Map(values.CHAOS_LINKS?.map(({ id, address }) => [id, address])),
  };
}

function webhookOf(values: Environment): WebhookConfig | null {
  const { ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secret } = values;
  if (url === undefined || secret === undefined) return null;
  const heartbeatMs = 1_000 * values.ALERT_WEBHOOK_HEARTBEAT_SECONDS;
  return { url, secret, allowsPrivate: values.ALERT_WEBHOOK_ALLOW_PRIVATE, heartbeatMs };
}

export const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  const { hostname } = new URL(config.self.address);
  if (LOOPBACK.test(config.host) && !LOOPBACK.test(hostname))
    warnings.push(
      `MEMBERS says that ${config.nodeId} answers at ${config.self.address}, but HOST=${config.host} is reached from this machine only: set HOST`,
    );
  if (!LOOPBACK.test(config.host))
    warnings.push(
      `HOST=${config.host}: whoever reaches this address can read and write the log, because there are no API keys yet`,
    );
  const memberPort = Number(new URL(config.self.address).port || 80);
  if (memberPort !== config.port)
    warnings.push(
      `MEMBERS says that ${config.nodeId} answers at ${config.self.address}, but PORT is ${config.port}: right only behind a port mapping`,
    );
  return warnings;
}

/** `hints` are no mistakes, but may show where a setting went that is missed. */
export function writeReport(errors: readonly string[], hints: readonly string[] = []): string {
  const count = errors.length === 1 ? "one mistake" : `${errors.length} mistakes`;
  const lines = errors.map((error) => `  - ${error}`);
  const notes = hints.map((hint) => `  (${hint})`);
  return [`The configuration has ${count}:`, ...lines, ...notes, "The names are explained in .env.example."].join("\n");
}
