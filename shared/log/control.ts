import { z } from "zod";
import type { NodeId } from "../ids.js";
import { MEMBERS_MAX, NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX } from "../limits.js";
import { hasAtMost } from "./event.js";

export const hashSchema = z.string().regex(/^[0-9a-f]{64}$/);
export const nodeIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/);
/** 16 random bytes as hex: names one join of one node; a new join has a new one. */
const nonceSchema = z.string().regex(/^[0-9a-f]{32}$/);

/** The public keys of a node: Ed25519, 32 bytes as hex. */
const keysSchema = z.strictObject({ block: hashSchema, log: hashSchema, cosign: hashSchema });

export const memberSchema = z.strictObject({
  id: nodeIdSchema,
  /** The node's base URL. */
  address: z.string().max(512),
  /** Bully rank: the highest tries first. Unique among the members. */
  priority: z.int().min(0),
  storeId: nonceSchema,
  joinNonce: nonceSchema,
  keys: keysSchema,
});
export type Member = z.infer<typeof memberSchema>;
export type NodeKeys = z.infer<typeof keysSchema>;

export const membersSchema = z
  .array(memberSchema)
  .min(1)
  .max(MEMBERS_MAX)
  // A member that stood there twice would be counted twice for a majority.
  .refine((members) => new Set(members.map(({ id }) => id)).size === members.length, {
    error: "a member stands there twice",
  });

/** What the winner of an election says of it. */
const electionSchema = z.strictObject({
  reason: z.enum(["no_leader", "take_over", "hand_over"]),
  /** Who was known to lead before. */
  previousLeader: nodeIdSchema.nullable(),
  /** The votes that made the majority, the winner's own among them. */
  votes: z.array(nodeIdSchema).max(MEMBERS_MAX),
  /** From the last sign of the leader before, or the order to run, to the election: milliseconds, as the winner saw it. */
  tookMs: z.int().min(0),
});
export type Election = z.infer<typeof electionSchema>;

/** Counted as the door counts: a leader seals what the door took. */
const textUpTo = (charactersMax: number) => z.string().refine((text) => hasAtMost(text, charactersMax));

/** Cluster history, carried in block headers. Kinds of later versions have their place here. */
export const controlSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("genesis"), nonce: nonceSchema, members: membersSchema }),
  z.strictObject({ kind: z.literal("term_started"), election: electionSchema.optional() }),
  z.strictObject({
    kind: z.literal("node_admitted"),
    node: nodeIdSchema,
    joinNonce: nonceSchema,
    storeId: nonceSchema,
    keys: keysSchema,
    actor: textUpTo(NAME_CHARACTERS_MAX),
    reason: textUpTo(REASON_CHARACTERS_MAX),
  }),
]);
export type Control = z.infer<typeof controlSchema>;

/** The members that the log names, by id; a pure function of genesis and the admissions after it. */
export type Membership = ReadonlyMap<NodeId, Member>;

/** The membership after a control record; the same map when the record does not touch it. */
export function applyControl(members: Membership, control: Control | undefined): Membership {
  if (control?.kind === "genesis") return new Map(control.members.map((member) => [member.id, member]));
  if (control?.kind !== "node_admitted") return members;
  const known = members.get(control.node);
  if (known === undefined) return members;
  const { joinNonce, storeId, keys } = control;
  return new Map(members).set(control.node, { ...known, joinNonce, storeId, keys });
}
