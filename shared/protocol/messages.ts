import { z } from "zod";
import { type Height, height, sequence, type Term, term, treeSize } from "../ids.js";
import { ELECTION_TIMEOUT_MS_MAX, MEMBERS_MAX } from "../limits.js";
import type { Block, BlockHeader } from "../log/block.js";
import { controlSchema, hashSchema, memberSchema, membersSchema, nodeIdSchema } from "../log/control.js";

/**
 * The messages of the consensus core, as they travel under /peer/v1/messages: one JSON object, its blocks as binary
 * beside it. Every field comes from the network: parse strictly here, trust inside.
 */
const count = z.int().min(0);
const heightSchema = count.transform((n): Height => height(n));
const termSchema = count.transform((n): Term => term(n));
const emptyOrHash = z.union([hashSchema, z.literal("")]);
const nonce = z.string().regex(/^[0-9a-f]{32}$/);

export const headerSchema = z.strictObject({
  version: z.literal(2),
  clusterId: emptyOrHash,
  height: heightSchema,
  term: termSchema,
  leaderId: nodeIdSchema,
  previousBlockHash: hashSchema,
  firstSequence: count.transform((n) => sequence(n)),
  eventCount: count,
  headHash: emptyOrHash,
  treeSize: count.transform((n) => treeSize(n)),
  rootHash: hashSchema,
  bodyHash: hashSchema,
  indexHash: hashSchema,
  commitHeight: heightSchema,
  /** Half of a surrogate pair has no bytes that could be hashed. */
  sealedAt: z
    .string()
    .max(32)
    .refine((text) => !/\p{Cs}/u.test(text)),
  control: controlSchema.optional(),
});
/** Throws a ZodError. */
export function parseHeader(value: unknown): BlockHeader {
  const { control, ...header } = headerSchema.parse(value);
  return control === undefined ? header : { ...header, control };
}

/** The end of the year 9998: a minute later there is a text for it, too. */
export const WALL_MS_MAX = 253_370_764_799_999;
/** What a node's wall clock shows: milliseconds since 1970. */
const wallSchema = count.max(WALL_MS_MAX);

/** A log's place by which completeness is compared: last term first, then height. */
const tail = z.strictObject({ term: termSchema, height: heightSchema });

const body = z.discriminatedUnion("kind", [
  /** Forming: who I am, and the whole list once I have it. `isFormed` = my log has a genesis. */
  z.strictObject({
    kind: z.literal("join"),
    member: memberSchema,
    /** Ids of the configured member set, sorted. */
    configured: z.array(nodeIdSchema).max(MEMBERS_MAX),
    record: membersSchema.nullable(),
    isFormed: z.boolean(),
    wantsAnswer: z.boolean(),
  }),
  z.strictObject({ kind: z.literal("election"), tail }),
  z.strictObject({ kind: z.literal("alive") }),
  /** A higher-priority follower asks the leader to hand over to it. */
  z.strictObject({ kind: z.literal("take_over") }),
  /** The leader has stopped sealing and brought the receiver level: it runs at once. */
  z.strictObject({ kind: z.literal("run_now"), reason: z.enum(["take_over", "hand_over"]) }),
  z.strictObject({ kind: z.literal("pre_vote"), forTerm: termSchema, tail }),
  z.strictObject({ kind: z.literal("pre_vote_answer"), forTerm: termSchema, isGranted: z.boolean(), joinNonce: nonce }),
  z.strictObject({ kind: z.literal("vote"), tail }),
  z.strictObject({ kind: z.literal("vote_answer"), isGranted: z.boolean(), joinNonce: nonce }),
  z.strictObject({
    kind: z.literal("append"),
    /** Counts the leader's sends to this follower in this term, so that late answers are known as such. The first is Bully's COORDINATOR. */
    round: count,
    previousHeight: heightSchema,
    previousHash: hashSchema,
    commitHeight: heightSchema,
    /** The highest block that this follower has acknowledged to this leader in this term. */
    acknowledgedHeight: heightSchema,
    /** So long its followers wait for it, whatever their own configuration says. */
    electionTimeoutMs: z.int().min(1).max(ELECTION_TIMEOUT_MS_MAX),
    /** The members' clocks as the leader knows them at present. */
    clocks: z.array(z.strictObject({ node: nodeIdSchema, wallMs: wallSchema })).max(MEMBERS_MAX),
  }),
  z.strictObject({
    kind: z.literal("append_answer"),
    round: count,
    /** ok: `matchHeight` is durable here and equal to the leader's. mismatch: the leader starts at `commitHeight`. rejected: a block was wrong. stale: the sender's term is past. */
    result: z.enum(["ok", "mismatch", "rejected", "stale"]),
    matchHeight: heightSchema,
    commitHeight: heightSchema,
    /** Its log's end: how well it would do in an election. */
    tailHeight: heightSchema,
    joinNonce: nonce,
    isVoter: z.boolean(),
    isStoreHealthy: z.boolean(),
    /** Before there is a log: members that are known to have stored the sender's founding list. */
    founders: z.array(nodeIdSchema).max(MEMBERS_MAX).optional(),
    /** A learner introduces itself, so that it can be admitted. */
    member: memberSchema.optional(),
  }),
]);
export type PeerBody = z.infer<typeof body>;

export const peerMessageSchema = z.strictObject({
  from: nodeIdSchema,
  to: nodeIdSchema,
  /** Empty until the genesis is committed at the sender. */
  clusterId: emptyOrHash,
  /** SHA-256 of the founding list; empty for a node that has none. */
  formingHash: emptyOrHash,
  term: termSchema,
  /** The sender's clock. */
  wallMs: wallSchema,
  body,
});
export type PeerMessage = z.infer<typeof peerMessageSchema> & { readonly blocks: readonly Block[] };
