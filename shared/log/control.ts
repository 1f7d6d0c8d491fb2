import { z } from "zod";
import { utf8 } from "../bytes.js";
import { canonicalText } from "../canonical.js";
import type { NodeId } from "../ids.js";
import {
  ALERT_FIELD_CHARACTERS_MAX,
  ALERT_FIELDS_MAX,
  ALERT_NOTES_MAX,
  ALERT_RANGES_MAX,
  MAINTENANCE_MS_MAX,
  MEMBERS_MAX,
  NAME_CHARACTERS_MAX,
  REASON_CHARACTERS_MAX,
} from "../limits.js";
import { exactMillis } from "../timestamp.js";
import { hasAtMost } from "./event.js";

export const hashSchema = z.string().regex(/^[0-9a-f]{64}$/);
export const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
export const nodeIdSchema = z.string().regex(NODE_ID);
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

/** What became of an alert. */
export const alertActionSchema = z.enum([
  "opened",
  "acknowledged",
  "repair_begun",
  "repaired",
  "rebuild_begun",
  "rebuilt",
  "dismissed",
  "failed",
  "reopened",
  "ended",
]);

const placeSchema = z.number();
const rangesSchema = z.array(z.tuple([placeSchema, placeSchema])).max(ALERT_RANGES_MAX);

/** One step of one alert, without any value of a payload: an erasure could not reach it here. */
const alertNoteSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{24}$/),
  /** Counts the steps of the alert. */
  n: z.int().min(0),
  action: alertActionSchema,
  /** By the finder's clock. */
  at: z.iso.datetime(),
  alertKind: textUpTo(64),
  severity: z.enum(["critical", "warning"]),
  accused: nodeIdSchema,
  heights: rangesSchema.optional(),
  sequences: rangesSchema.optional(),
  /** Names of the first fields that differ. */
  fields: z.array(textUpTo(ALERT_FIELD_CHARACTERS_MAX)).max(ALERT_FIELDS_MAX).optional(),
  /** Of the first block that is altered. */
  storedHash: textUpTo(64).optional(),
  committedHash: hashSchema.optional(),
  /** Of the documents that are kept as evidence. */
  evidenceHash: hashSchema.optional(),
  actor: textUpTo(NAME_CHARACTERS_MAX).optional(),
  reason: textUpTo(REASON_CHARACTERS_MAX).optional(),
});
export type AlertNote = z.infer<typeof alertNoteSchema>;

/** Steps of alerts of one node, signed by it: whoever leads can leave them out, and cannot make them. */
export const alertRecordsSchema = z.strictObject({
  kind: z.literal("alert_records"),
  node: nodeIdSchema,
  notes: z.array(alertNoteSchema).min(1).max(ALERT_NOTES_MAX),
  signature: z.string().regex(/^[0-9a-f]{128}$/),
});
export type AlertRecords = z.infer<typeof alertRecordsSchema>;

/** What a node signs of its records. */
export const alertRecordsBytes = (
  clusterId: string,
  { node, notes }: Pick<AlertRecords, "node" | "notes">,
): Uint8Array => utf8(`quorumlog/alert-records/v1\n${canonicalText({ clusterId, node, notes })}`);

const instantSchema = z.string().refine((text) => exactMillis(text) !== null);
const windowShape = {
  node: nodeIdSchema,
  /** Inclusive, by the node's own clock; `until` is not. */
  from: instantSchema,
  until: instantSchema,
  actor: textUpTo(NAME_CHARACTERS_MAX),
  reason: textUpTo(REASON_CHARACTERS_MAX),
};
const hasFitLength = ({ from, until }: { readonly from: string; readonly until: string }): boolean => {
  const ms = (exactMillis(until) ?? 0) - (exactMillis(from) ?? 0);
  return ms > 0 && ms <= MAINTENANCE_MS_MAX;
};

/** When a person will work on a node: what is found there meanwhile is told as ever, and says so. */
export const maintenanceSchema = z.strictObject(windowShape).refine(hasFitLength);
export type Maintenance = z.infer<typeof maintenanceSchema>;

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
  alertRecordsSchema,
  z.strictObject({ kind: z.literal("maintenance"), ...windowShape }).refine(hasFitLength),
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
