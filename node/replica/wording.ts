import type { Note, ReplicaAlert, RoleReason } from "../../cluster/codes.js";
import type { ReplicaConfig } from "../../cluster/types.js";
import { type NodeId, unreachable } from "../../shared/ids.js";

/** The words for what the core says by codes. */

const MINUTE_MS = 60_000;

export const ADMISSION_REASONS: ReplicaConfig["admissionReasons"] = {
  knownKeys: "rejoined with its known keys",
  newKeys: "admitted by ADMIT_NEW_KEYS",
};

/** An alert as people read it, and as it is stored. */
export interface WordedAlert extends Omit<ReplicaAlert, "finding"> {
  readonly detail: string;
}

export const worded = ({ finding, ...alert }: ReplicaAlert): WordedAlert => ({
  ...alert,
  detail: detailOf(finding, alert),
});

const info = (text: string) => ({ level: "info", text }) as const;
const warn = (text: string) => ({ level: "warn", text }) as const;

/** A line of the log of the node `self`. */
export function noteLine(self: NodeId, note: Note): { readonly level: "info" | "warn"; readonly text: string } {
  switch (note.code) {
    case "other_founders":
      return warn(
        `${note.node} has another list of founders than ${self}: one of them was begun anew without the other. If there is ` +
          "no log yet, start all nodes with empty databases and without their identity files",
      );
    case "other_configuration":
      return warn(
        `${note.node} is configured with other members (${note.members.join(", ")}): set the same MEMBERS on every node`,
      );
    case "formed_cluster_met":
      return info(`${note.node} belongs to a formed cluster: ${self} joins it as a learner and waits to be admitted`);
    case "founders_known":
      return info(`the founding members are ${note.founders.join(", ")}`);
    case "founders_awaited":
      return warn(
        `nothing is written before every member has the list of founders, and ${note.missing.join(", ")} has not ` +
          "said so. Start what is down, and mend what keeps it from this node; if its data are lost, start all nodes anew with " +
          "empty databases",
      );
    case "learner_of_other_log":
      return warn(`${self} becomes a learner: ${note.node} leads a log that began with another list of founders`);
    case "learner_behind":
      return warn(
        `${self} becomes a learner: its log ends at block ${note.end}, below ${note.acknowledged} that it acknowledged`,
      );
    case "admitted":
      return info(`${self} is admitted: its votes and acknowledgements count from now on`);
    case "own_clock_off":
      return warn(clockOff(self, note.offMs));
    case "clock_right":
      return info(`the clock of ${note.node} is no longer found to be off`);
    case "handing_over":
      return info(`handing over to ${note.node}: sealing stops until it leads, one election timeout at most`);
    case "not_taken_over":
      return warn(`${note.node} did not take over in time: this node goes on leading`);
    case "blocks_not_taken": {
      const how = note.isSure ? "is told to lead" : "may run, if its store answers";
      return warn(`blocks of this node reach no majority, which answers: ${note.node} ${how}`);
    }
    case "timeouts_differ":
      return warn(
        `ELECTION_TIMEOUT_MS is ${note.theirMs} on ${note.node}, which leads, and ${note.ownMs} on ${self}: this node waits for ` +
          "its leader by the leader's. Configure all nodes alike.",
      );
    default:
      return unreachable(note);
  }
}

export function roleReason(reason: RoleReason): string {
  switch (reason.code) {
    case "no_majority_heard":
      return "it has not heard from a majority for an election timeout";
    case "blocks_not_taken":
      return "its blocks do not reach a majority, which answers";
    case "other_log_begun":
      return "a log has begun with another list of founders";
    case "no_leader_heard":
      return "no leader is heard";
    case "higher_asked":
      return "no leader is heard: higher-priority nodes are asked";
    case "higher_alive":
      return "a higher-priority node is alive and runs";
    case "higher_silent":
      return "no higher-priority node answered";
    case "higher_unreachable":
      return "no higher-priority node can be reached";
    case "pre_votes_won":
      return "a majority would vote for it";
    case "elected":
      return `elected by a majority of ${reason.members}`;
    case "leader_heard":
      return `${reason.node} leads`;
    case "handed_over":
      return `${reason.node} hands over`;
    case "store_silent":
      return `its store does not answer, and ${reason.node}'s does`;
    case "term_seen":
      return `term ${reason.term} was seen`;
    default:
      return unreachable(reason);
  }
}

function detailOf(finding: ReplicaAlert["finding"], { accused, height }: Omit<ReplicaAlert, "finding">): string {
  switch (finding.code) {
    case "term_far_ahead":
      return `${accused} speaks of term ${finding.term}, far above ${finding.ownTerm}: refused until a majority does`;
    case "founder_store_shared":
      return `${accused} uses the same database as ${finding.twin}, or a copy of it: give each node its own`;
    case "learner_store_shared":
      return `${accused} has the storeId of ${finding.twin}: one database was copied to the other; give ${accused} an empty one`;
    case "clock_off":
      return clockOff(accused, finding.offMs);
    case "second_leader":
      return `${accused} claims to lead term ${finding.term} too`;
    case "two_blocks":
      return `two blocks of term ${finding.term} at height ${height}`;
    case "committed_block_differs":
      return `${accused} sent another block at committed height ${height}`;
    case "learner_block_differs":
      return `this node's committed block ${height} is not the leader's: move its data away and start it anew`;
    case "height_skipped":
      return `${accused} sent block ${finding.sent}, not ${height}`;
    case "block_term_too_high":
      return `a block of term ${finding.blockTerm} in a message of term ${finding.term}`;
    case "block_of_other_leader":
      return `a block of term ${finding.term} by ${finding.leaderId}, while ${accused} leads it`;
    case "block_invalid":
      return finding.detail;
    case "genesis_of_other_cluster":
      return `this node belongs to cluster ${finding.own.slice(0, 12)}, the genesis is of ${finding.theirs.slice(0, 12)}`;
    case "genesis_not_of_cluster":
      return "the genesis is not the cluster's";
    case "genesis_of_other_members":
      return "the genesis lists other members than the forming record";
    default:
      return unreachable(finding);
  }
}

function clockOff(node: NodeId, offMs: number): string {
  const minutes = Math.round(Math.abs(offMs) / MINUTE_MS);
  return (
    `the clock of ${node} is ${minutes} minutes ${offMs > 0 ? "ahead of" : "behind"} the members' median: set it right. ` +
    "Until then others lead before it, and recordedAt stays within a minute of the median"
  );
}
