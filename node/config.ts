import { isIPv6 } from "node:net";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { validate as isCronExpression } from "node-cron";
import { z } from "zod";
import type { NodeId } from "../shared/ids.js";
import {
  ELECTION_TIMEOUT_MS_MAX,
  EVENT_BYTES_MAX_CEILING,
  EVENT_BYTES_MAX_DEFAULT,
  MEMBERS_MAX,
  REQUEST_TIMEOUT_MS_MAX,
} from "../shared/limits.js";
import { nodeIdSchema } from "../shared/log/control.js";
import { baseUrl } from "./host/base-url.js";
import { type EnvFile, parseEnvFile } from "./host/env-file.js";
import { judgeNames, mergeSources, readSetting } from "./host/setting-sources.js";
import { parseHostName, parseOrigin, parseWebhookSecret, parseWebhookUrl } from "./host/setting-values.js";
import type { WebhookTarget } from "./integrity/webhook-post.js";
import { DEFAULT_DATABASE, identityFolder } from "./storage/identity.js";

/** A member as MEMBERS gives it; priority is its place, the last one highest. */
export interface MemberAddress {
  readonly id: NodeId;
  /** Base URL, `http://host:port`. */
  readonly address: string;
  readonly priority: number;
}

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
  readonly logLevel: z.infer<typeof logLevelSchema>;
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
  /** Of the filter in memory over idempotency keys that were used. */
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

export interface ChaosAddress {
  readonly url: string;
  readonly token: string;
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

const DISK_FREE_MIN_BYTES_DEFAULT = 1024 ** 3;
const DISK_BYTES_MAX = 999_999_999_999_999;
const SECRET_CHARACTERS_MIN = 32;

/** A text that `parse` turns into a value, or refuses with a sentence. */
const text = <T>(parse: (value: string) => T | Error) =>
  z.string().transform((value, context): T => {
    const parsed = parse(value);
    if (!(parsed instanceof Error)) return parsed;
    context.addIssue({ code: "custom", message: parsed.message });
    return z.NEVER;
  });

const whole = (min: number, max: number) =>
  text((value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max
      ? number
      : new Error(`must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
  });

/** Separated by commas; `parse` gives each entry in its one form, or says what is wrong with it. */
const list = (parse: (entry: string) => string | Error) =>
  text((value) => {
    const entries = value.split(",").flatMap((entry) => entry.trim() || []);
    const parsed = entries.map(parse);
    return parsed.find((entry) => entry instanceof Error) ?? (parsed as string[]);
  });

const flag = text((value) => {
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  return /^(false|0|no|off)$/i.test(value) ? false : new Error(`must be true or false, not ${JSON.stringify(value)}`);
});

const logLevelSchema = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
  error: "must be one of trace, debug, info, warn, error, fatal, silent",
});
/** What other programs, which read the same variable, call these levels. */
const LEVELS_OF_OTHERS: Readonly<Record<string, string>> = {
  warning: "warn",
  err: "error",
  critical: "fatal",
  verbose: "debug",
  off: "silent",
  none: "silent",
};
const levelOf = (value: string): string => {
  const level = value.trim().toLowerCase();
  return LEVELS_OF_OTHERS[level] ?? level;
};

/** Every name that a node reads, with its default as the text that a person would write. */
const environmentSchema = z.object({
  NODE_ID: z
    .string()
    .refine((id) => nodeIdSchema.safeParse(id).success, "must be 1 to 64 letters, digits, '.', '_' or '-'")
    .prefault("n1"),
  PORT: whole(1, 65_535).prefault("3000"),
  HOST: z
    .string()
    .refine(
      (host) => /^[A-Za-z0-9_.-]{1,253}$/.test(host) || (isIPv6(host) && !host.includes("%")),
      "must be a host name or an IP address, such as 127.0.0.1, ::1 (without brackets or a zone), or 0.0.0.0 for all",
    )
    .prefault("127.0.0.1"),
  MONGODB_URI: text(parseMongodbUri),
  MEMBERS: text(parseMembers).optional(),
  PRIORITY: whole(0, 1_000_000).optional(),
  CLUSTER_SECRET: z
    .string()
    .min(SECRET_CHARACTERS_MIN, `must have at least ${SECRET_CHARACTERS_MIN} characters (try: openssl rand -hex 32)`)
    .max(1024, "must have at most 1024 characters")
    .optional(),
  DATA_DIR: z.string().prefault("./data"),
  LOG_LEVEL: z.string().transform(levelOf).pipe(logLevelSchema).prefault("info"),
  ADMIT_NEW_KEYS: flag.prefault("false"),
  ALLOW_UNSAFE_MONGOD: flag.prefault("false"),
  MONGODB_INIT_REPLICA_SET: flag.prefault("false"),
  MONGODB_MANAGED: flag.prefault("false"),
  HEARTBEAT_MS: whole(10, 60_000).prefault("100"),
  ELECTION_TIMEOUT_MS: whole(50, ELECTION_TIMEOUT_MS_MAX).prefault("1000"),
  REQUEST_TIMEOUT_MS: whole(100, REQUEST_TIMEOUT_MS_MAX).prefault("5000"),
  TAKEOVER_COOLDOWN_MS: whole(0, 3_600_000).prefault("5000"),
  DISK_FREE_MIN_BYTES: whole(0, DISK_BYTES_MAX).prefault(String(DISK_FREE_MIN_BYTES_DEFAULT)),
  EVENT_BYTES_MAX: whole(1024, EVENT_BYTES_MAX_CEILING).prefault(String(EVENT_BYTES_MAX_DEFAULT)),
  VERIFY_SCHEDULE: z
    .string()
    .refine(isCronExpression, "must be a cron expression such as '0 * * * *' (every hour)")
    .prefault("* * * * *"),
  INDEX_PAYLOAD: text(parsePaths).prefault(""),
  KEY_FILTER_BYTES: whole(1024, 1024 * 1024 * 1024).prefault(String(8 * 1024 * 1024)),
  ALLOWED_HOSTS: list(parseHostName).prefault(""),
  ALLOWED_ORIGINS: list(parseOrigin).prefault(""),
  ALERT_WEBHOOK_URL: text(parseWebhookUrl).optional(),
  ALERT_WEBHOOK_SECRET: text(parseWebhookSecret).optional(),
  ALERT_WEBHOOK_ALLOW_PRIVATE: flag.prefault("false"),
  ALERT_WEBHOOK_HEARTBEAT_SECONDS: whole(0, 86_400).prefault("3600"),
  CHAOS_URL: text(parseChaosUrl).optional(),
  CHAOS_LINKS: text(parseMembers).optional(),
  /** Read by `npm start` only; accepted here because nodes inherit its environment. */
  MONGODB_URIS: z.string().optional(),
  MONGOD_BINARY: z.string().optional(),
});
type Environment = z.infer<typeof environmentSchema>;
type Name = keyof Environment;

const NAMES = Object.keys(environmentSchema.shape) as Name[];
const SECRET_NAMES: readonly Name[] = [
  "CLUSTER_SECRET",
  "MONGODB_URI",
  "MONGODB_URIS",
  "ALERT_WEBHOOK_SECRET",
  "CHAOS_URL",
];
/** Every accepted name, the `_FILE` twins of the secrets included. */
export const CONFIG_NAMES: readonly string[] = [...NAMES, ...SECRET_NAMES.map((name) => `${name}_FILE`)];

const INDEXED_PATHS_MAX = 16;

function parsePaths(value: string): string[] | Error {
  const paths = [...new Set(value.split(",").map((path) => path.trim()))].filter((path) => path !== "");
  if (paths.length > INDEXED_PATHS_MAX) return new Error(`may name at most ${INDEXED_PATHS_MAX} paths`);
  const bad = paths.find((path) => path.length > 256 || path.split(".").some((key) => key === ""));
  return bad === undefined
    ? paths
    : new Error(
        `must be paths of payloads, separated by commas, such as user,order.id; ${JSON.stringify(bad)} is none`,
      );
}

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

/**
 * The driver is the judge of a connection string for one server; its constructor parses and connects to nothing, and
 * `db` looks at the name of the database.
 */
function parseMongodbUri(uri: string): string | Error {
  try {
    new MongoClient(uri, { directConnection: true }).db();
    return uri;
  } catch (error) {
    const { message } = error as Error;
    // The driver's message may quote the string, and with it a password.
    const credentials = /\/\/(.*)@/.exec(uri)?.[1]?.split(":") ?? [];
    const isSafe = credentials.every((part) => part === "" || !message.includes(part));
    return new Error(
      `is not a MongoDB connection string for one server, such as mongodb://localhost:27017/${DEFAULT_DATABASE}` +
        `${isSafe ? `: ${message}` : ""}`,
    );
  }
}

function parseMembers(value: string): MemberAddress[] | Error {
  const members: MemberAddress[] = [];
  for (const [place, entry] of value.split(",").entries()) {
    const [, id = "", address = ""] = /^\s*([^=\s]+)=(\S+?)\/?\s*$/.exec(entry) ?? [];
    const url = URL.canParse(address) ? new URL(address) : null;
    const isBase = url?.protocol === "http:" && url.origin.length > 0 && address.length <= 512;
    if (!nodeIdSchema.safeParse(id).success || !isBase || `${url.origin}/` !== url.href)
      return new Error(`must look like n1=http://host:3000,n2=http://host:3001,… (wrong at entry ${place + 1})`);
    members.push({ id, address: url.origin, priority: place + 1 });
  }
  return members;
}

/** Whoever is asked for faults stands on this machine. */
function parseChaosUrl(value: string): ChaosAddress | Error {
  const url = URL.canParse(value) ? new URL(value) : null;
  const isFit =
    url?.protocol === "http:" && url.hostname === "127.0.0.1" && url.pathname === "/" && url.username !== "";
  return isFit
    ? { url: `${url.origin}/`, token: url.username }
    : new Error("must look like http://token@127.0.0.1:4999; npm start -- --allow-chaos sets it");
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
