import { canonical } from "../judge/canonical.js";
import { isHash, sha256Hex } from "./bytes.js";
import { Fault } from "./fault.js";
import { isShortForm } from "./instant.js";

export interface Header {
  readonly clusterId: string;
  readonly height: number;
  readonly term: number;
  readonly leaderId: string;
  readonly previousBlockHash: string;
  readonly firstSequence: number;
  readonly eventCount: number;
  readonly headHash: string;
  readonly treeSize: number;
  readonly rootHash: string;
  readonly bodyHash: string;
  readonly indexHash: string;
  readonly commitHeight: number;
  readonly sealedAt: string;
  readonly control?: Control;
}

/** Those records of cluster history are looked into that name keys. */
export type Control =
  | { readonly kind: "genesis"; readonly keys: ReadonlyMap<string, string> }
  | { readonly kind: "node_admitted"; readonly node: string; readonly key: string }
  | { readonly kind: "other" };

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isEmptyOrHash = (value: unknown): boolean => value === "" || isHash(value);
const isId = (value: unknown): value is string =>
  typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(value);

const MEMBERS: Readonly<Record<string, (value: unknown) => boolean>> = {
  version: (value) => value === 2,
  clusterId: isEmptyOrHash,
  height: isCount,
  term: isCount,
  leaderId: isId,
  previousBlockHash: isHash,
  firstSequence: isCount,
  eventCount: isCount,
  headHash: isEmptyOrHash,
  treeSize: isCount,
  rootHash: isHash,
  bodyHash: isHash,
  indexHash: isHash,
  commitHeight: isCount,
  sealedAt: (value) => typeof value === "string" && value.length <= 32,
};

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Throws Fault for what has not the members of a header; its field is the first that is wrong. */
export function headerOf(value: unknown): Header {
  if (!isObject(value)) throw new Fault("bad_encoding", "header", "it is no header");
  const { control, ...header } = value;
  for (const [name, isValid] of Object.entries(MEMBERS))
    if (!isValid(header[name]))
      throw new Fault("bad_encoding", `header.${name}`, `${shown(header[name])} cannot stand there`);
  const unknown = Object.keys(header).find((name) => !Object.hasOwn(MEMBERS, name));
  if (unknown !== undefined) throw new Fault("bad_encoding", `header.${unknown}`, "no header has such a member");
  const parsed = header as unknown as Header;
  return control === undefined ? parsed : { ...parsed, control: controlOf(control) };
}

function controlOf(value: unknown): Control {
  const bad = (): Fault => new Fault("bad_encoding", "header.control", "it is no record of cluster history");
  if (!isObject(value) || typeof value.kind !== "string") throw bad();
  if (value.kind === "node_admitted") {
    const key = blockKeyOf(value);
    if (!isId(value.node) || key === null) throw bad();
    return { kind: "node_admitted", node: value.node, key };
  }
  if (value.kind !== "genesis") return { kind: "other" };
  if (!Array.isArray(value.members) || value.members.length < 1 || value.members.length > 64) throw bad();
  const keys = new Map<string, string>();
  for (const member of value.members as unknown[]) {
    const key = isObject(member) ? blockKeyOf(member) : null;
    if (!isObject(member) || !isId(member.id) || key === null || keys.has(member.id)) throw bad();
    keys.set(member.id, key);
  }
  return { kind: "genesis", keys };
}

function blockKeyOf({ keys }: Json): string | null {
  return isObject(keys) && isHash(keys.block) ? keys.block : null;
}

/** What is hashed and signed; null for a value that has no canonical form. */
export function signedTextOf(header: unknown): string | null {
  try {
    return `quorumlog/block/v1\n${canonical(header)}`;
  } catch {
    return null;
  }
}

export function blockHashOf(header: unknown): string | null {
  const text = signedTextOf(header);
  return text === null ? null : sha256Hex(text);
}

export const isTime = isShortForm;

/** A value as it can be said in a line. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
