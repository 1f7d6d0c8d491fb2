import { detector } from "./detectors.js";
import { type Mutant, one, TAIL } from "./mutant.js";

const INSPECTOR = "node/integrity/inspector.ts";
const PASSES = "node/integrity/passes.ts";
const SCRUB = "node/integrity/scrub.ts";
const STRANGERS = "node/integrity/stranger-watch.ts";
const WATCH = "node/integrity/watch.ts";

/** 122 to 130: what is to find tampering stands still, forgets over a restart that it has to look, or takes a write for a forgery. */
export const STANDSTILLS: readonly Mutant[] = [
  detector(
    one(
      "122",
      "who waits for looks waits until nothing is suspected any more",
      INSPECTOR,
      "      await this.rounds;\n",
      "      for (let seen: unknown = null; seen !== this.rounds; await this.rounds) seen = this.rounds;\n",
    ),
    "waits for what was suspected until then, and not for what is suspected meanwhile",
  ),
  detector(
    one(
      "123",
      "a pass goes no further than what nothing proves",
      SCRUB,
      "if (!(error instanceof AlteredBlock)) throw error;",
      "if (error instanceof Error) throw error;",
    ),
    "goes on by the chain where nothing can be proved",
  ),
  detector(
    one(
      "123b",
      "a pass tells of a block as it was before it was put back",
      SCRUB,
      "unprovedFindings(at, again, {",
      "unprovedFindings(at, [again[0] ?? found, found], {",
    ),
    "since it was read, where nothing could be proved",
  ),
  detector(
    one(
      "123c",
      "a pass calls a signature false by members that nothing proves",
      SCRUB,
      "this.areMembersKnown && !verdict.ok &&",
      "!verdict.ok &&",
    ),
    "names no sound block by members that it may not know",
    "node/integrity/unproved.test.ts",
  ),
  detector(
    one(
      "124",
      "what was not watched need not be looked for after a restart",
      PASSES,
      "(watch === null || isBlind === true)",
      "watch === null && isBlind !== null",
    ),
    "stays pending over a restart until a pass has ended",
  ),
  detector(
    one(
      "124b",
      "a pass counts that began before changes are seen again",
      PASSES,
      "if (this.due > 0 && this.parts.isWatchStarting()) return sleep(clock, RETRY_MS);",
      "",
    ),
    "counts no pass that began before changes are seen again",
  ),
  detector(
    one(
      "124c",
      "a pass begins anew each time that the watch comes back",
      PASSES,
      "if (this.due === 0 || !isFromNow) return;",
      "if (this.due === 0) return;",
    ),
    "comes to the log's end, however often the watch breaks",
  ),
  detector(
    one(
      "124d",
      "a pass goes on after a restart though a change was missed since it began",
      PASSES,
      "scrub?.isSeen !== true",
      "scrub === null",
    ),
    "since whose beginning no change was missed, and with no other",
  ),
  detector(
    one(
      "124e",
      "a watch that has lost its place is live until it begins anew",
      WATCH,
      'this.current = "starting";',
      "",
    ),
    "is live again once it has begun from now",
  ),
  detector(
    one(
      "125",
      "the watch reads nothing while it judges",
      WATCH,
      "else end = await this.readOn(changes, batch, judging);",
      "else await judging;",
    ),
    "reads on while it judges for long",
  ),
  detector(
    one(
      "125b",
      "what the watch has read meanwhile counts as judged",
      WATCH,
      "this.moveTo(place);",
      "this.moveTo(changes.place);",
    ),
    "counts nothing as judged before",
  ),
  detector(
    one(
      "125c",
      "a stop counts as judged what it broke off",
      WATCH,
      "      if (this.isStopped) return;\n      if (due",
      "      if (due",
    ),
    "counts nothing as judged that it judged as it was stopped",
  ),
  detector(
    one(
      "126",
      "a block that is being stored is a stranger's",
      STRANGERS,
      "return held !== undefined && isWhole(found, held.blockHash);",
      "return held === null && isWhole(found, found.block.blockHash);",
    ),
    "says nothing of what it is storing",
  ),
  detector(
    one(
      "127",
      "a start reads each height of a hole in the old log",
      TAIL,
      "at = await log.nextHeight(height(at + 1))",
      "at = height(at + 1)",
    ),
    "walks over no hole in the old log",
    "node/replica/recovery.test.ts",
  ),
  detector(
    one(
      "127b",
      "a start begins above a hole, however much of what it verifies is missing",
      TAIL,
      "at > Math.min(highest, tailHeight - blocksMin + 1)",
      "at > highest",
    ),
    "ends the node where it reaches into what is verified",
    "node/replica/recovery.test.ts",
  ),
  detector(
    one(
      "128",
      "evidence that is reduced before it is known what is open is none of an open alert",
      "node/integrity/integrity.ts",
      "        this.isUnread ? null : this.incidents",
      "        this.incidents",
    ),
    "judges evidence that was reduced before it knew what is open",
  ),
  detector(
    one(
      "128b",
      "a pass counts that looked at no evidence, as it did not know what is open",
      "node/integrity/own-records.ts",
      "    while (isUnread()) await paced(() => sleep(clock, UNREAD_LOOK_MS));\n",
      "",
    ),
    "compares no evidence before it is known what is open",
  ),
  detector(
    one(
      "129",
      "a stop forgets what was held back",
      "node/integrity/integrity.ts",
      "    incidents.tellHeldBack();\n",
      "    incidents.stop();\n",
    ),
    "stores as it stops what it held back",
  ),
  detector(
    one(
      "130",
      "alerts beside large planted documents are never read",
      "node/storage/mongo/newest-alerts.ts",
      "    return newestInParts(alerts, filter, countMax);",
      "    throw error;",
    ),
    "finds the newest alerts among more than the server reads",
  ),
];
