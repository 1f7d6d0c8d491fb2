import { expect, it } from "vitest";
import { createVerifier } from "../../node/host/signer.js";
import { fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import type { EvidenceBundle, EvidenceDocument, SignedHeader } from "../../shared/protocol/evidence.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { checkEvidence } from "./evidence.js";

const log = new TestLog();
const genesis = log.block([], { control: GENESIS });
const own = log.block([{ dataPayload: { amount: 100 } }]);
const later = log.block([{}], { commitHeight: 2 });
const signed = ({ stored: { block } }: TestBlock): SignedHeader => ({
  header: block.header,
  signature: toHex(block.signature),
});
const document = { _id: 2, payloads: { $binary: { base64: "AA==", subType: "00" } } };
const kept: EvidenceDocument = {
  ...{ id: "2-altered", keptAt: "2026-05-01T12:00:00.000Z", isWhole: true, document },
  sha256: sha256Hex(utf8(canonicalText(document))),
};
const { block } = own.stored;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const committed = {
  ...signed(own),
  ...{ blockHash: block.blockHash, previousHash: "", from: "n1" },
  ...{ records: base64(block.records), payloads: base64(block.payloads) },
} as const;
const sound: EvidenceBundle = {
  ...{ format: "quorumlog/evidence/v1", about: "", madeBy: "n2", madeAt: "2026-05-01T12:00:00.000Z", alert: {} },
  clusterId: genesis.stored.block.blockHash,
  membership: [signed(genesis)],
  blocks: [{ height: 2, stored: [kept], committed, links: [signed(later)] }],
  others: [],
  evidenceHash: sha256Hex(utf8(`quorumlog/evidence/v1\n${canonicalText([[kept.id, kept.sha256]])}`)),
  omitted: { blocks: 0, documents: 0 },
};
const verifier = createVerifier();
const failing = async (change: Partial<EvidenceBundle>): Promise<string[]> => {
  const isSigned = async (key: string, signature: string, bytes: Uint8Array) =>
    verifier.verify(key, bytes, fromHex(signature));
  const steps = await checkEvidence({ ...sound, ...change }, isSigned);
  return steps.filter(({ state }) => state !== "ok").map(({ title, state }) => `${state}: ${title}`);
};
const withBlock = (change: object): Partial<EvidenceBundle> => ({
  blocks: [{ ...(sound.blocks[0] as (typeof sound.blocks)[0]), ...change }],
});

it("every step holds for what a node would give", async () => {
  expect(await failing({})).toEqual([]);
});

it.each<[string, Partial<EvidenceBundle>, string[]]>([
  ["another cluster", { clusterId: "0".repeat(64) }, ["failed: The first of them is this cluster's genesis"]],
  ["another body", withBlock({ committed: { ...committed, payloads: "AAAA" } }), ["failed: Block 2: hash of the body"]],
  ["a block of another height", withBlock({ height: 1 }), ["failed: Block 1: height in the header"]],
  [
    "another signature",
    withBlock({ committed: { ...committed, signature: "0".repeat(128) } }),
    ["failed: Block 2: signed by n1"],
  ],
  [
    "a link that is none",
    withBlock({ links: [signed(own)] }),
    ["failed: Block 2: a later block says that it is committed"],
  ],
  ["no link", withBlock({ links: [] }), ["open: Block 2: a later block says that it is committed"]],
  [
    "no committed block",
    { blocks: [{ height: 2, stored: [kept], committed: null, links: [] }] },
    ["open: Block 2 as it was committed"],
  ],
  [
    "another document",
    withBlock({ stored: [{ ...kept, document: {} }] }),
    ["failed: What stood there is as it was kept: 2-altered"],
  ],
  ["a document less", withBlock({ stored: [] }), ["failed: Hash over all documents"]],
])("%s is the step that does not", async (_, change, due) => {
  expect(await failing(change)).toEqual(due);
});
