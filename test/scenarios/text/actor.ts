import { DEFAULT_LIMITS, type ReplicaLimits } from "../../../cluster/limits.js";
import { Replica } from "../../../cluster/replica.js";
import type { BootState, Input } from "../../../cluster/types.js";
import { ADMISSION_REASONS } from "../../../node/replica/wording.js";
import { utf8 } from "../../../shared/bytes.js";
import { sha256Hex } from "../../../shared/hash.js";
import type { HashHex, NodeId } from "../../../shared/ids.js";
import { fakeSigner } from "../../sim/fake-crypto.js";
import { rememberedVerdicts } from "../../sim/verdicts.js";
import { Store, type StoreOperation } from "./store.js";
import { Writes } from "./writes.js";

export const HEARTBEAT_MS = 100;
export const ELECTION_TIMEOUT_MS = 1_000;
export const REQUEST_TIMEOUT_MS = 5_000;

type WithoutClocks<I> = I extends Input ? Omit<I, "now" | "wall"> : never;
export type BareInput = WithoutClocks<Input>;

export interface StageOptions {
  readonly nodes: number;
  /** By node, n1 first; n1 ranks highest unless given. */
  readonly priorities?: readonly number[];
  readonly cooldownMs: number;
  readonly limits?: Partial<ReplicaLimits>;
}

/** One process: a real Replica with its disk; what it has asked of the disk and has not been told of yet. */
export interface Actor {
  readonly id: NodeId;
  readonly priority: number;
  readonly store: Store;
  readonly writes: Writes;
  replica: Replica | null;
  boots: number;
  /** Whom its configuration names. */
  members: readonly NodeId[];
  /** How far its monotonic clock runs ahead of the stage's. */
  aheadMs: number;
  operations: StoreOperation[];
  isDiskHeld: boolean;
  isPaused: boolean;
  /** What reaches a paused process. */
  inbox: BareInput[];
  /** Answers of its own index and log. */
  answers: BareInput[];
}

const hex = (text: string, characters: number): string => sha256Hex(utf8(text)).slice(0, characters);

export function newActor(i: number, options: StageOptions, say: (text: string) => void): Actor {
  const id = `n${i + 1}`;
  const keys = { block: hex(`${id} block`, 64), log: hex(`${id} log`, 64), cosign: hex(`${id} cosign`, 64) };
  return {
    id,
    priority: options.priorities?.[i] ?? options.nodes - i,
    store: new Store(hex(`${id} store`, 32), keys, hex(`${id} join`, 32)),
    writes: new Writes((text) => say(`${id} ${text}`)),
    replica: null,
    boots: 0,
    members: Array.from({ length: options.nodes }, (_, other) => `n${other + 1}`),
    aheadMs: 0,
    operations: [],
    isDiskHeld: false,
    isPaused: false,
    inbox: [],
    answers: [],
  };
}

/** The process of an actor, as it begins with what its disk has. */
export function replicaOf(
  { id, priority, store, boots }: Actor,
  {
    boot,
    configured,
    options,
  }: {
    readonly boot: BootState;
    readonly configured: readonly { readonly id: NodeId; readonly priority: number }[];
    readonly options: StageOptions;
  },
): Replica {
  return new Replica(
    {
      self: { id, address: `http://${id}.test`, priority, storeId: store.storeId, keys: store.keys },
      configured,
      heartbeatMs: HEARTBEAT_MS,
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      takeoverCooldownMs: options.cooldownMs,
      admitsNewKeys: false,
      admissionReasons: ADMISSION_REASONS,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      formedClusterId: store.clusterId as HashHex | null,
      seed: 100 * Number(id.slice(1)) + boots,
      genesisNonce: hex(`${id} genesis`, 32),
      nextJoinNonce: hex(`${id} join ${boots}`, 32),
    },
    boot,
    { signer: fakeSigner(store.keys.block), verifyBlock: rememberedVerdicts },
  );
}
