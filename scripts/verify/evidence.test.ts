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
  expect(findings.notes).toEqual([expect.stringContaining("show no altered field")]);
  const fewer = { ...emptied, evidenceHash: "0".repeat(64), omitted: { documents: 1, blocks: 0 } };
  expect(verifyEvidence(JSON.stringify(fewer)).findings.notes.join()).toContain("evidenceHash");
});
