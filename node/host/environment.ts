import { isIPv6 } from "node:net";
import { validate as isCronExpression } from "node-cron";
import { z } from "zod";
import {
  ELECTION_TIMEOUT_MS_MAX,
  EVENT_BYTES_MAX_CEILING,
  EVENT_BYTES_MAX_DEFAULT,
  KEY_FILTER_BYTES_DEFAULT,
  REQUEST_TIMEOUT_MS_MAX,
} from "../../shared/limits.js";
import { nodeIdSchema } from "../../shared/log/control.js";
import {
  parseChaosUrl,
  parseHostName,
  parseMembers,
  parseMongodbUri,
  parseOrigin,
  parsePaths,
  parseWebhookSecret,
  parseWebhookUrl,
} from "./setting-values.js";

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

export const logLevelSchema = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
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
export const environmentSchema = z.object({
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
  KEY_FILTER_BYTES: whole(1024, 1024 * 1024 * 1024).prefault(String(KEY_FILTER_BYTES_DEFAULT)),
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
export type Environment = z.infer<typeof environmentSchema>;
export type Name = keyof Environment;

export const NAMES = Object.keys(environmentSchema.shape) as Name[];
export const SECRET_NAMES: readonly Name[] = [
  "CLUSTER_SECRET",
  "MONGODB_URI",
  "MONGODB_URIS",
  "ALERT_WEBHOOK_SECRET",
  "CHAOS_URL",
];
/** Every accepted name, the `_FILE` twins of the secrets included. */
export const CONFIG_NAMES: readonly string[] = [...NAMES, ...SECRET_NAMES.map((name) => `${name}_FILE`)];
