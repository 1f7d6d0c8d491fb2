import { resolve } from "node:path";
import { loadConfig, mergeEnvironment, writeReport } from "../../node/config.js";
import type { EnvFile } from "../../node/host/env-file.js";
import { CONFIG_NAMES } from "../../node/host/environment.js";
import { judgeNames, readSetting } from "../../node/host/setting-sources.js";
import type { ClusterOptions } from "../cluster/cluster.js";
import { planNodes } from "../cluster/plan-nodes.js";
import { StartError } from "../lib/command.js";
import { UsageError } from "../lib/usage.js";
import { mongodUri } from "../mongod/server.js";
import { clusterSizeIn } from "./fresh.js";
import { parseStartOptions, type StartOptions } from "./options.js";

type Env = NodeJS.ProcessEnv;

export interface StartPlan {
  readonly options: StartOptions;
  /** For the cluster: which nodes, on which ports, with which databases. */
  readonly cluster: ClusterOptions & { readonly ports: number[]; readonly dataDir: string };
  /** What a person should know before anything starts. */
  readonly warnings: readonly string[];
  /** The mongod to look for, and where: settings of the start script alone. */
  readonly env: Env;
}

const PORT_MAX = 65_535;
/** In the place of what is known only later: it is not judged. */
const ANY_SECRET = "x".repeat(64);
const ANY_PORT = 27_017;

/** Reads and judges all settings, and touches nothing. Throws UsageError for flags, StartError for settings. */
export function planStart(args: string[], processEnv: Env, file: EnvFile): StartPlan {
  const env = { ...mergeEnvironment(processEnv, file) };
  const names = judgeNames(CONFIG_NAMES, processEnv, file);
  const mistakes = [...file.mistakes, ...names.mistakes];
  // A flag wins over it; without one it is judged with all the others.
  if (!args.some((arg) => arg.startsWith("--port"))) mistakes.push(...wrongPort(env));
  const refuse = (more: readonly string[] = []): never => {
    throw new StartError(writeReport([...mistakes, ...more], names.warnings));
  };
  const options = parseStartOptions(args, env);
  try {
    const cluster = planCluster(options, env);
    const judged = judgeNodes(cluster);
    if (mistakes.length + judged.mistakes.length > 0) refuse(judged.mistakes);
    return { options, cluster, warnings: judged.warnings, env };
  } catch (error) {
    // A flag may be wrong only because a line of the file was not understood.
    return error instanceof UsageError && mistakes.length > 0 ? refuse([error.message]) : throwAgain(error);
  }
}

/** Leaves nothing of it, so that it is told once. */
function wrongPort(env: Env): readonly string[] {
  const result = loadConfig({ PORT: env.PORT, MONGODB_URI: mongodUri(ANY_PORT) });
  if (!result.ok) delete env.PORT;
  return result.ok ? [] : result.mistakes;
}

function throwAgain(error: unknown): never {
  throw error;
}

/** From flags, environment and what the data folder holds. */
function planCluster(options: StartOptions, env: Env): StartPlan["cluster"] {
  const one = secretOf(env, "MONGODB_URI");
  const several = secretOf(env, "MONGODB_URIS");
  const uris = several?.split(",").map((uri) => uri.trim()) ?? (one === undefined ? undefined : [one]);
  const dataDir = resolve(env.DATA_DIR || "data");
  if (uris !== undefined && (options.nodes !== undefined || options.isFresh)) {
    throw new UsageError("--nodes and --fresh are for mongods that npm start runs itself; MONGODB_URI is set.");
  }
  if (uris !== undefined) refuseServers(uris);
  if (options.allowsChaos) refuseChaosElsewhere(options, env, uris !== undefined);
  const count = uris?.length ?? nodeCount(options, dataDir);
  const { basePort } = options;
  if (basePort + count - 1 > PORT_MAX) {
    const last = PORT_MAX - count + 1;
    throw new UsageError(
      `${count} nodes from port ${basePort} on would go beyond ${PORT_MAX}: begin at ${last} or below.`,
    );
  }
  // With one server this may be one node of a cluster that lives on several machines: then its settings stand.
  const isAlone = one !== undefined && several === undefined;
  const ours = ["PORT", "MONGODB_URI", "MONGODB_URI_FILE", "MONGODB_URIS", "MONGODB_URIS_FILE", "DATA_DIR"];
  ours.push("CHAOS_URL", "CHAOS_URL_FILE", "CHAOS_LINKS");
  if (!isAlone) ours.push("NODE_ID", "MEMBERS", "PRIORITY");
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !ours.includes(name)));
  return {
    ports: Array.from({ length: count }, (_, index) => basePort + index),
    dataDir,
    ...(uris === undefined ? {} : { mongodbUris: uris }),
    ...(isAlone && env.NODE_ID ? { ids: [env.NODE_ID] } : {}),
    env: isAlone ? { ADMIT_NEW_KEYS: "false", ...rest } : rest,
  };
}

/** Whoever reaches the dashboard could end the nodes and alter what they store. */
function refuseChaosElsewhere({ isDemo }: StartOptions, env: Env, isElsewhere: boolean): void {
  const { HOST } = env;
  const flag = isDemo ? "--demo" : "--allow-chaos";
  if (isElsewhere)
    throw new UsageError(`${flag} alters what nodes store: it is for mongods that npm start runs; MONGODB_URI is set.`);
  // Its proxies lead there.
  if (HOST && HOST !== "127.0.0.1")
    throw new UsageError(
      `${flag} would let whoever reaches HOST=${HOST} end nodes and alter what they store: leave HOST at 127.0.0.1.`,
    );
  const way = ["ALLOWED_HOSTS", "ALLOWED_ORIGINS"].find((name) => env[name]);
  if (way !== undefined)
    throw new UsageError(
      `${flag} would let whoever comes by ${way} end nodes and alter what they store: leave ${way} out.`,
    );
}

function refuseServers(uris: string[]): void {
  if (uris.includes(""))
    throw new UsageError("MONGODB_URIS has a place with nothing in it: two commas, or one at an end.");
  if (new Set(uris).size < uris.length) {
    throw new UsageError("MONGODB_URIS names the same database twice: each node needs one of its own.");
  }
  if (uris.length % 2 === 0) {
    throw new UsageError(`MONGODB_URIS names ${uris.length} servers: give one, three, five or more.`);
  }
}

/** Every node's settings, as each will judge its own. */
function judgeNodes(cluster: StartPlan["cluster"]): { mistakes: string[]; warnings: string[] } {
  const mistakes = new Set<string>();
  const warnings = new Set<string>();
  const plans = planNodes(cluster, cluster.dataDir, cluster.ports, () => ANY_SECRET);
  for (const [index, plan] of plans.entries()) {
    const MONGODB_URI = cluster.mongodbUris?.[index] ?? mongodUri(ANY_PORT);
    const result = loadConfig({ ...plan.env, MONGODB_URI });
    for (const one of result.ok ? result.warnings : []) warnings.add(one);
    const place =
      plans.length > 1 && cluster.mongodbUris !== undefined ? `MONGODB_URIS, server ${index + 1},` : "MONGODB_URI";
    // What we have made of HOST is wrong only because that is.
    const isOurs = (one: string): boolean => cluster.env?.MEMBERS === undefined && one.startsWith("MEMBERS ");
    for (const one of result.ok ? [] : result.mistakes)
      if (!isOurs(one)) mistakes.add(one.replace(/^MONGODB_URI(?= )/, place));
  }
  return { mistakes: [...mistakes], warnings: [...warnings] };
}

function nodeCount({ nodes, isFresh }: StartOptions, dataDir: string): number {
  const existing = isFresh ? 0 : clusterSizeIn(dataDir);
  if (nodes !== undefined && nodes < existing) {
    throw new UsageError(
      `${dataDir} holds the data of ${existing} nodes, so --nodes ${nodes} cannot use it. Leave --nodes out, or add --fresh.`,
    );
  }
  return nodes ?? (existing || 3);
}

function secretOf(env: Env, name: string): string | undefined {
  const value = readSetting(name, env, true);
  if (value instanceof Error) throw new StartError(writeReport([value.message]));
  return value;
}
