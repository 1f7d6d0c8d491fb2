import { afterAll, beforeAll, expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import type { Cluster, ClusterNode } from "../../scripts/cluster/cluster.js";
import { fromHex, utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import { hashHeader, headerBytes } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { applyControl, type Membership } from "../../shared/log/control.js";
import type { EvidenceBundle, SignedHeader } from "../../shared/protocol/evidence.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { levelHead } from "../support/level.js";
import { alertsOf, covers, editPayload, tamper } from "../support/tampering.js";
import { call, postJson, uniqueSource } from "./api-support.js";

let cluster: Cluster;
let leader: ClusterNode;
let victim: ClusterNode;
beforeAll(async () => {
  cluster = await startSteadyCluster();
  leader = (await cluster.leader()).node;
  victim = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
});
afterAll(() => cluster?.stop());

const verifier = createVerifier();
const isSigned = ({ header, signature }: SignedHeader, members: Membership): boolean => {
  const key = members.get(header.leaderId)?.keys.block;
  return key !== undefined && verifier.verify(key, headerBytes(header), fromHex(signature));
};

it("is a document that proves what was committed and what stood there, from any node", async () => {
  const written: { height: number; sequence: number }[] = [];
  for (let i = 0; i < 4; i++) {
    const event = { eventType: "paid", sourceAppId: uniqueSource(), dataPayload: { amount: 100, to: "ada" } };
    written.push((await postJson(`${leader.url}/api/v1/events`, event)).body);
  }
  await levelHead(cluster.nodes);
  const [, { height: at, sequence }] = written as [unknown, { height: number; sequence: number }];
  await tamper(victim, (blocks) => editPayload(blocks, at, '"ada"', '"eve"'));
  const alert = await eventually(
    async () => (await alertsOf(leader)).find((one) => one.node === victim.id && covers(one, at)),
    30_000,
    "an alert tells of it",
  );
  const { status, headers, body } = await call(`${leader.url}/api/v1/alerts/${alert.id}/evidence`);
  expect(status).toBe(200);
  expect(headers.get("content-disposition")).toContain(`evidence-${alert.id}.json`);
  const bundle = body as EvidenceBundle;
  expect(bundle).toMatchObject({ format: "quorumlog/evidence/v1", madeBy: victim.id, omitted: { blocks: 0 } });
  expect(bundle.alert).toMatchObject({ id: alert.id, differences: [{ field: "dataPayload.to", sequence }] });

  let members: Membership = new Map();
  expect(hashHeader((bundle.membership[0] as SignedHeader).header)).toBe(bundle.clusterId);
  for (const one of bundle.membership) {
    const after = applyControl(members, one.header.control);
    expect(isSigned(one, members.size === 0 ? after : members)).toBe(true);
    members = after;
  }
  const [block] = bundle.blocks;
  const { committed, links, stored } = block as (typeof bundle.blocks)[0];
  if (committed === null) throw new Error("the committed block is not there");
  expect(hashHeader(committed.header)).toBe(committed.blockHash);
  expect(isSigned(committed, members)).toBe(true);
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
  const sound = { records: bytes(committed.records), payloads: bytes(committed.payloads) };
  expect(bodyHash(sound)).toBe(committed.header.bodyHash);
  expect(Buffer.from(sound.payloads).toString("latin1")).toContain('"ada"');
  let previous = committed.blockHash;
  for (const link of links) {
    expect([link.header.previousBlockHash, isSigned(link, members)]).toEqual([previous, true]);
    previous = hashHeader(link.header);
  }
  expect(links.at(-1)?.header.commitHeight).toBeGreaterThanOrEqual(at);
  const document = stored[0]?.document as { payloads: { $binary: { base64: string } } };
  expect(Buffer.from(document.payloads.$binary.base64, "base64").toString("latin1")).toContain('"eve"');
  const named = stored.map((one) => {
    expect(sha256Hex(utf8(canonicalText(one.document)))).toBe(one.sha256);
    return [one.id, one.sha256];
  });
  expect(sha256Hex(utf8(`quorumlog/evidence/v1\n${canonicalText(named)}`))).toBe(bundle.evidenceHash);

  expect((await call(`${leader.url}/api/v1/alerts/${"0".repeat(24)}/evidence`)).status).toBe(404);
});
