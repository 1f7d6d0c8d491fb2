import { COMMIT, CONFLICT, FOLLOWER, LEADER, type Mutant, one, TERMS_OF_ELECTIONS } from "./mutant.js";

/** 11 to 19: what is committed, what a follower takes and acknowledges. */
export const REPLICATION_AND_COMMIT: readonly Mutant[] = [
  one(
    "11",
    "blocks of earlier terms are committed by counting",
    COMMIT,
    "if (through > log.commitHeight && log.at(through)?.term === core.term)",
    "if (through > log.commitHeight)",
  ),
  one(
    "12",
    "no empty block opens a term",
    LEADER,
    'else seal(core, leader, [], { kind: "term_started", election });',
    "else void election;",
  ),
  one(
    "13",
    "a refusal counts as an acknowledgement of all that the leader holds",
    LEADER,
    '    case "mismatch":\n',
    '    case "mismatch":\n      peer.match = core.log.tail.height;\n',
  ),
  one(
    "13b",
    "a leader counts all that it holds itself, whatever the follower has compared",
    LEADER,
    "Math.min(answer.matchHeight, core.log.tail.height)",
    "core.log.tail.height",
  ),
  one(
    "13c",
    "acknowledgements of an earlier term count",
    LEADER,
    "if (leader === null || peer === undefined || message.term !== core.term) return;",
    "if (leader === null || peer === undefined) return;",
  ),
  one(
    "14",
    "a follower acknowledges its whole log",
    FOLLOWER,
    'if (core.log.durableHeight >= matchHeight) return reply("ok", matchHeight);',
    'if (core.log.durableHeight >= matchHeight) return reply("ok", core.log.durableHeight);',
  ),
  one(
    "15",
    "a follower truncates to what each message carries",
    FOLLOWER,
    "  for (const entry of fresh) core.storeBlock(entry);",
    "  const end = height(body.previousHeight + message.blocks.length);\n" +
      "  if (first === undefined && core.log.tail.height > end && end > 0) core.truncate(height(end + 1), message.from);\n" +
      "  for (const entry of fresh) core.storeBlock(entry);",
  ),
  one(
    "15b",
    "a follower replaces what is committed",
    CONFLICT,
    "if (at <= Math.max(core.log.commitHeight, core.following.learnedCommit)) return",
    "if (at <= 0) return",
  ),
  one(
    "16",
    "equal heights are taken for equal blocks",
    CONFLICT,
    "if (state.blockHash === body.previousHash) return null;",
    "if (state.height === body.previousHeight) return null;",
  ),
  one(
    "17",
    "a follower commits what the leader has, compared or not",
    FOLLOWER,
    "Math.min(body.commitHeight, matchHeight)",
    "body.commitHeight",
  ),
  one(
    "18",
    "a follower acknowledges before its write is durable",
    FOLLOWER,
    'if (core.log.durableHeight >= matchHeight) return reply("ok", matchHeight);',
    'if (matchHeight >= 0) return reply("ok", matchHeight);',
  ),
  {
    id: "18b",
    what: "a leader counts itself before its own write is durable",
    patches: [
      {
        file: COMMIT,
        find: "const heights = [durableHeight, ...",
        replace: "const heights = [core.log.tail.height, ...",
      },
      {
        file: COMMIT,
        find: "height(Math.min(majorityHeight(heights, core.members.size), durableHeight));",
        replace: "height(majorityHeight(heights, core.members.size));",
      },
      {
        file: COMMIT,
        find: "Math.min(known, log.durableHeight)",
        replace: 'Math.min(known, core.role === "leader" ? log.tail.height : log.durableHeight)',
      },
    ],
  },
  one(
    "19",
    "messages of an earlier leader are taken",
    FOLLOWER,
    'if (message.term < core.term) return reply("stale");',
    "",
  ),
  one(
    "19b",
    "a leader stays one in a higher term",
    TERMS_OF_ELECTIONS,
    "core.becomeFollower(null, { code",
    'if (core.role !== "leader") core.becomeFollower(null, { code',
  ),
];
