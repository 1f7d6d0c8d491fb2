import { type Mutant, one } from "./mutant.js";

const WRITES = "node/service/writes.ts";
const TRACKER = "node/service/write-tracker.ts";

/** 140 to 144: a write is refused as not written, which is true, for what is not the case. */
export const REFUSALS: readonly Mutant[] = [
  one(
    "140",
    "a leader says that its queue is full as soon as something waits",
    "cluster/proposals.ts",
    "waitingWrites(leader) >= queuedWritesMax",
    "waitingWrites(leader) >= Math.min(1, queuedWritesMax)",
  ),
  one(
    "141",
    "a look-up of a key that fails is told as an index that is not whole",
    "node/replica/held-log.ts",
    'const reason = isRebuilding ? "index_rebuilding" : "look_up_failed";',
    'const reason = "index_rebuilding" as const;',
  ),
  one(
    "142",
    "a leader refuses writes as expired a second before their time is up",
    "cluster/deadlines.ts",
    "if (core.now < head.proposal.deadline) return;",
    "if (core.now < head.proposal.deadline - 1_000) return;",
  ),
  one(
    "143",
    "a node gives a write up after the first leader that does not take it",
    WRITES,
    "      await leaders.changeWithin(clock, retryMs);\n",
    '      if (result.kind === "not_written") break;\n      await leaders.changeWithin(clock, retryMs);\n',
  ),
  one(
    "144",
    "who repeats a write is told at once that it is under way, and does not wait for it",
    TRACKER,
    "    group.waiting.add(pending);\n    pending.group = group;\n",
    '    group.waiting.add(pending);\n    pending.group = group;\n    this.settle(pending, { kind: "in_progress" });\n',
  ),
];
