import { relative } from "node:path";
import { hostsOf } from "../../node/storage/mongo/causes.js";
import type { Cluster, SeenLeader } from "../cluster/cluster.js";
import type { MemberEvent } from "../cluster/member.js";

/** What the terminal shows: once the table, and then only elections, nodes going and coming, and alerts. */
export class Screen {
  #leader = "";
  #lastReason = "";
  readonly #alerts = new Set<string>();
  /** Until the table is printed, nodes that come up are part of it and not news. */
  #hasTable = false;

  constructor(private readonly write: (line: string) => void) {}

  line(text: string): void {
    this.write(text);
  }

  /** The leader may be a node of another machine. */
  table(cluster: Cluster, { id: leaderId, term, roles }: SeenLeader): void {
    const rows = cluster.nodes.map(({ id, url, pid, mongodbUri, mongodPid }) => ({
      node: id,
      url,
      role: pid === undefined ? "not up yet" : (roles.get(id) ?? "unknown"),
      mongodb: `${hostsOf(mongodbUri)}${mongodPid === undefined ? "" : " (its own)"}`,
      log: shortPath(`${cluster.dataDir}/${id}/node.log`),
    }));
    const header = { node: "NODE", url: "URL", role: "ROLE", mongodb: "MONGODB", log: "LOG" };
    const widths = Object.keys(header).map((key) =>
      Math.max(...[header, ...rows].map((row) => row[key as keyof typeof row].length)),
    );
    const up = cluster.nodes.filter(({ pid }) => pid !== undefined).length;
    const count = rows.length === 1 ? "one node" : `${up === rows.length ? up : `${up} of ${rows.length}`} nodes`;
    this.write(`\nDashboard: ${cluster.nodes[0]?.url}/\n`);
    this.write(`Quorumlog runs: ${count}, ${leaderId} leads (term ${term}).\n`);
    for (const row of [header, ...rows]) {
      const cells = Object.values(row).map((cell, index) => cell.padEnd(widths[index] as number));
      this.write(`  ${cells.join("   ").trimEnd()}`);
    }
    this.write("\nTry it:\n");
    this.write(`  curl -X POST ${cluster.nodes[0]?.url}/api/v1/events -H 'Content-Type: application/json' \\`);
    this.write(`    -d '{"eventType":"user.login","sourceAppId":"demo","dataPayload":{"user":"ada"}}'\n`);
    this.write("Ctrl-C stops everything; the next start continues the same log.\n");
    this.#leader = `${leaderId}/${term}`;
    this.#hasTable = true;
  }

  show(event: MemberEvent): void {
    switch (event.kind) {
      case "listening":
      case "fatal": // Its exit follows and is shown with this reason.
        return;
      case "up":
        if (event.isRestart || this.#hasTable) this.news(`${event.program} is back.`);
        return;
      case "died":
        this.news(
          `${event.program} is gone: ${sentence(event.reason)} Starting it again in ${event.restartInMs / 1000} s.`,
        );
        return;
      case "down":
        this.#showDown(event);
        return;
      case "leader":
        this.#showLeader(event.leaderId, event.term);
        return;
      case "waiting":
        if (event.missing.length > 0) this.#once(`${event.node} waits to hear from ${event.missing.join(", ")}.`);
        return;
      case "waits":
        this.#once(`${event.node} waits: ${event.detail}`);
        return;
      case "trouble":
        this.#once(`${event.program}: ${sentence(event.detail)}`);
        return;
      case "alert":
        this.#once(`ALERT ${event.alertKind}: ${sentence(event.detail)} (${event.node})`);
        return;
      default:
        event satisfies never;
    }
  }

  /** A cause that several programs share is said once. */
  #showDown({ program, reason, logPath, advice }: Extract<MemberEvent, { kind: "down" }>): void {
    const log = `Its log: ${shortPath(logPath)}`;
    if (reason === this.#lastReason) return this.news(`${program} stays down for the same reason. ${log}`);
    this.#lastReason = reason;
    this.news(`${program} stays down: ${sentence(reason)} ${log}`);
    this.write(`          ${advice}`);
  }

  /** Every node tells of every leader; the screen says it once. */
  #showLeader(leaderId: string | null, term: number): void {
    if (leaderId === null || !this.#hasTable || this.#leader === `${leaderId}/${term}`) return;
    if (term < Number(this.#leader.split("/")[1])) return;
    this.#leader = `${leaderId}/${term}`;
    this.news(`${leaderId} leads (term ${term}).`);
  }

  #once(text: string): void {
    if (this.#alerts.has(text)) return;
    if (this.#alerts.size > 1_000) this.#alerts.clear();
    this.#alerts.add(text);
    this.news(text);
  }

  news(text: string): void {
    this.write(`${new Date().toTimeString().slice(0, 8)}  ${text}`);
  }
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
