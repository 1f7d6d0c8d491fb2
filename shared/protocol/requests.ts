import { z } from "zod";
import type { JsonObject } from "../canonical.js";
import { height } from "../ids.js";
import {
  BATCH_EVENTS_MAX,
  CHAIN_EVENTS_MAX,
  FORWARDED_WRITES_MAX,
  HISTOGRAM_BUCKETS_MAX,
  MEMBERS_MAX,
  NAMED_EVENTS_MAX,
  NOTICES_MAX,
  REQUEST_TIMEOUT_MS_MAX,
  SOUND_BLOCKS_MAX,
} from "../limits.js";
import { alertRecordsSchema, hashSchema, maintenanceSchema, nodeIdSchema } from "../log/control.js";
import { alertSchema, maintenanceWindowSchema } from "./alert.js";
import { headerSchema } from "./messages.js";

/**
 * What one node asks another beside the messages of consensus: `POST /peer/v1/<path>`, JSON both ways. The HMAC says who
 * sent a question or an answer, not that it is well formed: both are parsed by this table.
 */
const count = z.int().min(0);
const heightSchema = count.transform((n) => height(n));
const hashOrEmpty = z.union([hashSchema, z.literal("")]);
const nothing = z.object({});
const salt = z.string().regex(/^[0-9a-f]{32}$/);
const eventId = z.string().regex(/^[0-9a-f]{24}$/);
const alertId = eventId;
const batchPlace = z.tuple([count, z.int().min(1)]);
/** It is not looked into: whoever shows it recomputes its hash, or leaves that to the client. */
const jsonObject = z
  .custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value))
  .meta({ type: "object" });

/** Everything is checked again where it arrives, so that the leader never seals what its followers must refuse. */
const forwardedEvent = z.strictObject({
  id: eventId,
  eventType: z.string(),
  timestamp: z.string(),
  isStampedHere: z.literal(true).optional(),
  sourceAppId: z.string(),
  dataPayload: jsonObject,
  payloadSalt: salt,
  payloadHash: hashSchema,
  idempotencyKey: z.string().optional(),
  batch: batchPlace.optional(),
});

/** The number of a write in its course. */
const writeNumber = z.int().min(1);
const forwardedWrite = z.strictObject({
  n: writeNumber,
  requestId: z.string(),
  budgetMs: z.number().positive().max(REQUEST_TIMEOUT_MS_MAX),
  /** The write stands in no block up to here. */
  sinceHeight: heightSchema,
  ifPreviousHash: hashOrEmpty.optional(),
  events: z.array(forwardedEvent).min(1).max(BATCH_EVENTS_MAX),
});

/** Writes of one node to one leader in one term, as they came since the last such request. */
const forwardedWrites = z.strictObject({
  /** The name of the course: numbers of writes and requests are given once in it. */
  course: z.string().regex(/^[0-9a-f]{16}$/),
  /** Requests may overtake each other; the leader holds the one that was sent last. */
  request: z.int().min(1),
  /** The term whose leader is asked: a write that was delayed into another term is not taken. */
  term: z.int().min(1),
  /** One of no known form is refused by its number, and no other with it. */
  writes: z.array(z.union([forwardedWrite, z.object({ n: writeNumber })])).max(FORWARDED_WRITES_MAX),
});

/** Its members stand in the order in which a node shows them itself. */
export const eventViewSchema = z.strictObject({
  v: z.literal(1),
  sequence: count,
  id: eventId,
  eventType: z.string(),
  timestamp: z.string(),
  sourceAppId: z.string(),
  dataPayload: jsonObject,
  payloadSalt: salt,
  payloadHash: hashSchema,
  recordedAt: z.string(),
  idempotencyKey: z.string().exactOptional(),
  batch: batchPlace.exactOptional(),
  previousHash: hashOrEmpty,
  hash: hashSchema,
  height: count,
  term: count,
});

/** What an earlier request with the same key has of its own. */
const earlierEvent = z.strictObject({
  id: eventId,
  timestamp: z.string(),
  payloadSalt: salt,
  payloadHash: hashSchema,
  batch: batchPlace.exactOptional(),
});

/** The one who asks has the events: it makes their records again, and the last hash shows that they are these. */
const forwardedResult = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("committed"),
    height: count,
    term: count,
    recordedAt: z.string(),
    /** Of the first event. */
    sequence: count,
    previousHash: hashOrEmpty,
    /** Of the last event. */
    hash: hashSchema,
    acknowledgedBy: z.array(nodeIdSchema),
    /** Where the key was used before for the same: the events of that request. */
    earlier: z.array(earlierEvent).max(BATCH_EVENTS_MAX).exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("not_written"),
    reason: z.enum([
      "not_leader",
      "expired",
      "queue_full",
      "unavailable",
      "cannot_tell",
      "look_up_failed",
      "index_rebuilding",
      "superseded",
      "stale_term",
      "unreached",
      "handing_over",
      "disk_low",
      "not_valid",
    ]),
  }),
  z.strictObject({ kind: z.literal("head_differs"), headHash: hashOrEmpty, nextSequence: count }),
  z.strictObject({ kind: z.literal("in_progress") }),
  z.strictObject({ kind: z.literal("key_reused"), sequence: count }),
  z.strictObject({ kind: z.literal("unknown") }),
]);

export const nodeCopySchema = z.strictObject({
  node: nodeIdSchema,
  hash: hashSchema.nullable(),
  event: eventViewSchema.nullable(),
  /** Why there is no copy. */
  detail: z.string().exactOptional(),
});

export const electionMessageSchema = z.strictObject({
  /** By the clock of the node that it reached. */
  at: z.iso.datetime(),
  kind: z.enum(["election", "alive"]),
  from: nodeIdSchema,
  to: nodeIdSchema,
});

/** One of Bully's questions or answers, as the node that it reached noted it. */
export type ElectionMessage = z.infer<typeof electionMessageSchema>;

export const electionWaitSchema = z.strictObject({ leftMs: count, ofMs: count });

/** What a node says of itself. */
const ownStatus = z.object({
  id: nodeIdSchema,
  /** Its wall clock when it answered. */
  clock: z.iso.datetime(),
  version: z.string(),
  address: z.string(),
  clusterId: hashOrEmpty,
  role: z.enum(["leader", "follower", "candidate", "learner", "unknown"]),
  health: z.enum(["sound", "damaged", "learner", "stalled", "unknown"]),
  term: count,
  leaderId: nodeIdSchema.nullable(),
  lastHeight: count,
  commitHeight: count,
  committedSize: count,
  headHash: hashOrEmpty,
  index: z.object({ isWhole: z.boolean(), paths: z.array(z.string()), through: count }),
  stableSince: z.iso.datetime().nullable(),
  /** How long until it runs for leader if it hears none, of how long at first. */
  electionWait: electionWaitSchema.nullable(),
  /** Whether changes in its database are seen at once. */
  watch: z.enum(["starting", "live", "down", "unsupported"]),
  /** -1 before the first full verification. */
  verifiedThrough: z.int().min(-1),
  lastPassAt: z.iso.datetime().nullable(),
  oldestVerifiedAt: z.iso.datetime().nullable(),
  /** How far the running pass has come, null between two; and how many blocks a second it verifies. */
  passHeight: count.nullable(),
  passBlocksPerSecond: count.nullable(),
  /** A committed block of its own is not what it was, and nobody has resolved that yet. */
  isDamaged: z.literal(true).exactOptional(),
  /** What was changed while nobody watched cannot be known: a pass over the whole log is under way. */
  isVerificationPending: z.literal(true).exactOptional(),
  /** Its log is being emptied and copied anew, or is about to: others keep theirs. */
  isRebuilding: z.literal(true).exactOptional(),
  /** Its webhook does not take messages: why not. */
  webhookFault: z.string().exactOptional(),
  /** How many milliseconds ago a leader heard each of the others. */
  contacts: z
    .array(z.strictObject({ node: nodeIdSchema, ms: count }))
    .max(MEMBERS_MAX)
    .exactOptional(),
});

/** What one node holds of the chain: its own word. */
export const nodeChainSchema = z.strictObject({
  node: nodeIdSchema,
  events: z
    .array(z.strictObject({ sequence: count, hash: hashSchema, previousHash: hashOrEmpty, height: count }))
    .max(CHAIN_EVENTS_MAX),
  altered: z.array(z.strictObject({ height: count, from: count, count, detail: z.string() })).max(CHAIN_EVENTS_MAX),
  /** Why there is nothing, or not all. */
  detail: z.string().exactOptional(),
});

const committedBlock = z.object({
  /** Of the block that is committed there, as that node has noted it. */
  blockHash: hashSchema.nullable(),
  /** Whether its own database holds that very block. */
  isSound: z.boolean(),
  /** Its bytes in base64; its hash is recomputed where it arrives. */
  block: z.string().exactOptional(),
  /** The compact range after it; whoever takes it folds it to the block's root. */
  frontier: z.array(hashSchema).max(64).exactOptional(),
});

/** Blocks that the one who asks cannot prove in its own database: by height, or the one that holds an event. */
const wantedBlocks = z.union([
  z.strictObject({ heights: z.array(heightSchema).min(1).max(SOUND_BLOCKS_MAX) }),
  z.strictObject({ holding: count }),
]);

const instant = z.strictObject({ millis: z.int(), rest: z.string().regex(/^\d*$/) });
const searchFilter = z.strictObject({
  eventType: z.string().exactOptional(),
  sourceAppId: z.string().exactOptional(),
  typePrefix: z.string().exactOptional(),
  payload: z
    .array(z.strictObject({ path: z.string(), texts: z.array(z.string()).readonly() }))
    .readonly()
    .exactOptional(),
  timestampFrom: instant.exactOptional(),
  timestampTo: instant.exactOptional(),
  timestampBefore: instant.exactOptional(),
  recordedSince: instant.exactOptional(),
  recordedUntil: instant.exactOptional(),
});

/** Where the events stand that a search has found, in its order; the one who asks reads and proves them itself. */
const namedEvents = z.strictObject({
  events: z.array(z.strictObject({ sequence: count, height: heightSchema })).max(NAMED_EVENTS_MAX),
  next: z.int().nullable(),
  isCutOff: z.boolean(),
});
const countedEvents = z.strictObject({ total: count, isCapped: z.boolean() });
const countedSpans = z.strictObject({
  edges: z
    .array(z.int())
    .max(HISTOGRAM_BUCKETS_MAX + 1)
    .readonly(),
  counts: z.array(count.nullable()).max(HISTOGRAM_BUCKETS_MAX).readonly(),
});

/** A person's decision, and why; who asks a follower is passed on to the leader. */
const decision = { actor: z.string(), reason: z.string() };

export const PEER_REQUESTS = {
  /** Clients' writes, to the leader; answered with what is decided by then, of earlier requests too. */
  append: {
    question: forwardedWrites,
    answer: z.strictObject({ answers: z.array(z.strictObject({ n: writeNumber, result: forwardedResult })) }),
  },
  /** Up to which height the leader is sure to lead; null: it could not confirm that it does. */
  "read-index": { question: nothing, answer: z.object({ height: heightSchema.nullable() }) },
  copy: { question: z.object({ sequence: count }), answer: nodeCopySchema },
  chain: { question: z.object({ from: count, count: z.int().min(1).max(CHAIN_EVENTS_MAX) }), answer: nodeChainSchema },
  status: { question: nothing, answer: ownStatus },
  /** The newest ones, as many as a message can have, and how many there are in all. */
  alerts: {
    question: z.object({
      limit: z.int().min(1).max(NOTICES_MAX),
      wanted: z.enum(["unresolved", "resolved", "all"]).default("unresolved"),
    }),
    answer: z.object({ alerts: z.array(alertSchema).max(NOTICES_MAX), count }),
  },
  /** A person's decision about an alert of the node that is asked; `version` is the one that the person saw. */
  "decide-alert": {
    question: z.strictObject({
      id: alertId,
      action: z.enum(["acknowledge", "repair", "rebuild", "dismiss"]),
      version: z.string(),
      ...decision,
    }),
    answer: z.strictObject({ kind: z.enum(["taken", "stale"]), alert: alertSchema }),
  },
  /** Steps of the asking node's alerts, to the leader, for the log. */
  "log-alerts": { question: alertRecordsSchema, answer: nothing },
  alert: { question: z.object({ id: alertId }), answer: z.object({ alert: alertSchema.nullable() }) },
  /** Too large to be looked into: whoever it is for checks it. */
  evidence: { question: z.object({ id: alertId }), answer: z.object({ bundle: jsonObject.nullable() }) },
  "committed-block": { question: z.object({ height: heightSchema, withBlock: z.boolean() }), answer: committedBlock },
  /** The signed header that a node has durable there, or as its newest block below; null: it has none in memory. */
  head: {
    question: z.strictObject({ height: heightSchema }),
    answer: z.strictObject({
      head: z
        .strictObject({
          header: headerSchema,
          signature: z.string().regex(/^[0-9a-f]{128}$/),
          commitHeight: count,
        })
        .nullable(),
    }),
  },
  /** As many as one answer brings of those that the node's own database has; each is proved by whoever gets it. */
  "sound-blocks": { question: wantedBlocks, answer: z.object({ blocks: z.array(z.string()).max(SOUND_BLOCKS_MAX) }) },
  /** Searches on the index of the node that is asked; null: it cannot say. They are not passed on. */
  find: {
    question: z.strictObject({
      filter: searchFilter,
      order: z.enum(["asc", "desc"]),
      low: count,
      high: count,
      skip: count.exactOptional(),
      limit: z.int().min(1).max(NAMED_EVENTS_MAX),
    }),
    answer: z.object({ found: namedEvents.nullable() }),
  },
  count: {
    question: z.strictObject({ filter: searchFilter, high: count, cap: count }),
    answer: z.object({ found: countedEvents.nullable() }),
  },
  histogram: {
    question: z.strictObject({
      filter: searchFilter,
      since: z.int().nullable(),
      until: z.int().nullable(),
      buckets: z.int().min(1).max(HISTOGRAM_BUCKETS_MAX),
      size: count,
    }),
    answer: z.object({ found: countedSpans.nullable() }),
  },
  admit: { question: z.object({ node: z.string(), ...decision }), answer: nothing },
  /** A planned maintenance, to the leader, for the log; answered once it is committed. */
  maintenance: { question: maintenanceSchema, answer: z.object({ window: maintenanceWindowSchema }) },
  /** Answered once another node leads. */
  "step-down": {
    question: z.strictObject({ ...decision, target: z.string().optional() }),
    answer: z.object({ leaderId: nodeIdSchema, term: z.int().min(1) }),
  },
  /** Whether the node's disk is nearly full. */
  disk: { question: nothing, answer: z.object({ isLow: z.boolean() }) },
  /** How many writes the node refused, of each term asked for, in their order; and which of Bully's messages reached it. */
  "election-notes": {
    question: z.object({ terms: z.array(count).max(NOTICES_MAX) }),
    answer: z.object({
      counts: z.array(count).max(NOTICES_MAX),
      messages: z.array(electionMessageSchema).max(NOTICES_MAX),
    }),
  },
} as const satisfies Record<string, { question: z.ZodType; answer: z.ZodType }>;

/** The answer with status 409: why the node does not do what it was asked for, as a sentence for the client. */
export const refusalSchema = z.object({ detail: z.string() });

export type PeerPath = keyof typeof PEER_REQUESTS;
type Table = typeof PEER_REQUESTS;
/** As the one who asks gives it, and as the one who is asked gets it. */
export type QuestionTo<P extends PeerPath> = z.input<Table[P]["question"]>;
export type QuestionOf<P extends PeerPath> = z.output<Table[P]["question"]>;
export type AnswerTo<P extends PeerPath> = z.input<Table[P]["answer"]>;
export type AnswerOf<P extends PeerPath> = z.output<Table[P]["answer"]>;
