import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.js";
import { clusterView } from "../kill/health.js";
import { loopback } from "../loopback.js";

const EVENTS_MAX = 20;

/** Keeps what the temporary folder would take with it: the logs, what each node says, the events in question. */
export async function keepEvidence(cluster: Cluster, story: string[], sequences: number[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "chaos-evidence-"));
  writeFileSync(join(folder, "story.txt"), `${story.join("\n")}\n`);
  copyLogs(cluster, folder);
  const views = await Promise.all(cluster.nodes.map(({ url }) => clusterView(url).catch(String)));
  writeFileSync(join(folder, "views.json"), JSON.stringify(views, null, 2));
  const url = cluster.nodes[0]?.url;
  for (const sequence of sequences.slice(0, EVENTS_MAX)) {
    const text = await loopback(`${url}/api/v1/events/${sequence}/nodes`)
      .then((answer) => answer.text())
      .catch(String);
    writeFileSync(join(folder, `event-${sequence}.json`), text);
  }
  return folder;
}

/** Of nodes and mongods, into a folder for each node. */
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
