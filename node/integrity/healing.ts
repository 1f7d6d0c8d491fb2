import type { Height } from "../../shared/ids.js";
import type { PeerDesk } from "../service/parts.js";
import { sealOf } from "./members-then.js";
import type { IntegrityParts } from "./parts.js";
import type { PeerBlocks } from "./peer-blocks.js";
import type { KeptPlaces } from "./place-file.js";
import { Rebuild } from "./rebuild.js";
import { Repair } from "./repair.js";
import { Resolutions, type ResolutionsParts } from "./resolutions.js";

export interface HealingParts {
  readonly of: IntegrityParts;
  readonly peers: PeerBlocks;
  readonly desk: Pick<PeerDesk, "askAll">;
  readonly incidents: ResolutionsParts["incidents"];
  readonly logged: ResolutionsParts["logged"];
  readonly heldThrough: () => Height;
  readonly places: () => KeptPlaces | null;
  readonly watched: () => Promise<boolean>;
  readonly fullPass: () => Promise<void>;
  readonly mendEntries: (heights: readonly Height[]) => Promise<boolean>;
  readonly onMended: () => void;
  readonly isStopped: () => boolean;
}

/** What is done about alerts when a person has decided. */
export function makeHealing(parts: HealingParts): { repair: Repair; rebuild: Rebuild; resolutions: Resolutions } {
  const { of, peers, desk, incidents, heldThrough, places, isStopped } = parts;
  const { nodeId, storage, driver, clock, logger } = of;
  const committedAt: typeof driver.log.committedAt = (at) => driver.log.committedAt(at);
  const inOrder = (work: () => Promise<void>): Promise<void> => driver.inOrder(work);
  const repair = new Repair({
    ...{ nodeId, peers, committedAt, heldThrough, inOrder, places, clock },
    ...{ store: storage.integrity, repairs: storage.repairs },
    durableHeight: () => driver.view()?.durableHeight ?? null,
    memberCount: () => driver.view()?.members.length ?? 1,
    isSealed: async (block) => (await sealOf(block, of)) === true,
    mendEntries: parts.mendEntries,
    watched: parts.watched,
  });
  const rebuild = new Rebuild({
    ...{ nodeId, heldThrough, places, clock, isStopped },
    aside: (reason, work) => driver.aside(reason, work),
    repairs: storage.repairs,
    view: () => driver.view(),
    askStatus: () => desk.askAll("status", {}),
    onClearing: (through) => of.identity.update(({ lostThrough }) => ({ lostThrough: Math.max(lostThrough, through) })),
    fullPass: parts.fullPass,
  });
  const resolutions = new Resolutions({
    ...{ incidents, repair, rebuild, clock, logger, isStopped, logged: parts.logged },
    store: storage.alerts,
    onStep: of.onStep,
    onMended: parts.onMended,
  });
  return { repair, rebuild, resolutions };
}
