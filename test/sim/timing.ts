/** The proportions of the real defaults (heartbeat 100, election 1000, request 5000), at half the length. */
export interface SimTiming {
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly takeoverCooldownMs: number;
  readonly tickMs: number;
  readonly tickJitterMs: number;
  readonly diskLatencyMs: readonly [number, number];
  /** The probability that a node dies between a write's completion and its `stored`. */
  crashAfterWrite: number;
}

export const DEFAULT_TIMING: SimTiming = {
  heartbeatMs: 50,
  electionTimeoutMs: 500,
  requestTimeoutMs: 2_500,
  takeoverCooldownMs: 2_500,
  tickMs: 20,
  tickJitterMs: 5,
  diskLatencyMs: [1, 5],
  crashAfterWrite: 0,
};
