import { z } from "zod";
import type { JsonValue } from "../canonical.js";
import { alertActionSchema, hashSchema, nodeIdSchema } from "../log/control.js";

const count = z.int().min(0);
/** A document that somebody has put among the blocks need not have a height for its id. */
const place = z.number();
/** Whatever stands in a node's database: it is shown, and not looked into. */
const anyValue = z.custom<JsonValue>((value) => value !== undefined);
const ranges = z.array(z.tuple([place, place]).readonly()).readonly();

const fieldDifference = z
  .strictObject({
    height: place,
    sequence: count.exactOptional(),
    field: z.string(),
    stored: anyValue.exactOptional(),
    expected: anyValue.exactOptional(),
  })
  .readonly();

const incidentHashes = z.strictObject({
  block: z.strictObject({
    height: place,
    stored: z.string().nullable(),
    recomputed: hashSchema.nullable(),
    expected: hashSchema,
  }),
  body: z.strictObject({ recomputed: hashSchema, expected: hashSchema }).exactOptional(),
  event: z
    .strictObject({
      sequence: count,
      stored: z.string().nullable(),
      recomputed: hashSchema.nullable(),
      expected: hashSchema,
    })
    .exactOptional(),
});

const step = z
  .strictObject({
    n: count,
    action: alertActionSchema,
    at: z.iso.datetime(),
    actor: z.string().exactOptional(),
    reason: z.string().exactOptional(),
    detail: z.string().exactOptional(),
  })
  .readonly();

/** A planned maintenance, as the log has it. */
export const maintenanceWindowSchema = z
  .strictObject({
    node: nodeIdSchema,
    from: z.iso.datetime(),
    until: z.iso.datetime(),
    actor: z.string(),
    reason: z.string(),
    /** Of the block that has it, and when that was sealed. */
    height: count,
    recordedAt: z.iso.datetime(),
  })
  .readonly();
export type MaintenanceWindow = z.infer<typeof maintenanceWindowSchema>;

/** An alert as nodes tell each other of it. */
export const alertSchema = z.strictObject({
  id: z.string(),
  kind: z.string(),
  severity: z.enum(["critical", "warning"]),
  node: nodeIdSchema,
  accused: nodeIdSchema,
  height: place.exactOptional(),
  sequence: count.exactOptional(),
  detail: z.string(),
  openedAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
  occurrences: z.int().min(1),
  status: z.enum(["open", "acknowledged", "repairing", "rebuilding", "resolved", "ended"]),
  endedAt: z.iso.datetime().exactOptional(),
  foundBy: z.enum(["watch", "scrub", "read", "start"]).exactOptional(),
  heights: ranges.exactOptional(),
  sequences: ranges.exactOptional(),
  differences: z.array(fieldDifference).readonly().exactOptional(),
  furtherDifferences: count.exactOptional(),
  hashes: incidentHashes.exactOptional(),
  agreeing: z.array(nodeIdSchema).readonly().exactOptional(),
  changedAt: z.iso.datetime().exactOptional(),
  lastKnownGoodAt: z.iso.datetime().exactOptional(),
  evidence: z.array(z.string()).readonly().exactOptional(),
  resolution: z.enum(["repaired", "rebuilt", "dismissed"]).exactOptional(),
  history: z.array(step).readonly().exactOptional(),
  inLog: z.strictObject({ height: count, evidenceHash: hashSchema.exactOptional() }).exactOptional(),
  maintenance: z.array(maintenanceWindowSchema).readonly().exactOptional(),
  isFromLogOnly: z.literal(true).exactOptional(),
  progress: z.strictObject({ done: count, of: count }).exactOptional(),
});
