import { expect, it } from "vitest";
import type { Cluster, ClusterNode } from "../cluster/cluster.js";
import type { MemberEvent } from "../cluster/member.js";
import { Screen } from "./screen.js";

function shown(...events: MemberEvent[]): string[] {
  const lines: string[] = [];
  const screen = new Screen((line) => lines.push(line.replace(/^\d\d:\d\d:\d\d {2}/, "")));
  for (const event of events) screen.show(event);
  return lines;
}
const down = (program: string, reason: string): MemberEvent => ({
  ...{ kind: "down", program, reason, exitCode: 62, isFinal: true },
  ...{ logPath: `${process.cwd()}/data/${program}.log`, advice: "Do this." },
});

it("says once what several programs end of", () => {
  const first = ["n1 stays down: it cannot. Its log: data/n1.log", "          Do this."];
  expect(shown(down("n1", "it cannot"), down("n2", "it cannot"))).toEqual([
    ...first,
    "n2 stays down for the same reason. Its log: data/n2.log",
  ]);
});

it("names a node whose clock is off", () => {
  const detail = "the clock of n1 is 480 minutes ahead of the members' median: set it right";
  const alert: MemberEvent = { kind: "alert", node: "n2", alertKind: "clock_off", detail };
  expect(shown(alert, alert)).toEqual([`ALERT clock_off: ${detail}. (n2)`]);
});

it("says once what is waited for, and what troubles", () => {
  const wait: MemberEvent = { kind: "waits", node: "n1", detail: "Nothing listens at db1." };
  const trouble: MemberEvent = { kind: "trouble", program: "n1", detail: "its log cannot be rotated" };
  expect(shown(wait, wait, trouble, trouble)).toEqual([
    "n1 waits: Nothing listens at db1.",
    "n1: its log cannot be rotated.",
  ]);
});

it("shows of each node what it says that it is, and how many run", () => {
  const lines: string[] = [];
  const node = (id: string, pid?: number): ClusterNode => ({
    ...{ id, pid, url: `http://${id}`, mongodbUri: "mongodb://127.0.0.1:1/x", mongodPid: 1 },
  });
  const nodes = [node("n1", 1), node("n2", 2), node("n3", 3), node("n4", 4), node("n5")];
  const roles = new Map([
    ["n1", "follower"],
    ["n2", "learner"],
    ["n3", "leader"],
  ]);
  new Screen((line) => lines.push(line)).table({ nodes, dataDir: "data" } as unknown as Cluster, {
    ...{ id: "n3", term: 2, roles },
  });
  const roleOf = (id: string) => lines.find((line) => line.startsWith(`  ${id} `))?.split(/ {3,}/)[2];
  // The fourth came up after the others were asked.
  expect(nodes.map(({ id }) => roleOf(id))).toEqual(["follower", "learner", "leader", "unknown", "not up yet"]);
  expect(lines.join("\n")).toContain("Quorumlog runs: 4 of 5 nodes, n3 leads (term 2).");
});
