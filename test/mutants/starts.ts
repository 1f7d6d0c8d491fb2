import { detector } from "./detectors.js";
import { type Mutant, one, RECOVERY, TAIL } from "./mutant.js";

const FINDINGS = "node/replica/start-findings.ts";
const INCIDENTS = "node/integrity/incidents.ts";
const RECOVERY_TEST = "node/replica/recovery.test.ts";

/** 120 and 121: what a node finds of its own copy at its start. */
export const STARTS: readonly Mutant[] = [
  detector(
    one(
      "120",
      "a tail that was cut is told in the node's log alone",
      RECOVERY,
      "  await noteLostBlocks(options, opened, lost);\n",
      "",
    ),
    "notes a tail that was cut, with the heights",
  ),
  detector(
    one(
      "120b",
      "what a start finds of its state is noted after what arrived late was taken away, with another state",
      RECOVERY,
      "  await noteLostState(options, opened);\n  const late = await lateInserts(options, opened);\n",
      "  const late = await lateInserts(options, opened);\n  if (late === null) await noteLostState(options, opened);\n",
    ),
    "once, also where something arrived late",
  ),
  detector(
    one(
      "120c",
      "a log that is copied anew is taken for one that was cut, at each start",
      FINDINGS,
      "if (through <= lostThrough) return;",
      "if (through < 0 && lostThrough > 0) return;",
    ),
    "and not once more while it is copied",
    RECOVERY_TEST,
  ),
  detector(
    one(
      "120d",
      "a disk that was lost is taken for one that was exchanged",
      FINDINGS,
      "if (isNewDisk || isOldFile) return null;",
      "if (isNewDisk && isOldFile) return null;",
    ),
    "takes a lost disk for one",
    RECOVERY_TEST,
  ),
  detector(
    one(
      "120e",
      "a node stays damaged by what became of a copy that it has left behind",
      INCIDENTS,
      "BLOCK_KINDS.has(alert.kind) && !isOfFormerCopy(alert)",
      "BLOCK_KINDS.has(alert.kind)",
    ),
    "damages nothing, as the log was copied anew",
  ),
  detector(
    one(
      "120f",
      "what was found is called an alert before the store has it",
      INCIDENTS,
      "this.known.some(({ alert, isSaved }) => alert.id === id && isSaved)",
      "this.known.some(({ alert }) => alert.id === id)",
    ),
    "is not called stored by a database that refuses it",
  ),
  detector(
    one(
      "120g",
      "a rebuild deletes before it is noted that blocks go by right",
      "node/integrity/rebuild.ts",
      "          await this.parts.onClearing(durable);\n",
      "",
    ),
    "says which blocks go before it deletes one",
  ),
  detector(
    one(
      "120h",
      "a node that ends for its log is another alert at each start",
      "node/integrity/last-word.ts",
      "canonicalText([UNFIT_LOG, nodeId, identity.storeId, kind, at, message])",
      "canonicalText([UNFIT_LOG, nodeId, identity.storeId, kind, at, message, clock.now()])",
    ),
    "is one alert however often the node is started",
  ),
  detector(
    one(
      "121",
      "an altered block where a start would begin to verify ends the node",
      TAIL,
      "    if (!isSound || (next === null && at < highest)) continue;",
      "    if (!isSound || (next === null && at < highest)) break;",
    ),
    "starts wherever an old block is",
    RECOVERY_TEST,
  ),
  detector(
    one(
      "121b",
      "what a start passes over is told to nobody",
      TAIL,
      "    if (!isSound) options.onInvalidBlock(",
      "    if (isSound && next === null) options.onInvalidBlock(",
    ),
    "starts wherever an old block is",
    RECOVERY_TEST,
  ),
];
