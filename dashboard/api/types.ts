import type { EventView } from "../../shared/log/event.js";

/** What the page reads of the API's answers; a test holds that the node's own types fit. */
export interface NodeView {
  readonly id: string;
  readonly address: string;
  readonly role: string;
  readonly priority: number;
  readonly term: number;
  readonly health: string;
  readonly lastSequence: number;
  readonly headHash: string;
  readonly lagEvents: number;
  readonly lastContactMs: number | null;
  readonly healthy: boolean;
  readonly version: string;
  readonly stableSince: string | null;
  readonly verifiedThrough: number;
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
