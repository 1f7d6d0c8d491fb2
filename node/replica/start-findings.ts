import { cut } from "../storage/carried.js";
import {
  FOUND_DETAIL_CHARACTERS_MAX,
  FOUND_MAX,
  FOUND_TEXT_CHARACTERS_MAX,
  type StartFinding,
} from "../storage/identity.js";
import { HELD_HASH, LOG_END } from "../storage/incident.js";
import type { OpenedStore } from "../storage/port.js";
import { heldBlocks, isAnotherStore, isOfLostIdentity, type LostBlocks, whatStateLost } from "./memory.js";
import type { RecoveryOptions } from "./recovery.js";

/**
 * What a node joins anew for is noted in its identity file, to become an alert, when somebody must have done something to its
 * database. A disk that was lost, an insert that arrived late, and a rebuild leave other traces, and are told in the node's log
 * alone. A node alone does not go on from either.
 */
export async function noteLostState(options: RecoveryOptions, opened: OpenedStore): Promise<void> {
  const { identity } = options.identity;
  const fault = stateFault(options, opened);
  // With another database all that the one before held is lost, which is told as that, if at all.
  const lostThrough = isAnotherStore(options, opened) ? highest(heldBlocks(options)) : 0;
  if (fault === null && lostThrough <= identity.lostThrough) return;
  await note(options, {
    lostThrough,
    ...(fault === null ? {} : { found: { kind: "state_altered", detail: `${joined(options)}: ${fault}` } }),
  });
}

export async function noteLostBlocks(
  options: RecoveryOptions,
  { tailHeight }: OpenedStore,
  lost: LostBlocks | null,
): Promise<void> {
  const { nodeId, lostThrough } = options.identity.identity;
  if (lost === null) return;
  const through = lost.isShorter ? highest(heldBlocks(options)) : lost.block.height;
  // A log that is copied anew ends below its mark for a while.
  if (through <= lostThrough) return;
  const first = lost.isShorter ? tailHeight + 1 : through;
  const [what, difference] = lost.isShorter
    ? [
        `blocks ${first} to ${through}, at least, are missing from the end of the log of ${nodeId}`,
        { height: first, field: LOG_END, stored: tailHeight, expected: through },
      ]
    : [
        `block ${through} of ${nodeId} is another one than it held`,
        {
          height: through,
          field: HELD_HASH,
          stored: cut(lost.stored ?? "", FOUND_TEXT_CHARACTERS_MAX),
          expected: lost.block.hash,
        },
      ];
  await note(options, {
    lostThrough: through,
    found: {
      kind: lost.isShorter ? "truncated_tail" : "hash_rewritten",
      heights: [first, through],
      differences: [difference],
      detail: `${what}; ${joined(options)}: ${lost.why}`,
    },
  });
}

/** Why somebody must have written to the state, or put another one in its place; null where a crash or a lost disk explains it. */
function stateFault(options: RecoveryOptions, opened: OpenedStore): string | null {
  const { identity } = options.identity;
  const fault = whatStateLost(options, opened);
  // Whose secret wrote it is lost.
  if (fault === null || isOfLostIdentity(options, opened)) return null;
  const { hardState, isStateAltered, previousBootCounter, tailHeight } = opened;
  if (isAnotherStore(options, opened)) {
    const isNewDisk = tailHeight === 0;
    // The file may be an old copy, of before the database was replaced.
    const isOldFile = hardState !== null && previousBootCounter > identity.bootCounter + 1;
    if (isNewDisk || isOldFile) return null;
    if (!isStateAltered && hardState === null)
      return `its state is gone, and its log up to block ${tailHeight} is there`;
  }
  const says =
    hardState === null
      ? ""
      : ` (its state says: start ${previousBootCounter}, term ${hardState.term}, vote for ${hardState.votedFor ?? "nobody"};` +
        ` its identity file: start ${identity.bootCounter}, a vote in term ${identity.votedTerm})`;
  return `${fault}${says}`;
}

const joined = ({ identity }: RecoveryOptions): string =>
  `${identity.identity.nodeId} joined anew as it opened its database`;

const highest = (blocks: readonly LostBlocks["block"][]): number => Math.max(0, ...blocks.map((one) => one.height));

async function note(
  { identity, clock, memberCount }: RecoveryOptions,
  news: { readonly lostThrough: number; readonly found?: Omit<StartFinding, "at"> },
): Promise<void> {
  if (memberCount === 1) return;
  const at = clock.wall();
  await identity.update(({ lostThrough, found }) => {
    const { found: finding } = news;
    // What it quotes is that of whoever altered the database, and the file must be readable at the next start.
    const detail = cut(finding?.detail ?? "", FOUND_DETAIL_CHARACTERS_MAX);
    // A start that died before it joined anew has noted it.
    const isNew = finding !== undefined && !found.some((one) => isSame(one, finding));
    return {
      lostThrough: Math.max(lostThrough, news.lostThrough),
      ...(isNew ? { found: [...found, { ...finding, detail, at }].slice(-FOUND_MAX) } : {}),
    };
  });
}

const isSame = (a: Omit<StartFinding, "at">, b: Omit<StartFinding, "at">): boolean =>
  a.kind === b.kind && a.heights?.[1] === b.heights?.[1];
