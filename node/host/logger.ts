import { type DestinationStream, type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Environment } from "./environment.js";
import { type Output, outputTo } from "./output.js";

export interface LoggerOptions {
  readonly node: string;
  readonly level: Environment["LOG_LEVEL"];
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
    destination ?? linesTo(outputTo(1), { node, format: process.stdout.isTTY ? terminalFormat() : (line) => line }),
  );
}

/** The last look at a line: a driver's error message may quote a connection string with its password. */
function scrub(line: string, secrets: readonly string[]): string {
  let clean = line.replace(/(mongodb(?:\+srv)?:\/\/)[^@/\s"]*@/g, `$1${REDACTED}@`);
  for (const secret of secrets) if (secret.length > 0) clean = clean.replaceAll(secret, REDACTED);
  return clean;
}

/** Says, as soon as lines are taken again, how many were not. */
export function linesTo(output: Output, of: { node: string; format: (line: string) => string }): DestinationStream {
  return {
    write(line) {
      const dropped = output.takeDropped();
      if (dropped > 0) {
        const msg = `${dropped} log lines were dropped here: whoever reads this log, or its disk, did not take them`;
        const entry = { level: "warn", time: new Date().toISOString(), node: of.node, dropped, msg };
        output.write(of.format(`${JSON.stringify(entry)}\n`));
      }
      output.write(of.format(line));
    },
  };
}

function terminalFormat(): (line: string) => string {
  const isColourful = process.env.NO_COLOR === undefined || process.env.NO_COLOR === "";
  return prettyFactory({ colorize: isColourful, ignore: "pid,hostname,node", messageFormat: "{node} {msg}" });
}
