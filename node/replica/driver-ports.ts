import type { Logger } from "pino";
import type { Effect, ReplicaConfig } from "../../cluster/types.js";
import type { Height } from "../../shared/ids.js";
import type { BlockVerifier } from "../../shared/log/chain.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { Clock } from "../clock.js";
import type { NodeSigner } from "../host/signer.js";
import type { Storage } from "../storage/port.js";
import type { IndexFinding, LogSettings } from "./held-log.js";
import type { NodeIdentity } from "./memory.js";
import type { WordedAlert } from "./wording.js";

/** What a driver is made from: everything that has a side effect. */
export interface DriverOptions {
  readonly config: Omit<
    ReplicaConfig,
    "self" | "seed" | "genesisNonce" | "nextJoinNonce" | "formedClusterId" | "admissionReasons"
  > & {
    readonly self: Omit<ReplicaConfig["self"], "storeId" | "keys">;
  };
  readonly storage: Storage;
  readonly identity: NodeIdentity;
  readonly signer: Pick<NodeSigner, "keys" | "block">;
  readonly verifyBlock: BlockVerifier;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly clock: Clock;
  readonly send: (message: PeerMessage, ref?: number) => void;
  readonly events: DriverEvents;
  readonly log?: Partial<LogSettings>;
}

/** Alerts are told in words. */
export type ToldEffect = Exclude<Effect, { kind: "alert" }>;

/** What a driver tells its node. */
export interface DriverEvents {
  /** Told of effects that are neither its store's nor its peers' alone: of writes, reads, blocks, roles; and of what it notes. */
  onEffect(effect: ToldEffect): void;
  /** What its core finds wrong with another node. */
  onAlert(alert: WordedAlert): void;
  /** The replica was lost with its store: whatever was proposed and not sealed is certainly not written. */
  onReplicaLost(reason: string): void;
  /** Everything up to `commitHeight` is committed; blocks between were not announced one by one. */
  onRecovered(commitHeight: Height): void;
  onInvalidBlock(at: Height, detail: string): void;
  /** What somebody did to entries of the index, or to keys of events: as an alert says it. */
  onIndexFinding(finding: IndexFinding): void;
  /** The index was lost, or is whole again: whether this node should lead has changed. */
  onIndexChange(): void;
  /** This process must end: the database belongs to another one, or cannot be used. */
  onFatal(error: Error): void;
}
