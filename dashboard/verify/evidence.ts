import { utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import { hashHeader, headerBytes } from "../../shared/log/block.js";
import { bodyHash } from "../../shared/log/body.js";
import { applyControl, type Membership } from "../../shared/log/control.js";
import type { EvidenceBundle, EvidenceDocument, SignedHeader } from "../../shared/protocol/evidence.js";
import type { Evidence, Step, StepState } from "./steps.js";

/** Steps 1 to 4 of docs/reference/evidence.md: what was committed, that it was, and that what stood there is kept as it was. */
export async function checkEvidence(bundle: EvidenceBundle, isSigned: Evidence["isSigned"]): Promise<Step[]> {
  const signedBy = async (one: SignedHeader, members: Membership): Promise<StepState> => {
    const key = members.get(one.header.leaderId)?.keys.block;
    if (key === undefined) return "failed";
    const verdict = await isSigned(key, one.signature, headerBytes(one.header));
    return verdict === null ? "open" : verdict ? "ok" : "failed";
  };
  const steps: Step[] = [];
  let members: Membership = new Map();
  for (const [i, one] of bundle.membership.entries()) {
    const after = applyControl(members, one.header.control);
    const title = `Block ${one.header.height} names members, signed by ${one.header.leaderId}`;
    steps.push({ title, state: await signedBy(one, i === 0 ? after : members), computed: hashHeader(one.header) });
    members = after;
  }
  const [genesis] = bundle.membership;
  steps.push(
    equal(
      "The first of them is this cluster's genesis",
      genesis ? hashHeader(genesis.header) : "none",
      bundle.clusterId,
    ),
  );
  for (const { height, committed, links, stored } of bundle.blocks) {
    if (committed === null) {
      steps.push({ title: `Block ${height} as it was committed`, state: "open", computed: "No member could give it." });
      continue;
    }
    const body = { records: bytesOf(committed.records), payloads: bytesOf(committed.payloads) };
    steps.push(
      // Another block is signed and committed as well: it says nothing of this place.
      equal(`Block ${height}: height in the header`, `${committed.header.height}`, `${height}`),
      equal(`Block ${height}: hash of the header`, hashHeader(committed.header), committed.blockHash),
      equal(`Block ${height}: hash of the body`, bodyHash(body), committed.header.bodyHash),
      {
        title: `Block ${height}: signed by ${committed.header.leaderId}`,
        state: await signedBy(committed, members),
        computed: committed.signature,
      },
      await linked(height, { from: committed.blockHash, links }, (one) => signedBy(one, members)),
      ...stored.map(documentStep),
    );
  }
  const documents = [...bundle.blocks.flatMap(({ stored }) => stored), ...bundle.others];
  steps.push(...bundle.others.map(documentStep));
  // Where some did not fit, the hash is over more than is here.
  if (bundle.omitted.documents === 0) steps.push(evidenceHashStep(documents, bundle.evidenceHash));
  return steps;
}

function evidenceHashStep(documents: readonly EvidenceDocument[], expected: string): Step {
  const named = documents.map(({ id, sha256 }) => [id, sha256]).sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return equal("Hash over all documents", sha256Hex(utf8(`quorumlog/evidence/v1\n${canonicalText(named)}`)), expected);
}

const documentStep = ({ id, document, sha256 }: EvidenceDocument): Step =>
  equal(`What stood there is as it was kept: ${id}`, sha256Hex(utf8(canonicalText(document))), sha256);

/** The headers behind it, up to one that says that it is committed. */
async function linked(
  height: number,
  { from, links }: { from: string; links: readonly SignedHeader[] },
  signed: (one: SignedHeader) => Promise<StepState>,
): Promise<Step> {
  const title = `Block ${height}: a later block says that it is committed`;
  let previous = from;
  const states: StepState[] = [];
  for (const one of links) {
    if (one.header.previousBlockHash !== previous)
      return { title, state: "failed", computed: one.header.previousBlockHash, expected: previous };
    states.push(await signed(one));
    previous = hashHeader(one.header);
  }
  const last = links.at(-1)?.header;
  const says = (last?.commitHeight ?? 0) >= height;
  const state = states.includes("failed") ? "failed" : !says || states.includes("open") ? "open" : "ok";
  return { title, state, computed: says ? `block ${last?.height}` : "The log ended before one did." };
}

const equal = (title: string, computed: string, expected: string): Step => ({
  title,
  state: computed === expected ? "ok" : "failed",
  computed,
  ...(computed === expected ? {} : { expected }),
});

function bytesOf(base64: string): Uint8Array {
  const text = atob(base64);
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
