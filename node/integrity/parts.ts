import type { Logger } from "pino";
import type { NodeId } from "../../shared/ids.js";
import type { BlockSigner, BlockVerifier, SignatureVerifier } from "../../shared/log/chain.js";
import type { Clock } from "../clock.js";
import type { notifySupervisor } from "../host/supervision.js";
import type { Driver } from "../replica/driver.js";
import type { HeldLog } from "../replica/held-log.js";
import type { PeerDesk } from "../service/parts.js";
import type { IdentityFile } from "../storage/identity.js";
import type { IntegrityStore } from "../storage/integrity-port.js";
import type { AlertRecord, AlertStore, LogStore } from "../storage/port.js";
import type { RepairStore } from "../storage/repair-port.js";
import type { MakeSchedule } from "./pass-schedule.js";
import type { OpenPlaces } from "./place-file.js";
import type { Coverage } from "./scrub.js";
import type { WatchState } from "./watch.js";

export interface IntegrityParts {
  readonly nodeId: NodeId;
  readonly openPlaces: OpenPlaces;
  /** What recoveries have found. */
  readonly identity: Pick<IdentityFile, "identity" | "update">;
  /** When a pass over the whole log begins, if none is under way. */
  readonly schedule: MakeSchedule;
  readonly storage: {
    readonly log: Pick<LogStore, "readMembershipBlocks">;
    readonly integrity: IntegrityStore;
    readonly repairs: RepairStore;
    readonly alerts: Pick<AlertStore, "save" | "list" | "get" | "count" | "standing" | "foundHeights">;
  };
  readonly driver: Pick<Driver, "heldThrough" | "heldBlock" | "view" | "inOrder" | "aside" | "submit"> & {
    readonly log: Pick<HeldLog, "committedAt" | "committedHash" | "blocks" | "index">;
  };
  readonly desk: PeerDesk;
  readonly signer: BlockSigner;
  readonly verifyBlock: BlockVerifier;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tells whoever started this process. */
  readonly notify?: typeof notifySupervisor;
  /** Told of an incident once it is stored: opened, decided, found again. */
  readonly onStep: (alert: AlertRecord) => void;
  /** Told of another node's alert, as the log has it. */
  readonly onHeard: (alert: AlertRecord) => void;
  /** A committed block of this node is not what it was. */
  readonly onAltered: () => void;
  /** Nothing of this node's is known to be altered any more. */
  readonly onHealed: () => void;
  /** Whether it is known what happened to the log while nobody watched has changed. */
  readonly onPending: () => void;
  /** Nothing is watched and verified, for a measurement. */
  readonly isOff: boolean;
  /** Changes are not watched, for a measurement: only the scrub finds them. */
  readonly isUnwatched: boolean;
}

export interface IntegrityStatus extends Coverage {
  readonly watch: WatchState;
  readonly isRebuilding?: true;
  readonly isDamaged?: true;
  readonly isVerificationPending?: true;
  /** What is open from before cannot be read yet. */
  readonly isUnread?: true;
}
