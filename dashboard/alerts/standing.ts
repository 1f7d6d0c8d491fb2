import type { AlertList, AlertStepView, AlertView } from "../api/types.js";

/** Somebody sees to it. */
export const isDecided = (status: string): boolean => status !== "open";
/** How many nobody sees to yet; of those that were not told nobody is known to. */
export const openCount = ({ alerts, more }: AlertList): number =>
  alerts.filter(({ status }) => !isDecided(status)).length + more;
/** Nothing is left to decide. */
export const isOver = (status: string): boolean => status === "resolved" || status === "ended";

const ACTIONS: Readonly<Record<string, string>> = {
  opened: "found",
  acknowledged: "acknowledged",
  repair_begun: "repair begun",
  repaired: "repaired",
  rebuild_begun: "rebuild begun",
  rebuilt: "rebuilt",
  dismissed: "dismissed",
  failed: "could not be done",
  reopened: "found again",
  ended: "over by itself",
};
export const actionWord = (action: string): string => ACTIONS[action] ?? action;

/** The newest step that a person decided. */
export const decisionOf = ({ history = [] }: AlertView): AlertStepView | undefined =>
  history.findLast(({ actor }) => actor !== undefined);

/** When what it says was found: an alert that was resolved and found again says what is so since. */
export const foundAt = ({ openedAt, history = [] }: AlertView): string =>
  history.findLast(({ action }) => action === "reopened")?.at ?? openedAt;

const CAUSES: Readonly<Record<string, string>> = {
  payload_modified: "A payload was changed in MongoDB and no hash with it: no write came through the API.",
  record_modified: "A field of an event was changed in MongoDB and no hash with it: no write came through the API.",
  header_modified: "The header of a block was changed in MongoDB.",
  hash_rewritten: "Content and hashes were changed so that they agree with each other: somebody knew what to do.",
  link_broken: "A block names another one before it than the one that was committed.",
  missing: "A block was deleted in MongoDB.",
  truncated_tail: "The newest blocks were deleted in MongoDB, or an older copy of its files was put back.",
  forged: "A document stands among the blocks that no node of this log wrote.",
  index_differs: "An index entry was changed: filters would have missed events. The events themselves are not touched.",
  state_altered: "This node's own notes of its term and vote were changed.",
  signature_invalid: "A signature was replaced: its content may still be the committed one.",
  watch_down: "The node cannot see changes of its database at once; its passes over the log go on.",
  scrub_down: "The node's passes over its log do not get on: what its watch cannot see is not found.",
  fork: "One key has signed two different blocks for one place: a node lies, or its keys were taken.",
  clock_off: "A clock is wrong: times that this node writes would be too.",
};
export const causeOf = (kind: string): string => CAUSES[kind] ?? "What was found is not what was committed.";
