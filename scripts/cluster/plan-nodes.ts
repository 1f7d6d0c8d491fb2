import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseUrl } from "../../node/host/base-url.js";
import { mayListenLater, whyNotListening } from "../../node/host/own-port.js";
import { StartError } from "../lib/command.js";
import { fileProblem } from "../lib/file-problem.js";
import { listenProblem } from "../lib/processes.js";
import type { ClusterOptions } from "./cluster.js";

/** What each node is started with, but for its MONGODB_URI. */
export interface NodePlan {
  id: string;
  url: string;
  env: NodeJS.ProcessEnv;
}

export function planNodes(
  options: Pick<ClusterOptions, "env" | "ids" | "mongodbUris">,
  dataDir: string,
  ports: number[],
  secret: () => string,
): NodePlan[] {
  const { mongodbUris, env = {} } = options;
  const ids = options.ids ?? ports.map((_, index) => `n${index + 1}`);
  const HOST = env.HOST || "127.0.0.1";
  const urls = ports.map((port) => baseUrl(HOST, port));
  const MEMBERS = urls.map((url, index) => `${ids[index]}=${url}`).join(",");
  const MONGODB_MANAGED = String(mongodbUris === undefined);
  const shared: NodeJS.ProcessEnv = { MEMBERS, DATA_DIR: dataDir, ADMIT_NEW_KEYS: "true", MONGODB_MANAGED };
  if (!env.CLUSTER_SECRET && !env.CLUSTER_SECRET_FILE) shared.CLUSTER_SECRET = secret();
  const { PATH, HOME, TZ } = process.env;
  return ports.map((port, index) => {
    const NODE_ID = ids[index] as string;
    const own = { NODE_ID, PORT: String(port) };
    return { id: NODE_ID, url: urls[index] as string, env: { PATH, HOME, TZ, ...shared, ...own, ...env, HOST } };
  });
}

/** Throws if a node could not listen there, StartError unless that may pass; with `mayBeTaken`, not for a port that somebody uses now. */
export async function refusePorts(ports: number[], host = "127.0.0.1", { mayBeTaken = false } = {}): Promise<void> {
  const problems = await Promise.all(ports.map((port) => listenProblem(port, host)));
  const taken = ports.filter((_, index) => problems[index]?.code === "EADDRINUSE");
  for (const [index, problem] of problems.entries()) {
    if (problem === undefined || problem.code === "EADDRINUSE") continue;
    const why = whyNotListening(problem, { host, port: ports[index] as number });
    throw mayListenLater(problem) ? new Error(why) : new StartError(why);
  }
  if (taken.length === 0 || mayBeTaken) return;
  throw new StartError(
    `Port ${taken.join(", ")} is taken by another program. Stop that one, or choose other ports: npm start -- --port 4000`,
  );
}

/** Made once and kept beside the data, readable by the user alone. */
export function clusterSecret(dataDir: string): string {
  const file = join(dataDir, "cluster-secret");
  try {
    // An empty one is what a full disk has left of an attempt to make it: no node has seen it.
    if (existsSync(file) && statSync(file).size === 0) rmSync(file);
    if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString("hex"), { flag: "wx", mode: 0o600 });
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new StartError(
      `The cluster's secret ${file} cannot be made or read: ${fileProblem(error)}. See to that, start as the user who owns ` +
        "it, or set DATA_DIR to another folder.",
    );
  }
}
