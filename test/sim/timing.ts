/** The product's defaults. */
export interface SimTiming {
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly takeoverCooldownMs: number;
  readonly diskLatencyMs: readonly [number, number];
  /** A storage operation that takes longer has an unknown outcome. */
  readonly stallMs: number;
  /** The probabilities that a node dies as it asks for a write, and as it would hear that the write is durable. */
  crashBeforeWrite: number;
  crashAfterWrite: number;
}

/** What one node may be configured with otherwise than the others. */
export type NodeTiming = Pick<SimTiming, "heartbeatMs" | "electionTimeoutMs" | "requestTimeoutMs">;

export const DEFAULT_TIMING: SimTiming = {
  heartbeatMs: 100,
  electionTimeoutMs: 1_000,
  requestTimeoutMs: 5_000,
  takeoverCooldownMs: 5_000,
  diskLatencyMs: [1, 5],
  stallMs: 2_000,
  crashBeforeWrite: 0,
  crashAfterWrite: 0,
};
