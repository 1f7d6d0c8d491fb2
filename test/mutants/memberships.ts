import { CORE, ELECTION, FOUNDING, type Mutant, one, QUORUM, REPLICATION, VOTE } from "./mutant.js";

const FOUNDERS = "test/scenarios/founding.test.ts";
const ADMITTED = {
  file: "test/scenarios/admission.test.ts",
  test: "counts for a new leader that does not know yet that the record of its admission is committed",
};

/** 100 to 103: a disk lost before the log has formed, a leader that dies after an admission, nodes configured differently or paused. */
export const MEMBERSHIPS: readonly Mutant[] = [
  {
    ...one(
      "100",
      "a founder is listed by the join that was heard first, though it lost its disk since",
      FOUNDING,
      "core.founding.heard.set(message.from, { member: body.member, at: core.now });",
      "core.founding.heard.set(message.from, { member: core.founding.heard.get(message.from)?.member ?? body.member, at: core.now });",
    ),
    scenario: { file: FOUNDERS, test: "lists a founder that lost its disk, and was back at once, by its new join" },
  },
  {
    ...one(
      "100b",
      "a founder is listed that was heard long ago, and may have lost its disk since",
      FOUNDING,
      "?.at ?? Number.NEGATIVE_INFINITY) <= core.config.electionTimeoutMs;",
      "?.at ?? Number.NEGATIVE_INFINITY) <= Number.MAX_SAFE_INTEGER;",
    ),
    scenario: {
      file: FOUNDERS,
      test: "lists a founder that lost its disk before there is a list by its new join, once it has been heard",
    },
  },
  {
    ...one(
      "101",
      "a leader counts only those whose admission it knows to be committed",
      QUORUM,
      "core.membersAt(core.log.tail.members).get(id)?.joinNonce === peer.joinNonce;",
      "core.members.get(id)?.joinNonce === peer.joinNonce;",
    ),
    scenario: ADMITTED,
  },
  {
    ...one(
      "101b",
      "a candidate counts only the votes of those whose admission it knows to be committed",
      VOTE,
      "core.membersAt(core.log.tail.members).get(id)?.joinNonce === joinNonce;",
      "core.members.get(id)?.joinNonce === joinNonce;",
    ),
    scenario: ADMITTED,
  },
  {
    ...one(
      "102",
      "a follower waits by its own timeout for a leader that is configured otherwise",
      CORE,
      "return (this.leaderId === null ? null : this.following.announcedTimeoutMs) ?? this.config.electionTimeoutMs;",
      "return this.config.electionTimeoutMs;",
    ),
    scenario: { file: "test/scenarios/takeover.test.ts", test: "waits for a leader by the leader's own timeout" },
  },
  {
    ...one(
      "103",
      "a node that stands still again and again waits for a leader each time",
      ELECTION,
      "  if (election.wasPaused) return;\n",
      "  if (election.wasPaused) election.wasPaused = false;\n",
    ),
    scenario: { file: "test/scenarios/busy-machine.test.ts", test: "elect a leader between two of these pauses" },
  },
  {
    id: "104",
    what: "a follower that cannot take a commit yet is told of it, and not again",
    patches: [
      { file: "cluster/notices.ts", find: "Math.min(log.commitHeight, peer.match)", replace: "log.commitHeight" },
      {
        file: REPLICATION,
        find: "blocks.at(-1)?.header.height ?? Math.max(previousHeight, peer.match);",
        replace: "log.commitHeight;",
      },
    ],
    scenario: { file: "test/scenarios/block-cost.test.ts", test: "is told of the commit as soon as it has answered" },
    isUnseen: true,
  },
  {
    ...one(
      "105",
      "a lone client's commit is told of once the next block no longer gathers",
      "cluster/notices.ts",
      "gathering !== null && gathering.writes > 1",
      "gathering !== null",
    ),
    scenario: { file: "test/scenarios/block-cost.test.ts", test: "is told of a lone client's commit" },
    isUnseen: true,
  },
  {
    ...one(
      "106",
      "a preferred node counts answers from before it campaigned",
      ELECTION,
      "  core.takeOver.answeredBy = null;\n",
      "",
    ),
    scenario: {
      file: "test/scenarios/partitions.test.ts",
      test: "asks for the lead by none of the answers from before",
    },
    isUnseen: true,
  },
  {
    ...one(
      "107",
      "a preferred node asks for the lead whoever hears it",
      "cluster/take-over.ts",
      "if (takeOver.answeredBy.size < core.quorum) return;",
      "",
    ),
    scenario: { file: "test/scenarios/partitions.test.ts", test: "only the leader does not ask for the lead" },
    isUnseen: true,
  },
];
