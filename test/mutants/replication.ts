import { CORE, FOLLOWER, LEADER, type Mutant, one } from "./mutant.js";

/** 11 to 19: what is committed, what a follower takes and acknowledges. */
export const REPLICATION_AND_COMMIT: readonly Mutant[] = [
  one(
    "11",
    "blocks of earlier terms are committed by counting",
    LEADER,
    "through <= log.commitHeight || log.at(through)?.term !== core.term",
    "through <= log.commitHeight",
  ),
  one(
    "12",
    "no empty block opens a term",
    LEADER,
    'else seal(core, [], { kind: "term_started", election });',
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
    FOLLOWER,
    "if (expected <= Math.max(log.commitHeight, core.learnedCommit)) return below(expected);",
    "if (expected <= 0) return below(expected);",
  ),
  one(
    "16",
    "equal heights are taken for equal blocks",
    FOLLOWER,
    "if (state.blockHash !== body.previousHash)",
    "if (state.height !== body.previousHeight)",
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
        file: LEADER,
        find: "const heights = [log.durableHeight, ...",
        replace: "const heights = [log.tail.height, ...",
      },
      {
        file: LEADER,
        find: "const through = height(Math.min(reached, log.durableHeight));",
        replace: "const through = reached;",
      },
      {
        file: CORE,
        find: "Math.min(known, this.log.durableHeight)",
        replace: 'Math.min(known, this.role === "leader" ? this.log.tail.height : this.log.durableHeight)',
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
    CORE,
    "this.becomeFollower(null, `term ",
    'if (this.role !== "leader") this.becomeFollower(null, `term ',
  ),
];
