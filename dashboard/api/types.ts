import type { JsonValue } from "../../shared/canonical.js";
import type { EventView } from "../../shared/log/event.js";
import type { ElectionMessage } from "../../shared/protocol/requests.js";

/** What the page reads of the API's answers; a test holds that the node's own types fit. */
export interface NodeView {
  readonly id: string;
  readonly address: string;
  readonly role: string;
  readonly priority: number;
  readonly term: number;
  readonly health: string;
  readonly lastHeight: number;
  readonly commitHeight: number;
  readonly lastSequence: number;
  readonly headHash: string;
  readonly lagEvents: number;
  readonly lastContactMs: number | null;
  readonly healthy: boolean;
  readonly version: string;
  readonly stableSince: string | null;
  readonly electionWait: { readonly leftMs: number; readonly ofMs: number } | null;
  readonly watch: string;
  readonly verifiedThrough: number;
  readonly lastPassAt: string | null;
  readonly oldestVerifiedAt: string | null;
  readonly clockSkewMs: number | null;
  readonly detail?: string | undefined;
}

export interface ClusterView {
  readonly clusterId: string;
  readonly state: string;
  readonly quorum: number;
  readonly failureTolerance: number;
  readonly leaderId: string | null;
  readonly term: number;
  readonly priority: readonly string[];
  readonly nodes: readonly NodeView[];
  readonly index: { readonly payload: readonly string[] };
  readonly warnings: readonly string[];
  readonly views: readonly { readonly node: string; readonly leaderId: string | null; readonly term: number }[];
}

export interface ElectionView {
  readonly term: number;
  readonly leaderId: string;
  readonly height: number;
  readonly at: string;
  readonly reason: string | null;
  readonly previousLeader: string | null;
  readonly votes: readonly string[];
  readonly tookMs: number | null;
  readonly writesRefused: Readonly<Record<string, number>>;
}
export interface ElectionList {
  readonly elections: readonly ElectionView[];
  readonly messages: readonly ElectionMessage[];
  readonly unreachable: readonly string[];
}

export interface AlertView {
  readonly id: string;
  readonly kind: string;
  readonly severity: string;
  readonly node: string;
  readonly accused: string;
  readonly height?: number | undefined;
  readonly sequence?: number | undefined;
  readonly detail: string;
  readonly openedAt: string;
  readonly lastSeenAt: string;
  readonly occurrences: number;
  readonly status: string;
  readonly endedAt?: string | undefined;
  readonly foundBy?: string | undefined;
  readonly heights?: readonly PlaceRange[] | undefined;
  readonly sequences?: readonly PlaceRange[] | undefined;
  readonly differences?: readonly DifferenceView[] | undefined;
  readonly furtherDifferences?: number | undefined;
  readonly hashes?: AlertHashes | undefined;
  readonly agreeing?: readonly string[] | undefined;
  readonly changedAt?: string | undefined;
  readonly lastKnownGoodAt?: string | undefined;
  readonly evidence?: readonly string[] | undefined;
  readonly resolution?: string | undefined;
  readonly history?: readonly AlertStepView[] | undefined;
  readonly progress?: { readonly done: number; readonly of: number } | undefined;
  readonly maintenance?: readonly { readonly actor: string; readonly reason: string }[] | undefined;
}

/** First and last. */
export type PlaceRange = readonly [number, number];

/** One field; a value that is not there has no member. */
export interface DifferenceView {
  readonly height: number;
  readonly sequence?: number | undefined;
  readonly field: string;
  readonly stored?: JsonValue | undefined;
  readonly expected?: JsonValue | undefined;
}

interface HashesView {
  readonly stored: string | null;
  readonly recomputed: string | null;
  readonly expected: string;
}
export interface AlertHashes {
  readonly block: HashesView & { readonly height: number };
  readonly event?: (HashesView & { readonly sequence: number }) | undefined;
}

/** What became of an alert, and who decided it. */
export interface AlertStepView {
  readonly n: number;
  readonly action: string;
  readonly at: string;
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
  readonly detail?: string | undefined;
}
export interface AlertList {
  readonly alerts: readonly AlertView[];
  readonly more: number;
  readonly unreachable: readonly string[];
}

export interface CopyView {
  readonly node: string;
  readonly hash: string | null;
  readonly event: EventView | null;
  readonly detail?: string | undefined;
}
export interface CopyList {
  readonly sequence: number;
  readonly nodes: readonly CopyView[];
}

export interface EventPage {
  readonly events: readonly EventView[];
  readonly next?: string | undefined;
}
