import type { Height } from "../../shared/ids.js";
import type { AlertLog } from "./alert-log.js";
import type { EntryInspector } from "./entry-inspector.js";
import type { Evidence } from "./evidence.js";
import type { Incidents } from "./incidents.js";
import type { Inspector } from "./inspector.js";
import type { Keeping } from "./keeping.js";
import { stateAt } from "./members-then.js";
import { OwnRecords } from "./own-records.js";
import type { IntegrityParts } from "./parts.js";
import type { Schedule } from "./pass-schedule.js";
import type { Passes } from "./passes.js";
import type { KeptPlaces } from "./place-file.js";
import { Scrub } from "./scrub.js";
import { SCRUB_SILENT_MS, Silence, WATCH_SILENT_MS } from "./silence.js";
import type { Watch } from "./watch.js";

export interface ScrubbingParts {
  readonly of: IntegrityParts;
  readonly incidents: Incidents;
  readonly inspector: Inspector;
  readonly heldThrough: () => Height;
}

export interface ScrubSources {
  readonly entries: EntryInspector;
  readonly keeping: Keeping;
  readonly bundles: Evidence;
  readonly logged: AlertLog;
  readonly places: KeptPlaces;
  /** What is open from before is not known yet. */
  readonly isUnread: () => boolean;
  /** Nothing else finds what is altered now. */
  readonly isAlone: () => boolean;
  /** No change from now on is missed. */
  readonly isSeen: () => boolean;
}

/** What reads the whole log again and again. */
export function makeScrub(
  { of, incidents, inspector, heldThrough }: ScrubbingParts,
  { entries, keeping, bundles, logged, places, isUnread, isAlone, isSeen }: ScrubSources,
): Scrub {
  const { nodeId, storage, driver, clock, verifyBlock, logger } = of;
  const ownRecords = new OwnRecords({
    ...{ nodeId, store: storage.integrity, alerts: storage.alerts, incidents, log: logged, logger, clock, isUnread },
    evidenceHashes: (alert) => bundles.hashesOf(alert),
  });
  return new Scrub({
    ...{ store: storage.integrity, places, verifyBlock, heldThrough, clock, keeping, isAlone, isSeen },
    committedAt: (at) => driver.log.committedAt(at),
    stateAt: (found) => stateAt(found, of),
    inspect: (from, through, suspicion) => inspector.suspectAll(from, through, suspicion),
    paths: () => entries.paths,
    compareEntries: async (blocks, stored, paths) => {
      const due = blocks.map(({ found, events, index }) => ({ block: found.block, events, index }));
      const differing = entries.differing(due, stored, paths).map(({ block }) => block.header.height);
      // They are read once more before anything is said.
      if (differing.length > 0) await entries.inspect(differing, "scrub");
    },
    checkOwnRecords: (paced) => ownRecords.check(paced),
    note: (finding) => incidents.note(finding),
  });
}

/** What notices that watch or scrub says nothing. */
export function makeSilence(
  { of: { clock, driver }, incidents, heldThrough }: Omit<ScrubbingParts, "inspector">,
  of: { watch: Watch; scrub: Scrub; passes: Passes; schedule: Schedule },
): Silence {
  const { watch, scrub, passes, schedule } = of;
  const detail = `the verification of this node's log has come no further for ${SCRUB_SILENT_MS / 1_000} s`;
  return new Silence({
    clock,
    isStoreOpen: () => driver.view() !== null,
    watch: {
      signs: () => watch.signs,
      isExpected: () => watch.state === "live" || watch.state === "starting",
      onSilent: () => watch.onSilent(WATCH_SILENT_MS),
    },
    scrub: {
      steps: () => scrub.steps,
      nextRunAt: () => schedule.nextRunAt,
      onClockSet: (isMissed) => schedule.beginAnew(isMissed),
      isUnderWay: () => passes.isUnderWay,
      holdsBlocks: () => heldThrough() > 0,
      onSilent: () => incidents.note({ kind: "scrub_down", foundBy: "scrub", detail }),
      onHeard: () => incidents.end("scrub_down"),
    },
  });
}
