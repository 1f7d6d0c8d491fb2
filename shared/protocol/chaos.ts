import { z } from "zod";
import { nodeIdSchema } from "../log/control.js";

/**
 * What a person can have done to a node: it is ended at once and stays down, is stopped and goes on, is started (again), is
 * cut off from the others and let back, or has an event altered in its database.
 */
export const CHAOS_ACTIONS = ["kill", "pause", "resume", "restart", "cut", "join", "tamper"] as const;
export type ChaosAction = (typeof CHAOS_ACTIONS)[number];

export const chaosRequestSchema = z.strictObject(
  {
    action: z.enum(CHAOS_ACTIONS, { error: `must be one of ${CHAOS_ACTIONS.join(", ")}` }),
    node: nodeIdSchema,
  },
  { error: "must be a JSON object" },
);
export type ChaosRequest = z.infer<typeof chaosRequestSchema>;

/** What the start script says of its nodes, and what happened to them since it runs: what was asked for, and the rest. */
export const chaosStateSchema = z.strictObject({
  nodes: z.array(
    z.strictObject({
      node: nodeIdSchema,
      up: z.boolean(),
      paused: z.boolean(),
      cut: z.boolean(),
    }),
  ),
  /** The oldest first; the oldest are forgotten. */
  record: z.array(
    z.strictObject({
      at: z.iso.datetime(),
      node: nodeIdSchema,
      what: z.enum([...CHAOS_ACTIONS, "died", "up"]),
      detail: z.string().exactOptional(),
    }),
  ),
});
export type ChaosState = z.infer<typeof chaosStateSchema>;

/** What `GET /api/v1/chaos` answers. */
export interface ChaosView extends ChaosState {
  readonly allowed: boolean;
}
