import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { ChaosRequest } from "../../../shared/protocol/chaos.js";
import type { Cluster } from "../../cluster/cluster.js";
import type { MemberEvent } from "../../cluster/member.js";
import { postmanCollection } from "../../postman/collection.js";
import { ChaosConflict, ChaosDesk } from "./desk.js";

const IDS = ["n1", "n2", "n3"];

interface Sent {
  readonly method: string;
  readonly url: { readonly path: readonly string[] };
  readonly body: { readonly raw: string };
}

/** A desk over processes that note their signals; what was struck, in order. */
async function deskOver(): Promise<{ desk: ChaosDesk; struck: string[]; nodes: readonly object[] }> {
  const desk = await ChaosDesk.open(IDS, [1, 2, 3], () => undefined);
  onTestFinished(() => desk.close());
  const struck: string[] = [];
  const nodes = IDS.map((id, i) => ({ id, url: "", mongodbUri: "", pid: i + 1, mongodPid: undefined }));
  const cluster: Pick<Cluster, "nodes" | "node" | "signal" | "start"> = {
    nodes,
    node: (id) => nodes.find((one) => one.id === id) as (typeof nodes)[number],
    signal: (id, name) => void struck.push(`${name} ${id}`),
    start: async (id) => void struck.push(`start ${id}`),
  };
  desk.attach(cluster as Cluster);
  return { desk, struck, nodes };
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

it("asks a node once to stop: a second signal would end it at once", async () => {
  const { desk, struck } = await deskOver();
  const restart = { action: "restart", node: "n2" } as const;
  await desk.strike(restart);
  await expect(desk.strike(restart)).rejects.toThrow("n2 is stopping already");
  await afterStrikes();
  await expect(desk.strike(restart)).rejects.toThrow(ChaosConflict);
  expect([struck, desk.state().record.map(({ what }) => what)]).toEqual([["SIGTERM n2"], ["restart"]]);
  desk.onEvent({ kind: "died", program: "n2", reason: "exit code 0" } as MemberEvent);
  desk.onEvent({ kind: "up", program: "n2" } as MemberEvent);
  await desk.strike(restart);
  await afterStrikes();
  expect(struck).toEqual(["SIGTERM n2", "SIGTERM n2"]);
});

it("starts a node that was killed while it was stopping", async () => {
  const { desk, struck, nodes } = await deskOver();
  await desk.strike({ action: "restart", node: "n2" });
  await afterStrikes();
  Object.assign(nodes[1] as object, { pid: undefined });
  await desk.strike({ action: "restart", node: "n2" });
  expect(struck).toEqual(["SIGTERM n2", "start n2"]);
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
