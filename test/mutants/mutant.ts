import type { ProfileName } from "../sim/profiles.js";

/** One place of the source, found exactly once, and what stands there in the mutant. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly id: string;
  readonly what: string;
  readonly patches: readonly Patch[];
  /** The scenario that fails with it, where no seed comes to the place. */
  readonly scenario?: Scenario;
  /** The profile whose seeds come to the place; mixed unless given. */
  readonly profile?: ProfileName;
  /** No seed comes to the place: only the scenario is run. */
  readonly isUnseen?: true;
}

export interface Scenario {
  readonly file: string;
  /** A part of the test's name. */
  readonly test: string;
}

/** A mutant that changes one place. */
export const one = (id: string, what: string, file: string, find: string, replace: string): Mutant => ({
  id,
  what,
  patches: [{ file, find, replace }],
});

export const ADMISSION = "cluster/admission.ts";
export const CHECK_QUORUM = "cluster/check-quorum.ts";
export const CLOCKS = "cluster/clocks.ts";
export const COMMIT = "cluster/commit.ts";
export const CONFLICT = "cluster/conflict.ts";
export const CORE = "cluster/core.ts";
export const ELECTION = "cluster/election.ts";
export const FOLLOWER = "cluster/follower.ts";
export const FOUNDING = "cluster/founding.ts";
export const IDEMPOTENCY = "cluster/idempotency.ts";
export const LEADER = "cluster/leader.ts";
export const LEADER_STATE = "cluster/leader-state.ts";
export const QUORUM = "cluster/quorum.ts";
export const READ_INDEX = "cluster/read-index.ts";
export const REPLICA = "cluster/replica.ts";
export const REPLICATION = "cluster/replication.ts";
export const SEALING = "cluster/sealing.ts";
export const STORE_QUEUE = "cluster/store-queue.ts";
export const TAKEOVER = "cluster/transfer.ts";
export const TERMS_OF_ELECTIONS = "cluster/terms.ts";
export const TIMEOUTS = "cluster/timeouts.ts";
export const VOTE = "cluster/vote.ts";
export const RECOVERY = "node/replica/recovery.ts";
export const MEMORY = "node/replica/memory.ts";
export const TAIL = "node/replica/verified-tail.ts";
export const DRIVER = "node/replica/driver.ts";
export const HELD_LOG = "node/replica/held-log.ts";
export const BLOCKS = "node/replica/blocks.ts";
export const ANCHORS = "node/replica/anchors.ts";
export const PROVED = "node/replica/proved-blocks.ts";
export const KEEPER = "node/replica/index-keeper.ts";
export const KEYS = "node/replica/key-look-ups.ts";
export const TERMS = "shared/log/index.ts";
export const MEMORY_LOG = "test/doubles/memory-log-store.ts";
export const MEMORY_INDEX = "test/doubles/memory-index.ts";
export const MEMORY_READER = "test/doubles/memory-reader.ts";
