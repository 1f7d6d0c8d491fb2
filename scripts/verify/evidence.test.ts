import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Vectors } from "../../test/vectors/make-vectors.js";
import { projectRoot } from "../lib/project.js";
import { sha256Hex } from "./bytes.js";
import { verifyEvidence } from "./evidence.js";

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
