import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.js";

/** Copies the logs of nodes and mongods, each node's into a folder of its own. */
export function copyLogs(cluster: Cluster, folder: string): void {
  for (const { id } of cluster.nodes) {
    const from = join(cluster.dataDir, id);
    if (!existsSync(from)) continue;
    mkdirSync(join(folder, id), { recursive: true });
    for (const name of readdirSync(from)) {
      if (/\.log(\.\d+)?$/.test(name)) cpSync(join(from, name), join(folder, id, name));
    }
  }
}

/** Copies the databases, too, of a run that has to be looked into. Everything is killed first: a copy needs files at rest. */
export async function keepData(cluster: Cluster, folder: string): Promise<void> {
  await cluster.killAll();
  cpSync(cluster.dataDir, join(folder, "data"), { recursive: true });
}
