import { fromHex, toHex, utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { EMPTY_TREE_ROOT, sha256Hex } from "../../shared/hash.js";
import { headerBytes } from "../../shared/log/block.js";
import { checkEventView, type EventView, payloadCommitment, recordOfView, recordText } from "../../shared/log/event.js";
import { appendLeaves, leafHash, rangeLength, rootOf } from "../../shared/merkle/compact-range.js";
import type { BlockView } from "../../shared/protocol/http.js";
import type { CopyView } from "../api/types.js";

export type StepState = "ok" | "failed" | "open";

/** One thing that was computed, and what it was held against. */
export interface Step {
  readonly title: string;
  readonly state: StepState;
  readonly computed: string;
  /** What it had to be equal to, where that is something else. */
  readonly expected?: string;
}

export interface Evidence {
  readonly event: EventView;
  /** The event behind it; null for the newest one. */
  readonly next: EventView | null;
  /** Null where the node that was asked has it altered. */
  readonly block: BlockView | null;
  readonly copies: readonly CopyView[];
  /** Ed25519; null where this browser cannot tell. */
  readonly isSigned: (publicKey: string, signature: string, bytes: Uint8Array) => Promise<boolean | null>;
}

const equal = (title: string, computed: string, expected: string): Step => ({
  title,
  state: computed === expected ? "ok" : "failed",
  computed,
  ...(computed === expected ? {} : { expected }),
});

/** From the payload to the signature, step by step, by the code that nodes use. */
export async function verify({ event, next, block, copies, isSigned }: Evidence): Promise<Step[]> {
  const payload = canonicalText(event.dataPayload);
  const record = recordText(recordOfView(event));
  return [
    { title: "Canonical payload (RFC 8785)", state: "ok", computed: `${utf8(payload).length} bytes` },
    equal(
      "Commitment: SHA-256 of salt and payload",
      payloadCommitment(fromHex(event.payloadSalt), utf8(payload)),
      event.payloadHash,
    ),
    equal("Hash: SHA-256 of the record", sha256Hex(utf8(record)), event.hash),
    next === null
      ? { title: "Linked by the next event", state: "open", computed: "It is the newest event: none follows yet." }
      : equal(`Linked by event ${next.sequence}: its previousHash`, event.hash, next.previousHash),
    ...(block === null
      ? [noBlockStep(event)]
      : [...blockSteps(event, record, block), await signatureStep(block, isSigned)]),
    copiesStep(event, copies),
  ];
}

const noBlockStep = ({ height }: EventView): Step => ({
  title: `Leaf, root and signature of block ${height}`,
  state: "open",
  computed: "This node’s own copy of the block was altered: open the event at another node.",
});

function blockSteps(event: EventView, record: string, block: BlockView): Step[] {
  const { header, frontierBefore, leaves } = block;
  const place = event.sequence - header.firstSequence;
  const isWhole =
    leaves.length === header.eventCount && frontierBefore.length === rangeLength(header.firstSequence as number);
  const range = { size: header.firstSequence as number, hashes: frontierBefore.map(fromHex) };
  const root = isWhole ? toHex(rootOf(appendLeaves(range, leaves.map(fromHex)))) : "no tree of this size";
  return [
    equal(
      `Leaf ${place + 1} of ${leaves.length} in block ${header.height}`,
      toHex(leafHash(utf8(record))),
      leaves[place] ?? "none",
    ),
    equal("Merkle root of the log up to the block", header.treeSize === 0 ? EMPTY_TREE_ROOT : root, header.rootHash),
    equal("Block hash: SHA-256 of its header", sha256Hex(headerBytes(header)), block.blockHash),
  ];
}

async function signatureStep(block: BlockView, isSigned: Evidence["isSigned"]): Promise<Step> {
  const { leaderId } = block.header;
  const title = `Signed by ${leaderId} (Ed25519)`;
  const key = block.memberKeys[leaderId];
  if (key === undefined) return { title, state: "failed", computed: `No key of ${leaderId} is in the log before it.` };
  const verdict = await isSigned(key, block.signature, headerBytes(block.header));
  if (verdict === null)
    return { title, state: "open", computed: "This browser checks signatures on https and on this machine only." };
  return {
    title,
    state: verdict ? "ok" : "failed",
    computed: verdict ? `by the key ${key}` : "The signature is another's.",
  };
}

/** A copy counts if its own hashes hold, and are these. */
function copiesStep(event: EventView, copies: readonly CopyView[]): Step {
  const verdicts = copies.map((copy) => ({ node: copy.node, verdict: copyVerdict(event, copy) }));
  const same = verdicts.filter(({ verdict }) => verdict === "same").length;
  const others = verdicts.filter(({ verdict }) => verdict !== "same").map(({ node, verdict }) => `${node}: ${verdict}`);
  const hasBad = verdicts.some(({ verdict }) => verdict === "differs");
  return {
    title: `Equal on ${same} of ${copies.length} nodes`,
    state: hasBad ? "failed" : same === copies.length ? "ok" : "open",
    computed: others.length === 0 ? "each copy recomputed here" : others.join("; "),
  };
}

export function copyVerdict(event: EventView, { event: copy, hash, detail }: CopyView): string {
  if (copy === null) return detail ?? "no copy";
  try {
    return checkEventView(copy) === null && copy.hash === hash && hash === event.hash ? "same" : "differs";
  } catch {
    return "differs";
  }
}

export function verdictOfSteps(steps: readonly Step[]): StepState {
  if (steps.some(({ state }) => state === "failed")) return "failed";
  return steps.some(({ state }) => state === "open") ? "open" : "ok";
}
