import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { ChaosRequest } from "../../../shared/protocol/chaos.js";
import type { Cluster } from "../../cluster/cluster.js";
import { postmanCollection } from "../../postman/collection.js";
import { ChaosConflict, ChaosDesk } from "./desk.js";

const IDS = ["n1", "n2", "n3"];

interface Sent {
  readonly method: string;
  readonly url: { readonly path: readonly string[] };
  readonly body: { readonly raw: string };
}

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

it("makes nothing of what the collection for Postman asks for", async () => {
  const { desk, struck } = await deskOver();
  const { item } = JSON.parse(postmanCollection()) as { item: { item: { request: Sent }[] }[] };
  const sent = item.flatMap((folder) => folder.item).map(({ request }) => request);
  const faults = sent.filter(({ method, url }) => method === "POST" && url.path.join("/") === "api/v1/chaos");
  expect(faults).toHaveLength(1);
  for (const { body } of faults)
    await expect(desk.strike(JSON.parse(body.raw) as ChaosRequest)).rejects.toThrow(ChaosConflict);
  await afterStrikes();
  expect({ struck, record: desk.state().record }).toEqual({ struck: [], record: [] });
});
