import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { Cluster } from "../../cluster/cluster.js";
import { ChaosDesk } from "./desk.js";

const IDS = ["n1", "n2", "n3"];

/** A desk over processes that note their signals; what was struck, in order. */
async function deskOver(): Promise<{ desk: ChaosDesk; struck: string[] }> {
  const desk = await ChaosDesk.open(IDS, [1, 2, 3], () => undefined);
  onTestFinished(() => desk.close());
  const struck: string[] = [];
  const nodes = IDS.map((id, i) => ({ id, url: "", mongodbUri: "", pid: i + 1, mongodPid: undefined }));
  const cluster: Pick<Cluster, "nodes" | "node" | "signal"> = {
    nodes,
    node: (id) => nodes.find((one) => one.id === id) as (typeof nodes)[number],
    signal: (id, name) => void struck.push(`${name} ${id}`),
  };
  desk.attach(cluster as Cluster);
  return { desk, struck };
}

/** Strikes come a moment after their answer. */
const afterStrikes = (): Promise<void> => sleep(500);

it("stops a node that is to be paused, and lets it go on", async () => {
  const { desk, struck } = await deskOver();
  await desk.strike({ action: "pause", node: "n2" });
  await afterStrikes();
  await desk.strike({ action: "resume", node: "n2" });
  expect(struck).toEqual(["SIGSTOP n2", "SIGCONT n2"]);
});

it("stops no node that was resumed, started anew or healed before the strike came: nobody would let it go on", async () => {
  const { desk, struck } = await deskOver();
  await desk.strike({ action: "pause", node: "n1" });
  await desk.strike({ action: "resume", node: "n1" });
  await desk.strike({ action: "pause", node: "n2" });
  await desk.strike({ action: "restart", node: "n2" });
  await desk.strike({ action: "pause", node: "n3" });
  desk.heal();
  await afterStrikes();
  expect(struck.filter((one) => one.startsWith("SIGSTOP"))).toEqual([]);
});
