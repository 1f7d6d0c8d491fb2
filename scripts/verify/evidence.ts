import { Binary, BSON, type Document } from "mongodb";
import { canonical } from "../judge/canonical.js";
import { type FoundBlock, verifySignature } from "./block.js";
import { bodyHashOf, eventsOf, looselyDecoded } from "./body.js";
import { sha256Hex } from "./bytes.js";
import { entryFaults } from "./entry.js";
import { Fault } from "./fault.js";
import { Findings } from "./findings.js";
import { blockHashOf, type Header, headerOf, signedTextOf } from "./header.js";
import { type CommittedIndex, indexOf } from "./index-hash.js";
import { type FieldDifference, fieldsThatDiffer } from "./json-fields.js";
import { entryOf } from "./mongodb.js";

const FORMAT = "quorumlog/evidence/v1";

type Json = Readonly<Record<string, unknown>>;

/** What a bundle shows: sentences, each of which was checked. */
export interface EvidenceResult {
  readonly node: string;
  readonly blocks: number;
  readonly findings: Findings;
}

/** An altered field, and where. */
interface Altered extends FieldDifference {
  readonly height: number;
  readonly sequence?: number;
}

/** Checks an evidence bundle as docs/reference/evidence.md says. A step that is untrue is a finding. */
export function verifyEvidence(text: string): EvidenceResult {
  const bundle = objectOf(parsed(text), "the file is no evidence bundle");
  if (bundle.format !== FORMAT) throw new Error(`The file is no evidence bundle of the format ${FORMAT}.`);
  const findings = new Findings();
  const alert = objectOf(bundle.alert, "the bundle has no alert");
  const node = String(alert.node);
  const found: Altered[] = [];
  const step = (height: number | undefined, field: string, check: () => void): boolean => {
    try {
      check();
      return true;
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault("bad_evidence", field, (error as Error).message);
      findings.addFault(node, height, fault);
      return false;
    }
  };
  const clusterId = String(bundle.clusterId);
  let keysAt: KeysAt = () => new Map();
  const areKeysKnown = step(undefined, "membership", () => {
    const membership = listOf(bundle.membership);
    keysAt = keysOf(membership, clusterId);
    findings.notes.push(...restsOn(membership, String(bundle.madeBy), clusterId));
    if (!isSigned(membership[0] as Json, keysAt(1)))
      findings.notes.push(
        `The signature of the genesis in the bundle is not its leader's: it was altered where ${bundle.madeBy} read it. Its hash proves the keys all the same.`,
      );
  });
  if (!areKeysKnown) findings.notes.push("Nobody's keys are shown: no signature could be checked.");
  const blocks = listOf(bundle.blocks);
  for (const one of blocks) {
    const at = Number(one.height);
    if (one.committed === null || one.committed === undefined) {
      findings.notes.push(`Of block ${at} the bundle does not have what was committed: nothing is shown of it.`);
      continue;
    }
    let committed: Committed | null = null;
    const isShown = step(at, "committed", () => {
      committed = committedOf(objectOf(one.committed, "it is no block"), keysAt);
      const { header } = committed;
      if (header.height !== at) throw new Error(`it is block ${header.height}`);
      if (header.height > 1 && header.clusterId !== clusterId) throw new Error("it is a block of another log");
    });
    if (!isShown || committed === null) continue;
    step(at, "links", () => checkLinks(committed as Committed, listOf(one.links), { keysAt, findings }));
    step(at, "stored", () =>
      found.push(...listOf(one.stored).flatMap((kept) => differencesOf(kept, at, committed as Committed))),
    );
  }
  step(undefined, "evidenceHash", () => checkHashes(bundle, blocks, findings));
  let proved: string[] = [];
  step(undefined, "headers", () => {
    proved = listOf(bundle.others).flatMap((kept) => forkOf(kept, alert, { clusterId, keysAt }) ?? []);
  });
  step(undefined, "alert.differences", () => checkAlert(alert, blocks, found));
  if (findings.count === 0) for (const one of distinct(found)) findings.notes.push(sentence(node, one));
  if (findings.count === 0) findings.notes.push(...proved);
  if (findings.count === 0 && alert.kind === "fork" && proved.length === 0)
    findings.notes.push(`It has no two signed headers: that there was a fork is ${node}'s word.`);
  else if (findings.count === 0 && found.length + proved.length === 0)
    findings.notes.push("Its documents show no altered field: only what stands in it was checked.");
  return { node, blocks: blocks.length, findings };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
}

function objectOf(value: unknown, otherwise: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new Error(otherwise);
}
const listOf = (value: unknown): Json[] =>
  Array.isArray(value) ? value.map((one) => objectOf(one, "it is no list of objects")) : [];

/** Whose keys may have signed a block at a height. */
type KeysAt = (height: number) => ReadonlyMap<string, string>;

/** 1: the keys that the log gives its members. */
function keysOf(membership: readonly Json[], clusterId: string): KeysAt {
  let keys = new Map<string, string>();
  const from: { readonly height: number; readonly keys: ReadonlyMap<string, string> }[] = [];
  for (const [i, signed] of membership.entries()) {
    const header = headerOf(signed.header);
    const { control } = header;
    if (i > 0 && header.height <= (from.at(-1)?.height ?? 0)) throw new Error("its headers are not ascending");
    if (i > 0 && header.clusterId !== clusterId) throw new Error(`block ${header.height} is one of another log`);
    if (i === 0) {
      if (control?.kind !== "genesis" || header.height !== 1) throw new Error("its first header is no genesis");
      if (blockHashOf(signed.header) !== clusterId) throw new Error("the genesis is not the one that clusterId names");
      for (const [id, key] of control.keys) keys.set(id, key);
    }
    // The genesis is proved by its hash, which names the log.
    if (i > 0) checkSignature(signed, header, keys);
    if (control?.kind === "node_admitted" && keys.has(control.node))
      keys = new Map(keys).set(control.node, control.key);
    from.push({ height: header.height, keys });
  }
  if (keys.size === 0) throw new Error("it names no keys");
  // A block is signed with the keys of those before it, the genesis with its own.
  return (height) => from.findLast((one, i) => i === 0 || one.height < height)?.keys ?? new Map();
}

/** What the list of members is worth, for who reads the result. */
function restsOn(membership: readonly Json[], madeBy: string, clusterId: string): string[] {
  const admitted = membership.slice(1).map(({ header }) => (header as Json).height);
  const genesis = `The members' keys rest on the genesis ${clusterId}, which the bundle names itself: compare it with that of the log.`;
  if (admitted.length === 0) return [genesis];
  return [
    genesis,
    `Blocks that admitted nodes (${admitted.join(", ")}) are signed by members: that they were committed is ${madeBy}'s word.`,
  ];
}

const checkSignature = ({ header, signature }: Json, known: Header, keys: ReadonlyMap<string, string>): void =>
  verifySignature(keys, {
    header: known,
    text: signedTextOf(header) ?? "",
    signature: Buffer.from(String(signature), "hex"),
  });

function isSigned(signed: Json, keys: ReadonlyMap<string, string>): boolean {
  try {
    checkSignature(signed, headerOf(signed.header), keys);
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

interface Committed {
  readonly raw: unknown;
  readonly header: Header;
  readonly hash: string;
  readonly signature: Buffer;
  readonly body: Pick<FoundBlock, "records" | "payloads">;
  readonly previousHash: string;
  readonly index: CommittedIndex;
}

/** 2: the block that was committed. */
function committedOf(committed: Json, keysAt: KeysAt): Committed {
  const header = headerOf(committed.header);
  const hash = blockHashOf(committed.header) as string;
  if (hash !== committed.blockHash) throw new Error("blockHash is not the header's");
  checkSignature(committed, header, keysAt(header.height));
  const part = (value: unknown): Buffer => Buffer.from(String(value), "base64");
  const body = { records: part(committed.records), payloads: part(committed.payloads) };
  if (bodyHashOf(body) !== header.bodyHash) throw new Error("its body is not the one that the header names");
  const previousHash = String(committed.previousHash);
  const events = eventsOf(body, { ...header, previousHash });
  if (events.length > 0 && events.at(-1)?.hash !== header.headHash) throw new Error("its last event is not headHash's");
  const signature = Buffer.from(String(committed.signature), "hex");
  return { raw: committed.header, header, hash, signature, body, previousHash, index: indexOf(events) };
}

/** 3: that it was committed. */
function checkLinks(
  { header, hash }: Committed,
  links: readonly Json[],
  { keysAt, findings }: { readonly keysAt: KeysAt; readonly findings: Findings },
): void {
  let before = hash;
  let commitHeight = 0;
  for (const link of links) {
    const next = headerOf(link.header);
    if (next.previousBlockHash !== before) throw new Error(`block ${next.height} does not follow`);
    checkSignature(link, next, keysAt(next.height));
    before = blockHashOf(link.header) as string;
    commitHeight = next.commitHeight;
  }
  if (commitHeight < header.height)
    findings.notes.push(`That block ${header.height} was committed is not shown: no later header says so.`);
}

/** 4: what stood there, field by field. */
function differencesOf(kept: Json, height: number, committed: Committed): Altered[] {
  const document = objectOf(kept.document, "a document is none");
  if (sha256Hex(canonical(document)) !== kept.sha256) throw new Error(`the document ${kept.id} has another SHA-256`);
  if (kept.isWhole !== true) return [];
  if (document.entry !== undefined) return entryDifferences(document.entry, height, committed);
  const stored = BSON.EJSON.deserialize(document) as Json;
  if (stored.header === undefined) return [];
  const { header } = committed;
  const place = { height };
  const found: Altered[] = fieldsThatDiffer("header", stored.header, committed.raw).map((one) => ({
    ...place,
    ...one,
  }));
  found.push(...fieldsThatDiffer("blockHash", stored.blockHash, committed.hash).map((one) => ({ ...place, ...one })));
  const signature = fieldsThatDiffer(
    "signature",
    bytesOf(stored.signature).toString("hex"),
    committed.signature.toString("hex"),
  );
  found.push(...signature.map((one) => ({ ...place, ...one })));
  const sealed = { ...header, previousHash: committed.previousHash };
  const due = looselyDecoded(committed.body, sealed);
  // Each part beside the sound other part: so one that is broken hides nothing of the other.
  for (const part of ["records", "payloads"] as const) {
    const bytes = bytesOf(stored[part]);
    if (bytes.equals(committed.body[part])) continue;
    try {
      const there = looselyDecoded({ ...committed.body, [part]: bytes }, sealed);
      for (const [i, event] of due.entries()) {
        const differing = fieldsThatDiffer("", eventFields(there[i] ?? null), eventFields(event));
        const sequence = header.firstSequence + i;
        found.push(...differing.map((one) => ({ ...place, sequence, ...one, field: one.field.replace(/^\./, "") })));
      }
    } catch {
      found.push({ ...place, sequence: header.firstSequence, field: part });
    }
  }
  return found;
}

function bytesOf(value: unknown): Buffer {
  return value instanceof Binary ? Buffer.from(value.value()) : Buffer.alloc(0);
}

/** The same of an index entry, as far as its block's header commits to it. */
function entryDifferences(entry: unknown, height: number, { header, hash, index }: Committed): Altered[] {
  const stored = BSON.EJSON.deserialize(objectOf(entry, "an entry is none"), { useBigInt64: true }) as Document;
  if (header.eventCount === 0) return [{ height, field: "entry", stored: "an entry" }];
  const faults = entryFaults(entryOf({ ...stored, _id: 0 - height }), { header, index, blockHash: hash });
  return faults.map(({ field, about }) => ({ height, field, ...about }));
}

type Decoded = ReturnType<typeof looselyDecoded>[number];

function eventFields(event: Decoded): Json {
  if (event === null) return {};
  const { id, eventType, timestamp, sourceAppId, idempotencyKey, batch, payload, salt, noted } = event;
  return {
    id,
    eventType,
    timestamp,
    sourceAppId,
    idempotencyKey,
    batch,
    hash: noted,
    payloadSalt: salt?.toString("hex"),
    dataPayload: payloadValueOf(payload),
  };
}

/** As an object if it is one in its one form, else as text. */
function payloadValueOf(payload: Buffer | null): unknown {
  const text = payload?.toString("utf8");
  try {
    const value: unknown = JSON.parse(text ?? "");
    return canonical(value) === text ? value : text;
  } catch {
    return text;
  }
}

/** What two signed headers for one height prove, as a sentence; null for a document that has none. */
function forkOf(
  kept: Json,
  alert: Json,
  { clusterId, keysAt }: { readonly clusterId: string; readonly keysAt: KeysAt },
): string | null {
  // What somebody planted may look like two headers.
  if (alert.kind !== "fork") return null;
  const { document } = objectOf(kept.document, "a document is none");
  const headers = typeof document === "object" && document !== null ? listOf((document as Json).headers) : [];
  if (headers.length === 0) return null;
  const [one, other] = headers.map((signed) => {
    const header = parsed(String(signed.header));
    const known = headerOf(header);
    if (known.height > 1 && known.clusterId !== clusterId) throw new Error("one is of another log");
    checkSignature({ header, signature: signed.signature }, known, keysAt(known.height));
    return { ...known, hash: blockHashOf(header) as string };
  });
  if (one === undefined || other === undefined || headers.length > 2) throw new Error("there are not two of them");
  if (one.height !== other.height || one.height !== alert.height)
    throw new Error("they are not for the height that the alert names");
  if (one.hash === other.hash) throw new Error("they are the same");
  const height = one.height;
  if (one.term !== other.term)
    return `Shown: ${one.leaderId} has signed block ${height} of term ${one.term} (${one.hash}), and ${other.leaderId} another one of term ${other.term} (${other.hash}). That both were committed is not shown.`;
  const blocks = `block ${height} of term ${one.term}: ${one.hash} and ${other.hash}`;
  if (one.leaderId !== other.leaderId)
    return `Proved: ${one.leaderId} and ${other.leaderId} have both signed ${blocks}. A term has one leader.`;
  if (alert.accused !== one.leaderId)
    throw new Error(`${one.leaderId} has signed both, and ${alert.accused} is accused`);
  return `Proved: ${one.leaderId} equivocated. It has signed two headers for ${blocks}.`;
}

function checkHashes(bundle: Json, blocks: readonly Json[], findings: Findings): void {
  const documents = [...blocks.flatMap((one) => listOf(one.stored)), ...listOf(bundle.others)];
  for (const { id, sha256, document } of documents)
    if (sha256Hex(canonical(document)) !== sha256) throw new Error(`the document ${id} has another SHA-256`);
  const { documents: fewer, blocks: fewerBlocks } = (bundle.omitted ?? {}) as Json;
  if (Number(fewer ?? 0) > 0 || Number(fewerBlocks ?? 0) > 0) {
    findings.notes.push("Documents are left out of it: evidenceHash, which covers all of them, was not checked.");
    return;
  }
  const pairs = documents
    .map(({ id, sha256 }) => [String(id), String(sha256)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (sha256Hex(`${FORMAT}\n${canonical(pairs)}`) !== bundle.evidenceHash)
    throw new Error("it is not that of the documents");
}

/** What is computed by others, or lies outside of what the documents show. */
const NOT_SHOWN = new Set([
  ...["frontier", "header", "body", "record", "records", "payloads", "record or dataPayload"],
  ...["entry", "entry.own"],
]);

function checkAlert(alert: Json, blocks: readonly Json[], found: readonly Altered[]): void {
  const shownHeights = new Set(
    blocks
      .filter(({ stored, committed }) => listOf(stored).some(({ isWhole }) => isWhole === true) && committed != null)
      .map(({ height }) => height),
  );
  for (const { height, sequence, field } of listOf(alert.differences)) {
    if (!shownHeights.has(height) || NOT_SHOWN.has(String(field))) continue;
    const isThere = found.some((one) => one.height === height && one.sequence === sequence && one.field === field);
    if (!isThere) throw new Error(`the documents do not show that ${field} of block ${height} was altered`);
  }
}

function distinct(found: readonly Altered[]): Altered[] {
  const seen = new Map(found.map((one) => [JSON.stringify(one), one]));
  return [...seen.values()];
}

function sentence(node: string, { height, sequence, field, stored, expected }: Altered): string {
  const event = sequence === undefined ? "" : `, event ${sequence}`;
  return `Shown: ${node}, block ${height}${event}, ${field} was found as ${stored ?? "not there"}; committed was ${expected ?? "nothing"}.`;
}
