import type { JsonValue } from "../../shared/canonical.js";
import type { HashHex, NodeId } from "../../shared/ids.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";

/** What somebody did to what is stored, and what keeps this node from seeing it. */
export type IncidentKind =
  | "payload_modified"
  | "record_modified"
  | "header_modified"
  /** Content and hashes were changed so that they agree with each other. */
  | "hash_rewritten"
  | "link_broken"
  | "signature_invalid"
  | "missing"
  | "truncated_tail"
  /** A document that no node of this log wrote. */
  | "forged"
  | "index_differs"
  | "state_altered"
  | "watch_down"
  | "scrub_down";

/** Kinds that say that a committed block of the node's own is not what it was: it is damaged until somebody has resolved them. */
export const BLOCK_KINDS: ReadonlySet<string> = new Set<IncidentKind>([
  "payload_modified",
  "record_modified",
  "header_modified",
  "hash_rewritten",
  "link_broken",
  "signature_invalid",
  "missing",
  "truncated_tail",
]);

/** Kinds that say that nobody looks at present, and nothing of what is stored: warnings that end by themselves. */
export const LOOKOUT_KINDS: ReadonlySet<string> = new Set<IncidentKind>(["watch_down", "scrub_down"]);

/** How it was found. */
export type FoundBy = "watch" | "scrub" | "read" | "start";

/** First and last, both inclusive. */
export type Range = readonly [first: number, last: number];

/** One field that is not what was committed. A value that is not there has no member. */
export interface FieldDifference {
  readonly height: number;
  readonly sequence?: number;
  /** A path such as `dataPayload.order.id`, `header.term` or `sourceAppId`. */
  readonly field: string;
  readonly stored?: JsonValue;
  readonly expected?: JsonValue;
}

/** What is said where the index's own account of itself is gone: by whoever finds it, so that it is one alert. */
export const INDEX_ACCOUNT_TAKEN =
  "what says that the index of this node is whole was changed or taken away: it is made anew from the log";
/** Where a log ended, below a block that its node had held; and the hash of a block that stood in the place of one. */
export const LOG_END = "log.tailHeight";
export const HELD_HASH = "log.blockHash";
/** A node ended instead of going on with its log. */
export const UNFIT_LOG = "log.unfit";
const FORMER_COPY: ReadonlySet<string> = new Set([LOG_END, HELD_HASH, UNFIT_LOG]);

/**
 * It tells of a copy that this node has left behind. It joined anew for it, and counts again only once its log is that of the
 * others; or it did not go on with it, and whatever it goes on with has been verified.
 */
export const isOfFormerCopy = ({ differences: [first] = [] }: Pick<IncidentDetails, "differences">): boolean =>
  first !== undefined && FORMER_COPY.has(first.field);

/** Hashes of the first block, and in it of the first event, that is not what was committed. */
export interface IncidentHashes {
  readonly block: {
    readonly height: number;
    /** As it is noted in the document. */
    readonly stored: string | null;
    /** Of the header that stands there. */
    readonly recomputed: HashHex | null;
    readonly expected: HashHex;
  };
  readonly body?: { readonly recomputed: HashHex; readonly expected: HashHex };
  readonly event?: {
    readonly sequence: number;
    readonly stored: string | null;
    readonly recomputed: HashHex | null;
    readonly expected: HashHex;
  };
}

/**
 * What became of an alert: found, seen to by a person, put right. `failed`: what was begun could not be done, and the alert is
 * open again. `reopened`: it was found once more after it was resolved.
 */
export type AlertAction =
  | "opened"
  | "acknowledged"
  | "repair_begun"
  | "repaired"
  | "rebuild_begun"
  | "rebuilt"
  | "dismissed"
  | "failed"
  | "reopened"
  | "ended";

export interface AlertStep {
  /** From 0; numbers are never given again. */
  readonly n: number;
  readonly action: AlertAction;
  readonly at: string;
  /** Who made a decision, and why. */
  readonly actor?: string;
  readonly reason?: string;
  readonly detail?: string;
}

/** `resolved` by a person's decision; `ended` by itself, which only a watch that was down does. */
export type AlertStatus = "open" | "acknowledged" | "repairing" | "rebuilding" | "resolved" | "ended";
export type Resolution = "repaired" | "rebuilt" | "dismissed";

/** What an alert says of an incident beside its kind and place. */
export interface IncidentDetails {
  readonly foundBy?: FoundBy;
  /** Ascending and apart from each other. Beyond a number of them the nearest are put together. */
  readonly heights?: readonly Range[];
  readonly sequences?: readonly Range[];
  /** The first ones; how many more were seen. */
  readonly differences?: readonly FieldDifference[];
  readonly furtherDifferences?: number;
  readonly hashes?: IncidentHashes;
  /** Members whose copies of the first block are the committed one. */
  readonly agreeing?: readonly NodeId[];
  /** When the place was changed, as MongoDB's own log says. */
  readonly changedAt?: string;
  /** When this node last verified the place before. */
  readonly lastKnownGoodAt?: string;
  /** Documents in the collection `quarantine`: what was there, kept before anything else was done. */
  readonly evidence?: readonly string[];
  readonly resolution?: Resolution;
  /** The first step and the newest ones. */
  readonly history?: readonly AlertStep[];
  /** The newest record that the log has of it. Added when it is shown. */
  readonly inLog?: { readonly height: number; readonly evidenceHash?: HashHex };
  /** When persons had announced work on the node that it is about. Added when it is shown. */
  readonly maintenance?: readonly MaintenanceWindow[];
  /** Its node does not answer, or has lost its own record of it. */
  readonly isFromLogOnly?: true;
  /** How far a repair is that is under way. */
  readonly progress?: { readonly done: number; readonly of: number };
}
