import { type Cluster, type ClusterOptions, startCluster } from "../../scripts/cluster/cluster.js";

/**
 * A machine that does much else stands still for seconds. By itself no lead changes then, no node counts as silent, and no
 * write is given up: what changes in a test is what the test does. What a test sets itself comes first.
 */
export const STEADY = {
  ELECTION_TIMEOUT_MS: "4000",
  REQUEST_TIMEOUT_MS: "30000",
  /** No preferred node takes the lead back while a test looks. */
  TAKEOVER_COOLDOWN_MS: "600000",
};

/** Like `startCluster`, where neither the time of an election nor the time until a refusal is what is tested. */
export const startSteadyCluster = (options: ClusterOptions = {}): Promise<Cluster> =>
  startCluster({ ...options, env: { ...STEADY, ...options.env } });
