import type { Height, NodeId, Term } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { BlockFault } from "../shared/log/chain.js";

/** What a replica notes of itself, as a code with what it speaks of: whoever runs it has the words. `node` is another one. */
export type Note =
  /** Its list of founders is not this node's. */
  | { readonly code: "other_founders"; readonly node: NodeId }
  | { readonly code: "other_configuration"; readonly node: NodeId; readonly members: readonly NodeId[] }
  | { readonly code: "formed_cluster_met"; readonly node: NodeId }
  | { readonly code: "founders_known"; readonly founders: readonly NodeId[] }
  /** They have not said that they have the list, and the log waits for them. */
  | { readonly code: "founders_awaited"; readonly missing: readonly NodeId[] }
  | LearnerNote
  | { readonly code: "admitted" }
  /** Off the members' median; negative is behind it. */
  | { readonly code: "own_clock_off"; readonly offMs: number }
  | { readonly code: "clock_right"; readonly node: NodeId }
  | { readonly code: "handing_over"; readonly node: NodeId }
  | { readonly code: "not_taken_over"; readonly node: NodeId }
  /** `isSure`: the node could commit, as far as is known here. */
  | { readonly code: "blocks_not_taken"; readonly node: NodeId; readonly isSure: boolean }
  | { readonly code: "timeouts_differ"; readonly node: NodeId; readonly theirMs: number; readonly ownMs: number };

/** Why a node that was counted becomes a learner. */
export type LearnerNote =
  | { readonly code: "learner_of_other_log"; readonly node: NodeId }
  /** Its log ends below what it acknowledged. */
  | { readonly code: "learner_behind"; readonly end: Height; readonly acknowledged: Height };

/** Why a node has another role, or another leader. */
export type RoleReason =
  | { readonly code: "no_majority_heard" | "blocks_not_taken" | "other_log_begun" }
  | { readonly code: "no_leader_heard" | "higher_asked" | "higher_alive" | "higher_silent" | "higher_unreachable" }
  | { readonly code: "pre_votes_won" }
  | { readonly code: "elected"; readonly members: number }
  | { readonly code: "leader_heard" | "handed_over" | "store_silent"; readonly node: NodeId }
  | { readonly code: "term_seen"; readonly term: Term };

export interface ReplicaAlert {
  readonly alertKind:
    | BlockFault
    | "conflict_below_commit"
    | "term_too_high"
    | "duplicate_store_id"
    | "clock_off"
    | "fork"
    | "learner_divergent";
  readonly accused: NodeId;
  readonly finding: AlertFinding;
  readonly height?: Height;
  readonly sequence?: number;
  /** Both headers for the one height of a fork, as they were signed. They prove it to whoever has the keys. */
  readonly headers?: readonly Pick<Block, "header" | "signature">[];
}

/** What the accused node has done or sent; the height is the alert's. */
export type AlertFinding =
  | { readonly code: "term_far_ahead"; readonly term: Term; readonly ownTerm: Term }
  | { readonly code: "founder_store_shared" | "learner_store_shared"; readonly twin: NodeId }
  | { readonly code: "clock_off"; readonly offMs: number }
  | { readonly code: "second_leader" | "two_blocks"; readonly term: Term }
  | { readonly code: "committed_block_differs" | "learner_block_differs" }
  | { readonly code: "height_skipped"; readonly sent: Height }
  | { readonly code: "block_term_too_high"; readonly blockTerm: Term; readonly term: Term }
  | { readonly code: "block_of_other_leader"; readonly term: Term; readonly leaderId: NodeId }
  /** The text is the verifier's. */
  | { readonly code: "block_invalid"; readonly detail: string }
  | GenesisRefusal;

export type GenesisRefusal =
  | { readonly code: "genesis_of_other_cluster"; readonly own: string; readonly theirs: string }
  | { readonly code: "genesis_not_of_cluster" | "genesis_of_other_members" };
