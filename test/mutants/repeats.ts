import { IDEMPOTENCY, type Mutant, one } from "./mutant.js";

const DUPLICATES = "cluster/duplicates.ts";
const SLEEPS = {
  file: "test/scenarios/repeats.test.ts",
  test: "logs nothing twice when the machine of a forwarder sleeps",
};

/** 47, 57 and 58: what was forgotten, and a write that is tried again. */
export const REPEATS: readonly Mutant[] = [
  {
    ...one(
      "47",
      "a leader takes a write of which it no longer knows whether it was logged",
      IDEMPOTENCY,
      "if (proposal.sinceHeight + 1 >= core.duplicates.idsFrom) return false;",
      "if (proposal.sinceHeight >= 0) return false;",
    ),
    scenario: SLEEPS,
  },
  {
    ...one(
      "47b",
      "ids are forgotten, and are said to be whole",
      DUPLICATES,
      "      this.whole = height(oldest.height + 1);\n",
      "",
    ),
    scenario: SLEEPS,
  },
  one(
    "57",
    "ids of what is not committed are forgotten",
    DUPLICATES,
    "if (this.heightById.size <= this.limits.idsMax || oldest.height > commitHeight - this.limits.idsBlocksMin) return;",
    "if (this.heightById.size <= this.limits.idsMax) return;",
  ),
  one(
    "58",
    "after an attempt of unknown outcome a write says anew where it cannot stand",
    "node/service/writes.ts",
    "if (!mayBeWritten) sinceHeight = standing.knownCommitHeight;",
    "sinceHeight = standing.knownCommitHeight;",
  ),
  {
    ...one(
      "58b",
      "a block is gone through for each who repeats what was logged in it",
      "node/replica/logged-requests.ts",
      "const known = this.kept.get(at);",
      "const known = null as (Places & { readonly blockHash: HashHex }) | null;",
    ),
    scenario: { file: "node/replica/logged-requests.test.ts", test: "a block is gone through once" },
    isUnseen: true,
  },
];
