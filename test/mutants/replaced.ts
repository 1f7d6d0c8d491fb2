import { detector } from "./detectors.js";
import { type Mutant, one } from "./mutant.js";

const GONE = "node/integrity/gone.ts";
const PASSES = "node/integrity/passes.ts";
const INSPECTOR = "node/integrity/inspector.ts";
const SUSPICION = "node/integrity/suspicion-of.ts";
const PUT_OFF = "node/integrity/put-off.ts";
const SCRUB = "node/integrity/scrub.ts";

/** 150 to 152: what was changed as a whole, or put in the place of what was there. */
export const REPLACED: readonly Mutant[] = [
  detector(
    one(
      "150",
      "a collection that takes the place of the blocks is told as the one that it was before",
      GONE,
      "...(to === undefined ? [] : gone(to,",
      "...(to === undefined || OWN.has(to) ? [] : gone(to,",
    ),
    "takes a collection that was put in the place of one of its own",
    "node/integrity/watch.test.ts",
  ),
  detector(
    one(
      "150b",
      "a collection of somebody else that is dropped is told as one of the node's",
      GONE,
      "    if (!OWN.has(name)) return [];\n",
      "",
    ),
    "says nothing of collections that are not its own",
    "node/integrity/watch.test.ts",
  ),
  detector(
    one(
      "150c",
      "what was replaced as a whole is looked at as slowly as what nobody touched",
      SCRUB,
      "return this.isHurried || !this.hasEnded",
      "return !this.hasEnded",
    ),
    "hurries through the log once more where something was replaced as a whole",
  ),
  detector(
    one(
      "150d",
      "a pass that had begun before everything was replaced goes on where it was",
      PASSES,
      "    if (this.running !== null) scrub.beginAnew();\n",
      "",
    ),
    "hurries from the beginning on where something was replaced as a whole",
  ),
  detector(
    one(
      "151",
      "what is suspected beyond ten thousand heights that are not committed is forgotten",
      PUT_OFF,
      "    this.forgotten = [Math.min(lowest, oldest), Math.max(highest, oldest)];\n",
      "    this.forgotten = lowest > highest ? [lowest, highest] : null;\n",
    ),
    "has the whole log looked at where more was suspected than is remembered",
    "node/integrity/inspector.test.ts",
  ),
  detector(
    one(
      "151b",
      "what was forgotten is looked for before all of it is committed, and not after",
      PUT_OFF,
      "highest > through ? [highest, highest] : null",
      "highest < through ? [highest, highest] : null",
    ),
    "has the whole log looked at where more was suspected than is remembered",
    "node/integrity/inspector.test.ts",
  ),
  detector(
    one(
      "152",
      "a block that was deleted and inserted again is taken for the one that it was",
      INSPECTOR,
      "return isSealInDoubt === true && (await this.parts.sealOf(block)) === false;",
      "return isSealInDoubt !== true && (await this.parts.sealOf(block)) === null;",
    ),
    "looks at the signature of a block that was deleted and stands there again",
  ),
  detector(
    one(
      "152b",
      "a signature of which nobody can say whose it is, is taken for a wrong one",
      INSPECTOR,
      "(await this.parts.sealOf(block)) === false;",
      "(await this.parts.sealOf(block)) !== true;",
    ),
    "looks at the signature of a block that was deleted and stands there again",
  ),
  detector(
    one(
      "152c",
      "the watch does not say that a block was deleted",
      SUSPICION,
      'operation === "delete" ? { isSealInDoubt: true }',
      'operation === "deleted" ? { isSealInDoubt: true }',
    ),
    "begins where the last process stopped",
    "node/integrity/watch.test.ts",
  ),
  detector(
    one(
      "152d",
      "nobody looks at the signature because of which a read showed a block to nobody",
      "node/integrity/integrity.ts",
      "{ foundBy: this.foundBy, isSealInDoubt: true }",
      "{ foundBy: this.foundBy }",
    ),
    "looks at the signature of a block that a read showed to nobody",
  ),
];
