import { type DestinationStream, type Logger, pino } from "pino";
import { PinoPretty } from "pino-pretty";
import type { Config } from "../config.js";

export interface LoggerOptions {
  readonly node: string;
  readonly level: Config["logLevel"];
  /** Texts that must never appear in a line, whatever logged them: the cluster secret. */
  readonly secrets?: readonly string[];
  /** Default: stdout, pretty on a terminal, else one JSON object a line. */
  readonly destination?: DestinationStream;
}

/** Members that hold secrets by their name. */
const SECRET_KEYS = ["secret", "clusterSecret", "mongodbUri", "uri", "seed", "authorization", "cookie", "password"];
const REDACTED = "[redacted]";

/** The node's log: `time` (ISO, UTC), `level`, `msg`, `node`; `logger.child({ term })` adds to every line of its own. */
export function createLogger({ node, level, secrets = [], destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
        censor: REDACTED,
      },
      hooks: { streamWrite: (line) => scrub(line, secrets) },
    },
    destination ?? (process.stdout.isTTY ? terminal() : pino.destination({ dest: 1, sync: true })),
  );
}

/** The last look at a line: a driver's error message may quote a connection string with its password. */
function scrub(line: string, secrets: readonly string[]): string {
  let clean = line.replace(/(mongodb(?:\+srv)?:\/\/)[^@/\s"]*@/g, `$1${REDACTED}@`);
  for (const secret of secrets) if (secret.length > 0) clean = clean.replaceAll(secret, REDACTED);
  return clean;
}

function terminal(): DestinationStream {
  const isColourful = process.env.NO_COLOR === undefined || process.env.NO_COLOR === "";
  return PinoPretty({ colorize: isColourful, sync: true, ignore: "pid,hostname,node", messageFormat: "{node} {msg}" });
}
