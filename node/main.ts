import { readFileSync } from "node:fs";
import closeWithGrace from "close-with-grace";
import { loadConfig } from "./config.js";
import { readEnvFile, WITHOUT_ENV_FILE } from "./host/env-file.js";
import { createLogger } from "./host/logger.js";
import { outputTo } from "./host/output.js";
import { useNativeHash } from "./host/signer.js";
import { notifySupervisor } from "./host/supervision.js";
import { type RunningNode, startNode } from "./node.js";
import { StoreError } from "./storage/port.js";

const EXIT_ERROR = 1;
const EXIT_BAD_CONFIGURATION = 78;
const STOP_MS_MAX = 14_000;

function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

async function main(): Promise<void> {
  const loaded = loadConfig(process.env, process.argv.includes(WITHOUT_ENV_FILE) ? "" : readEnvFile(".env"));
  if (!loaded.ok) {
    outputTo(2).write(`${loaded.report}\n`);
    notifySupervisor({
      kind: "fatal",
      node: process.env.NODE_ID ?? "n1",
      detail: loaded.report,
      exitCode: EXIT_BAD_CONFIGURATION,
    });
    return exitSoon(EXIT_BAD_CONFIGURATION);
  }
  const { config, warnings } = loaded;
  const logger = createLogger({
    node: config.nodeId,
    level: config.logLevel,
    secrets: config.clusterSecret === null ? [] : [config.clusterSecret],
  });
  for (const warning of warnings) logger.warn(warning);
  useNativeHash();

  let node: RunningNode | null = null;
  let isFailing = false;
  const fail = (error: Error): void => {
    if (isFailing) return;
    isFailing = true;
    const isUnfit = error instanceof StoreError && (error.failure === "unfit" || error.failure === "not_owner");
    const exitCode = isUnfit ? EXIT_BAD_CONFIGURATION : EXIT_ERROR;
    logger.fatal(error instanceof StoreError ? {} : { err: error }, error.message);
    notifySupervisor({ kind: "fatal", node: config.nodeId, detail: error.message, exitCode });
    exitSoon(exitCode);
  };
  // The supervisor is gone: nobody would restart this node or stop its mongod, so it stops too.
  process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
  const lastWords = {
    onSecondSignal: (signal?: string) =>
      logger.error(`a second ${signal}: the node ends at once, before it has stopped`),
    onTimeout: (ms: number) => logger.error(`the node has not stopped within ${ms / 1_000} s, and ends`),
  };
  closeWithGrace({ delay: STOP_MS_MAX, logger: false, ...lastWords }, async ({ err, signal }) => {
    if (err !== undefined) {
      logger.fatal({ err }, "an unexpected error: the node stops rather than go on in a state that nobody checked");
      notifySupervisor({ kind: "fatal", node: config.nodeId, detail: err.message, exitCode: EXIT_ERROR });
      return;
    }
    logger.info(`stopping (${signal ?? "asked"})`);
    await node?.stop();
    logger.info("stopped");
  });

  try {
    node = await startNode({ config, version: readVersion(), logger, onFatal: fail });
  } catch (error) {
    fail(error as Error);
  }
}

/** Lets the supervisor's channel take the last notice before the process ends. */
function exitSoon(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(exitCode), 50);
}

await main();
