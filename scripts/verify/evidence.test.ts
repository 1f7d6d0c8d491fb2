import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Vectors } from "../../test/vectors/make-vectors.js";
import { canonical } from "../judge/canonical.js";
import { projectRoot } from "../lib/project.js";
import { sha256Hex } from "./bytes.js";
import { verifyEvidence } from "./evidence.js";
import { blockHashOf, signedTextOf } from "./header.js";

const { log } = JSON.parse(readFileSync(join(projectRoot(), "test/vectors/hash-spec.json"), "utf8")) as Vectors;
const [genesis] = log.blocks;

/** One from which all that it could show was taken away. */
const emptied = {
  ...{ format: "quorumlog/evidence/v1", clusterId: log.clusterId, blocks: [], others: [] },
  alert: { node: "n2", differences: [{ height: 3, sequence: 0, field: "dataPayload.amount" }] },
  membership: [{ header: genesis?.header, signature: genesis?.signature }],
  evidenceHash: sha256Hex("quorumlog/evidence/v1\n[]"),
};

it("says of a bundle that shows nothing that it shows nothing, and what of one that is not whole was not checked", () => {
  const { findings } = verifyEvidence(JSON.stringify(emptied));
  expect(findings.kept).toEqual([]);
  expect(findings.notes).toEqual([
    expect.stringContaining(`rest on the genesis ${log.clusterId}`),
    expect.stringContaining("show no altered field"),
  ]);
  const fewer = { ...emptied, evidenceHash: "0".repeat(64), omitted: { documents: 1, blocks: 0 } };
  expect(verifyEvidence(JSON.stringify(fewer)).findings.notes.join()).toContain("evidenceHash");
});

it("says what the list of members rests on, and believes none that is out of order or another log's", () => {
  const signed = ({ header, signature }: (typeof log.blocks)[0]) => ({ header, signature });
  const admission = log.blocks.find(({ header }) => JSON.stringify(header).includes("node_admitted"));
  if (genesis === undefined || admission === undefined) throw new Error("the vectors have no such blocks");
  const bundle = { ...emptied, madeBy: "n2", membership: [signed(genesis), signed(admission)] };
  const { findings } = verifyEvidence(JSON.stringify(bundle));
  expect(findings.kept).toEqual([]);
  expect(findings.notes.join()).toMatch(
    /admitted nodes \(5\) are signed by members: that they were committed is n2's word/,
  );
  const twice = { ...bundle, membership: [...bundle.membership, signed(admission)] };
  expect(verifyEvidence(JSON.stringify(twice)).findings.kept).toMatchObject([{ field: "membership" }]);
  const other = { ...admission, header: { ...(admission.header as object), clusterId: "f".repeat(64) } };
  const foreign = { ...bundle, membership: [signed(genesis), signed(other as typeof admission)] };
  expect(verifyEvidence(JSON.stringify(foreign)).findings.kept[0]?.detail).toContain("another log");
});

it("proves the members' keys by the hash of a genesis whose signature was altered, and says that it was", () => {
  const membership = [{ header: genesis?.header, signature: "0".repeat(128) }];
  const { findings } = verifyEvidence(JSON.stringify({ ...emptied, membership }));
  expect(findings.kept).toEqual([]);
  expect(findings.notes.join()).toMatch(/signature of the genesis .* is not its leader's/);
  const header = { ...(genesis?.header as object), sealedAt: "2031-01-01T00:00:00.000Z" };
  const other = { ...emptied, membership: [{ header, signature: genesis?.signature }] };
  expect(verifyEvidence(JSON.stringify(other)).findings.kept).toMatchObject([{ field: "membership" }]);
});

/** A log whose only member signs whatever is asked for. */
function liar() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("hex");
  const signed = (header: object) => ({
    header,
    signature: sign(null, Buffer.from(signedTextOf(header) as string), privateKey).toString("hex"),
  });
  const first = structuredClone(genesis?.header) as unknown as {
    leaderId: string;
    control: { members: { id: string; keys: { block: string } }[] };
  };
  for (const member of first.control.members) if (member.id === first.leaderId) member.keys.block = key;
  const clusterId = blockHashOf(first) as string;
  const { leaderId } = first;
  const second: Record<string, unknown> = { ...log.blocks[1]?.header };
  delete second.control;
  const header = (more: object) => ({ ...second, ...{ leaderId, clusterId, height: 2, term: 3 }, ...more });
  return { leaderId, clusterId, signed, header, membership: [signed(first)] };
}
type Liar = ReturnType<typeof liar>;

/** What a node makes of the alert about two headers. */
function forkBundle({ leaderId, clusterId, membership, signed }: Liar, headers: readonly object[], changed = {}) {
  const kept = headers.map((header) => {
    const { signature } = signed(header);
    return { header: canonical(header), signature };
  });
  const document = { _id: "signed-1", document: { headers: kept } };
  const sha256 = sha256Hex(canonical(document));
  return {
    ...{ format: "quorumlog/evidence/v1", clusterId, membership, blocks: [], madeBy: "n2", ...changed },
    alert: { kind: "fork", node: "n2", accused: leaderId, height: 2, ...changed },
    others: [{ id: "signed-1", keptAt: "2030-01-01T00:00:00.000Z", isWhole: true, sha256, document }],
    evidenceHash: sha256Hex(`quorumlog/evidence/v1\n${canonical([["signed-1", sha256]])}`),
  };
}
const resultOf = (bundle: object) => verifyEvidence(JSON.stringify(bundle)).findings;

describe("the evidence of a fork", () => {
  const one = liar();
  const pair = [one.header({}), one.header({ sealedAt: "2031-01-01T00:00:00.000Z" })];

  it("proves that one node has signed two blocks of one height in one term", () => {
    const { kept, notes } = resultOf(forkBundle(one, pair));
    expect(kept).toEqual([]);
    expect(notes.at(-1)).toBe(
      `Proved: ${one.leaderId} equivocated. It has signed two headers for block 2 of term 3: ${blockHashOf(pair[0])} and ${blockHashOf(pair[1])}.`,
    );
  });

  it("proves nothing where terms differ, and says so", () => {
    const { kept, notes } = resultOf(forkBundle(one, [pair[0] as object, one.header({ term: 4 })]));
    expect([kept, notes.at(-1)]).toEqual([[], expect.stringMatching(/^Shown: .*is not shown\.$/)]);
  });

  it("is found wrong with a signature by another key, the same header twice, another height, another log, or another one accused", () => {
    const other = liar();
    const forged = forkBundle(one, pair);
    const [document] = forged.others;
    const [, second] = document?.document.document.headers ?? [];
    if (second !== undefined) second.signature = other.signed(pair[1] as object).signature;
    const elsewhere = pair.map((header) => ({ ...header, clusterId: other.clusterId }));
    for (const [bundle, detail] of [
      [forged, "not"],
      [forkBundle(one, [pair[0] as object, pair[0] as object]), "the same"],
      [forkBundle(one, pair.slice(0, 1)), "not two"],
      [forkBundle(one, pair, { height: 3 }), "height"],
      [forkBundle(one, elsewhere), "another log"],
      [forkBundle(one, pair, { accused: "n9" }), "n9 is accused"],
    ] as const) {
      const { kept, notes } = resultOf(bundle);
      const inHeaders = kept.filter(({ field }) => field === "headers" || field === "signature");
      expect(inHeaders.map((finding) => finding.detail)).toEqual([expect.stringContaining(detail)]);
      expect(notes.join()).not.toMatch(/Proved|Shown/);
    }
  });

  it("is looked for in no other alert's documents: what somebody planted may look like it", () => {
    const { kept } = resultOf(forkBundle(one, pair.slice(0, 1), { kind: "forged" }));
    expect(kept).toEqual([]);
  });

  it("is the finder's word alone where there are no headers", () => {
    const { notes } = resultOf({ ...emptied, alert: { kind: "fork", node: "n2" } });
    expect(notes.at(-1)).toContain("n2's word");
  });
});
