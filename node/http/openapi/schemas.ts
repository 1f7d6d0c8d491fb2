import { z } from "zod";
import { hashSchema, nodeIdSchema } from "../../../shared/log/control.js";
import { alertSchema, maintenanceWindowSchema } from "../../../shared/protocol/alert.js";
import { chaosRequestSchema, chaosStateSchema } from "../../../shared/protocol/chaos.js";
import type { BlockView, ChainView } from "../../../shared/protocol/http.js";
import { headerSchema } from "../../../shared/protocol/messages.js";
import {
  electionMessageSchema,
  electionWaitSchema,
  eventViewSchema,
  nodeChainSchema,
  nodeCopySchema,
} from "../../../shared/protocol/requests.js";
import { PROBLEMS, type ProblemCode } from "../../problems.js";
import type { ClusterStatus, ElectionRecord } from "../../service/log-port.js";
import { batchSchema, conditionalEventSchema, eventSchema } from "../door/schema.js";
import { admitSchema, alertDecisionSchema, stepDownSchema, webhookTestSchema } from "../routes/decision.js";
import { maintenanceRequestSchema } from "../routes/maintenance.js";

/**
 * What goes in and out, each under its name in the document. What goes in is judged by the very same schemas; that
 * answers are as they say is tested on every answer of the integration tests.
 */
const count = z.int().min(0);
const hashOrEmpty = z.union([hashSchema, z.literal("")]);
const time = z.iso.datetime();
const eventId = z.string().regex(/^[0-9a-f]{24}$/);
const object = z.custom<object>().meta({ type: "object" });
const cursor = z.string().meta({ description: "Opaque: give it back as `after`." });
const nodes = z.array(nodeIdSchema);

const place = {
  sequence: count.meta({ description: "Its place in the log, from 0." }),
  id: eventId,
  hash: hashSchema,
  previousHash: hashOrEmpty,
  term: count,
  height: z.int().min(1),
  recordedAt: time,
};
const receipt = z.strictObject({ ...place, acknowledgedBy: nodes });

const eventA = z.strictObject({
  _id: eventId,
  eventType: z.string(),
  timestamp: z.string(),
  sourceAppId: z.string(),
  dataPayload: object,
  previousHash: hashOrEmpty,
  hash: hashSchema,
  sequence: count,
});
const eventB = z.strictObject({
  _id: eventId,
  eventType: z.string(),
  sourceAppId: z.string(),
  dataPayload: object,
  timestamp: z.string(),
  previousHash: hashOrEmpty,
  currentHash: hashSchema,
});

const bucket = z.strictObject({
  since: time,
  until: time,
  count: count.nullable().meta({ description: "null: not counted in time." }),
});

const block = z.strictObject({
  header: headerSchema,
  blockHash: hashSchema,
  signature: z.string().regex(/^[0-9a-f]{128}$/),
  frontierBefore: z.array(hashSchema),
  leaves: z.array(hashSchema),
  memberKeys: z.record(z.string(), hashSchema),
}) satisfies z.ZodType<Omit<BlockView, "header">>;

const chain = z.strictObject({
  from: count,
  size: count,
  nodes: z.array(nodeChainSchema),
}) satisfies z.ZodType<ChainView>;

const nodeStatus = z.strictObject({
  id: nodeIdSchema,
  address: z.string(),
  role: z.enum(["leader", "follower", "candidate", "learner", "unknown"]),
  priority: count,
  term: count,
  health: z.enum(["sound", "damaged", "learner", "stalled", "unknown"]),
  lastHeight: count,
  commitHeight: count,
  lastSequence: z.int().min(-1).meta({ description: "-1 for an empty log." }),
  headHash: hashOrEmpty,
  lagEvents: count,
  lastContactMs: z.number().min(0).nullable(),
  healthy: z.boolean(),
  version: z.string(),
  stableSince: time.nullable(),
  electionWait: electionWaitSchema.nullable(),
  watch: z.enum(["starting", "live", "down", "unsupported", "unknown"]),
  verifiedThrough: z.int().min(-1),
  lastPassAt: time.nullable(),
  oldestVerifiedAt: time.nullable(),
  passHeight: count.nullable(),
  passBlocksPerSecond: count.nullable(),
  verification: z.enum(["fresh", "pending", "unknown"]),
  clockSkewMs: z.number().nullable(),
  detail: z.string().exactOptional(),
});

const clusterStatus = z.strictObject({
  clusterId: hashOrEmpty,
  state: z.enum(["available", "degraded", "no_quorum", "integrity_alert"]),
  quorum: z.int().min(1),
  failureTolerance: count,
  leaderId: nodeIdSchema.nullable(),
  term: count,
  priority: nodes,
  nodes: z.array(nodeStatus),
  index: z.strictObject({ payload: z.array(z.string()), wholeThrough: count }),
  warnings: z.array(z.string()),
  views: z.array(z.strictObject({ node: nodeIdSchema, leaderId: nodeIdSchema.nullable(), term: count })),
}) satisfies z.ZodType<ClusterStatus>;

const election = z.strictObject({
  term: count,
  leaderId: nodeIdSchema,
  height: z.int().min(1),
  at: time,
  reason: z.enum(["genesis", "no_leader", "take_over", "hand_over"]).nullable(),
  previousLeader: nodeIdSchema.nullable(),
  votes: nodes,
  tookMs: count.nullable(),
  handOver: z.boolean(),
  writesRefused: z.record(z.string(), count),
}) satisfies z.ZodType<ElectionRecord>;

const signed = z.strictObject({ header: headerSchema, signature: z.string().regex(/^[0-9a-f]{128}$/) });
const evidenceDocument = z.strictObject({
  id: z.string(),
  keptAt: time,
  isWhole: z.boolean(),
  sha256: hashSchema,
  document: object,
});
const evidence = z.strictObject({
  format: z.literal("quorumlog/evidence/v1"),
  about: z.string(),
  clusterId: hashOrEmpty,
  madeBy: nodeIdSchema,
  madeAt: time,
  alert: object,
  membership: z.array(signed),
  blocks: z.array(
    z.strictObject({
      height: z.number(),
      stored: z.array(evidenceDocument),
      committed: z
        .strictObject({
          ...signed.shape,
          blockHash: hashSchema,
          records: z.string(),
          payloads: z.string(),
          previousHash: hashOrEmpty,
          from: nodeIdSchema,
        })
        .nullable(),
      links: z.array(signed),
    }),
  ),
  others: z.array(evidenceDocument),
  evidenceHash: hashSchema,
  omitted: z.strictObject({ blocks: count, documents: count }),
});

const check = z.strictObject({
  name: z.string(),
  isOk: z.boolean(),
  isAdvisory: z.boolean().exactOptional(),
  detail: z.string(),
});

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    requestId: z.string(),
    retryable: z.boolean(),
    errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).exactOptional(),
    message: z.string().meta({ description: "As `detail`, for clients that know nothing of problem documents." }),
    error: z.string().meta({ description: "As `title`." }),
    head: z
      .strictObject({ sequence: z.int().min(-1), hash: hashOrEmpty })
      .exactOptional()
      .meta({ description: "Of `hash_chain_conflict`: the log's newest event." }),
    alert: alertSchema.exactOptional().meta({ description: "Of `stale_alert`: the alert as it stands now." }),
  })
  .strict();

export const SCHEMAS = {
  EventInput: eventSchema,
  ConditionalEventInput: conditionalEventSchema,
  BatchInput: batchSchema,
  Admission: admitSchema,
  StepDown: stepDownSchema,
  MaintenanceRequest: maintenanceRequestSchema,
  AlertDecision: alertDecisionSchema,
  WebhookTest: webhookTestSchema,
  Event: eventViewSchema,
  EventReceipt: receipt,
  BatchReceipt: z.strictObject({ events: z.array(z.strictObject(place)), acknowledgedBy: nodes }),
  EventList: z.strictObject({ events: z.array(eventViewSchema), next: cursor.exactOptional() }),
  EventCopies: z.strictObject({ sequence: count, nodes: z.array(nodeCopySchema) }),
  Histogram: z.strictObject({
    since: time.nullable(),
    until: time.nullable(),
    total: count,
    isPartial: z.literal(true).exactOptional(),
    buckets: z.array(bucket),
  }),
  EventA: eventA,
  EventListA: z.strictObject({
    data: z.array(eventA),
    page: z.int().min(1),
    limit: z.int().min(1),
    total: count,
    totalPages: count,
    totalIsCapped: z.literal(true).exactOptional(),
  }),
  EventB: eventB,
  ReceiptB: z.strictObject({ message: z.literal("Event logged successfully"), event: eventB }),
  EventListB: z.array(eventB),
  Chain: chain,
  Block: block,
  Cluster: clusterStatus,
  Admitted: z.strictObject({ node: nodeIdSchema, admitted: z.literal(true) }),
  Maintenance: maintenanceWindowSchema,
  MaintenanceList: z.strictObject({ windows: z.array(maintenanceWindowSchema) }),
  WebhookOutcome: z.strictObject({ delivered: z.boolean(), detail: z.string().optional() }),
  Leader: z.strictObject({ leaderId: nodeIdSchema, term: z.int().min(1) }),
  ElectionList: z.strictObject({
    elections: z.array(election),
    messages: z.array(electionMessageSchema),
    unreachable: nodes,
  }),
  Chaos: z.strictObject({ allowed: z.boolean(), ...chaosStateSchema.shape }),
  ChaosRequest: chaosRequestSchema,
  Alert: alertSchema,
  AlertList: z.strictObject({ alerts: z.array(alertSchema), more: count, unreachable: nodes }),
  Evidence: evidence,
  Alive: z.strictObject({ status: z.literal("alive"), node: nodeIdSchema, version: z.string() }),
  Readiness: z.strictObject({ status: z.enum(["ready", "not_ready"]), node: nodeIdSchema, checks: z.array(check) }),
  Home: z.strictObject({
    name: z.literal("quorumlog"),
    version: z.string(),
    node: nodeIdSchema,
    leader: nodeIdSchema.nullable(),
    term: count,
    apis: z.array(z.strictObject({ name: z.string(), lines: z.array(z.string()) })),
  }),
  ProblemPage: z.strictObject({
    code: z.string(),
    status: z.int(),
    title: z.string(),
    retryable: z.boolean(),
    help: z.string(),
  }),
  Problem: problem,
} as const satisfies Record<string, z.ZodType>;

export type SchemaName = keyof typeof SCHEMAS;

/** JSON Schema of all of them, by name, each referring to the others. */
export function componentSchemas(): Record<SchemaName, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io: "input",
    unrepresentable: "any",
    uri: (id) => `#/components/schemas/${id}`,
    // The pattern says less than the format and more than anybody reads.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    },
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _schema, $id: _id, ...schema }]) => [id, schema]),
  ) as Record<SchemaName, object>;
}
