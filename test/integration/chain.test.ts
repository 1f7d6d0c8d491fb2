import { afterAll, beforeAll, expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { sha256Hex } from "../../shared/hash.js";
import { headerBytes } from "../../shared/log/block.js";
import { type EventRecord, type EventView, recordText } from "../../shared/log/event.js";
import { appendLeaves, leafHash, rootOf } from "../../shared/merkle/compact-range.js";
import type { BlockView, ChainView } from "../../shared/protocol/http.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { alterPayloads } from "../support/stored-blocks.js";
import { call, postJson, readLog } from "./api-support.js";

/** Twelve writes, of which three are batches of two. */
const EVENTS = 15;
let cluster: Cluster;
let urls: string[];
beforeAll(async () => {
  cluster = await startSteadyCluster();
  urls = cluster.nodes.map(({ url }) => url);
  for (let i = 0; i < 12; i++) {
    const event = { eventType: "a", sourceAppId: "chain", dataPayload: { i } };
    const { status } = await postJson(
      `${urls[i % 3]}/api/v1/events${i % 4 === 0 ? ":batch" : ""}`,
      i % 4 === 0 ? { events: [event, event] } : event,
    );
    expect(status).toBe(201);
  }
});
afterAll(() => cluster?.stop());

/** As it is shown once each node has told its part: one that is slow for a moment is shown without. */
const chainOf = (url: string, query: string): Promise<ChainView> =>
  eventually(
    async () => {
      const view = (await call(`${url}/api/v1/chain${query}`)).body as ChainView;
      return view.nodes.every(({ detail }) => detail === undefined) && view;
    },
    30_000,
    "all nodes tell of their chain",
  );

it("every node answers for all nodes with the same linked hashes", async () => {
  await eventually(
    async () => (await chainOf(urls[0] as string, "?count=500")).nodes.every(({ events }) => events.length === EVENTS),
    30_000,
    "all nodes hold all events",
  );
  const log = (await readLog(urls[0] as string)) as unknown as EventView[];
  for (const url of urls) {
    const view = await chainOf(url, "?from=0&count=500");
    expect(view).toMatchObject({ from: 0, size: log.length });
    const links = log.map(({ sequence, hash, previousHash, height }) => ({ sequence, hash, previousHash, height }));
    expect(view.nodes).toEqual(["n1", "n2", "n3"].map((node) => ({ node, events: links, altered: [] })));
  }
  const newest = await chainOf(urls[1] as string, "?count=3");
  expect(newest.from).toBe(log.length - 3);
  expect(
    (await chainOf(urls[1] as string, "?from=1&count=2")).nodes[0]?.events.map(({ sequence }) => sequence),
  ).toEqual([1, 2]);
  expect((await chainOf(urls[1] as string, "?from=999")).nodes.flatMap(({ events }) => events)).toEqual([]);
});

it("refuses what it does not know, and more than it gives", async () => {
  for (const query of ["?count=501", "?count=0", "?from=x", "?colour=red"])
    expect((await call(`${urls[0]}/api/v1/chain${query}`)).status).toBe(400);
  for (const height of ["0", "-1", "x", "1.5", "99999", "9".repeat(40)])
    expect((await call(`${urls[0]}/api/v1/blocks/${height}`)).status).toBe(404);
  expect((await call(`${urls[0]}/api/v1/blocks/1`, { method: "DELETE" })).status).toBe(405);
});

it("a block can be checked by what is answered for it: leaves, root, hash, link and signature", async () => {
  const log = (await readLog(urls[2] as string)) as unknown as EventView[];
  const verifier = createVerifier();
  let previousBlockHash = "0".repeat(64);
  for (let height = 1; height <= (log.at(-1)?.height ?? 0); height++) {
    const { header, blockHash, signature, frontierBefore, leaves, memberKeys } = (
      await call(`${urls[height % 3]}/api/v1/blocks/${height}`)
    ).body as BlockView;
    expect(header).toMatchObject({ height, previousBlockHash });
    expect(sha256Hex(headerBytes(header))).toBe(blockHash);
    expect(verifier.verify(memberKeys[header.leaderId] as string, headerBytes(header), fromHex(signature))).toBe(true);
    const events = log.filter((event) => event.height === height);
    expect(leaves).toEqual(events.map(leafOf));
    const range = appendLeaves(
      { size: header.firstSequence, hashes: frontierBefore.map(fromHex) },
      leaves.map(fromHex),
    );
    expect(toHex(rootOf(range))).toBe(header.rootHash);
    previousBlockHash = blockHash;
  }
});

it("a block that was altered behind a node's back is named by that node, and not given as a block", async () => {
  const [event] = (await readLog(urls[0] as string)) as unknown as EventView[];
  const height = event?.height as number;
  await alterPayloads(cluster.node("n1").mongodbUri, height);
  const { nodes } = await chainOf(urls[1] as string, "?from=0&count=4");
  expect(nodes.map(({ altered }) => altered.map((place) => [place.height, place.from]))).toEqual([
    [[height, 0]],
    [],
    [],
  ]);
  expect(nodes[0]?.events.map(({ sequence }) => sequence)).toEqual([2, 3]);
  expect(nodes[1]?.events).toHaveLength(4);
});

function leafOf(event: EventView): string {
  const { dataPayload: _payload, payloadSalt: _salt, hash: _hash, height: _height, term: _term, ...record } = event;
  return toHex(leafHash(utf8(recordText(record as unknown as EventRecord))));
}
