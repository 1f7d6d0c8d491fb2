import { DEFAULT_LIMITS, type ReplicaLimits } from "../../cluster/limits.js";
import type { LogMemory } from "../../node/replica/held-log.js";
import type { VerifiedTail } from "../../node/replica/verified-tail.js";
import type { NodeId } from "../../shared/ids.js";
import type { ClientProfile } from "./clients.js";
import { FAULT_NAMES, type FaultName, type FaultProfile, TAMPER_NAMES } from "./nemesis.js";
import { CALM_LINKS } from "./network.js";
import type { Random } from "./random.js";
import type { NodeTiming, SimTiming } from "./timing.js";

/** What one run is made of, drawn from its seed. */
export interface Plan {
  readonly nodes: number;
  readonly timing: Partial<SimTiming>;
  readonly faults: FaultProfile;
  readonly clients: ClientProfile;
  readonly verifiedTail: VerifiedTail;
  /** Where nodes are configured differently. */
  readonly timingOf: Record<NodeId, NodeTiming>;
  readonly limits: ReplicaLimits;
  readonly limitsOf: Record<NodeId, ReplicaLimits>;
  readonly memory: LogMemory;
  readonly indexedPaths: readonly (readonly string[])[];
  readonly checksWire: boolean;
  readonly isWatched: boolean;
}

/**
 * Swarm testing: each run has a few kinds of fault only, so that rare combinations get a run of their own. `storm` is
 * short faults close together around elections; `losses` takes one disk after another, as soon as the promise allows
 * the next; `disks`, `network` and `lies` have what their names say; in `tamper`
 * somebody alters databases, which are watched; `mixed` draws one of them.
 */
export const PROFILE_NAMES = ["mixed", "swarm", "storm", "losses", "disks", "network", "lies", "tamper"] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

const STORM: readonly FaultName[] = [
  "clock-jump",
  "crash",
  "pause",
  "isolate",
  "partition",
  "one-way-cut",
  "held-messages",
  "held-messages",
  "new-leader-dies",
  "target-dies",
  "usurped",
  "usurped",
  "slow-disk",
  "lost-disk",
  "hand-over",
  "false-alarm",
  "bridge",
  "late-answers",
  "interrupted-truncation",
  "late-insert",
  "held-back",
  "suspended",
  "look-ups-fail",
  "index-dropped",
];
const LOSSES: readonly FaultName[] = [
  "lost-disk",
  "lost-disk",
  "fed-by-deposed",
  "disk-went-back",
  "lost-state",
  "crash",
  "isolate",
  "held-messages",
];
const DISKS: readonly FaultName[] = [
  "slow-disk",
  "stalled-disk",
  "full-disk",
  "disk-errors",
  "one-error",
  "one-error",
  "mongod-restart",
  "mongod-restart",
  "power-loss",
  "disk-went-back",
  "altered-block",
  "interrupted-truncation",
  "late-insert",
  "look-ups-fail",
  "index-dropped",
  "entry-touched",
  "entry-altered",
  "copied-back",
  "crash",
];
const NETWORK: readonly FaultName[] = [
  "clock-jump",
  "partition",
  "one-way-cut",
  "isolate",
  "bad-network",
  "held-messages",
  "swizzle-clog",
  "flapping",
  "false-alarm",
  "staggered",
  "usurped",
  "bridge",
  "late-answers",
  "suspended",
  "blocks-lost",
  "narrow-links",
];
const LIES: readonly FaultName[] = [
  "forging-leader",
  "forging-leader",
  "replacing-leader",
  "told-replaced",
  "told-replaced",
  "far-term",
  "equivocating-leader",
  "altered-block",
  "starved",
  "starved",
  "copied-back",
  "crash",
  "isolate",
];

const NODES: readonly NodeId[] = ["n1", "n2", "n3", "n4", "n5"];
/** A leader's heartbeats can be rarer than a follower's own timeout; a forwarder can wait longer than its leader, or less. */
const nodeTiming = (random: Random): NodeTiming => {
  const electionTimeoutMs = random.pick([1_000, 1_000, 4_000]);
  const heartbeatMs = Math.floor(electionTimeoutMs / random.pick([3, 3, 10]));
  return { electionTimeoutMs, heartbeatMs, requestTimeoutMs: random.pick([1_000, 5_000, 20_000]) };
};

/** A late insert continues the newest block, and not what is left where one was deleted. */
const BESIDE_TAMPERING = FAULT_NAMES.filter((name) => name !== "late-insert");

/** The share of runs in which watch and scrub look after each database. */
const WATCHED = 0.08;
/** And of those in which somebody alters them. */
const TAMPERED = 0.03;

/** Scripts for five nodes. */
const FOR_FIVE: readonly FaultName[] = ["staggered", "fed-by-deposed"];

/** `ofWatch`: a stream of its own, so that a run that is not watched is the same as ever. */
export function planOf(random: Random, name: ProfileName, ofWatch: Random): Plan {
  const watch = ofWatch.unit();
  const isTampered = name === "tamper" || (name === "mixed" && watch < TAMPERED);
  const profile = isTampered ? "tamper" : name === "mixed" ? drawn(random) : name;
  const nodes = random.pick([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 1]);
  const clients = clientsOf(random);
  const timing = {
    // As far from the timeout as a node's configuration allows: what one lost heartbeat means differs.
    heartbeatMs: random.pick([100, 200, 300]),
    crashBeforeWrite: random.pick([0, 0, 0, 0.002]),
    crashAfterWrite: random.pick([0, 0, 0, 0.005]),
    takeoverCooldownMs: random.pick([1_200, 5_000, 200_000]),
  };
  const faults = faultsOf(random, profile);
  const verifiedTail = random.chance(0.05)
    ? WHOLE_TAIL
    : { events: random.pick([1, 10, 100]), blocksMax: random.pick([2, 250]), blocksMin: random.pick([1, 8]) };
  const limits = drawnLimits(random);
  const memory = memoryOf(random);
  const indexedPaths = random.chance(0.85) ? [random.pick([[], ["n"]])] : [[], ["n"], ["m"], ["m", "n"]];
  const checksWire = random.chance(0.02);
  const differing = random.chance(0.06) ? NODES : [];
  const timingOf = Object.fromEntries(differing.map((id) => [id, nodeTiming(random)]));
  const limitsOf = Object.fromEntries(differing.map((id) => [id, drawnLimits(random)]));
  const isForFive = FOR_FIVE.some((name) => faults.enabled.includes(name)) && random.chance(0.3);
  return {
    nodes: isForFive ? 5 : profile === "losses" && nodes === 1 ? 3 : nodes,
    timing,
    faults,
    clients,
    verifiedTail,
    timingOf,
    limits,
    limitsOf,
    memory,
    indexedPaths,
    checksWire,
    isWatched: isTampered || watch < TAMPERED + WATCHED,
  };
}

/** Small, so that in every run something is forgotten, dropped or refused, and blocks are read from disks. */
const drawnLimits = (random: Random): ReplicaLimits => ({
  idsMax: random.pick([1, 1, 5, 20, DEFAULT_LIMITS.idsMax]),
  idsBlocksMin: random.pick([1, 1, 2, 16, DEFAULT_LIMITS.idsBlocksMin]),
  cachedBlocksMax: random.pick([1, 4, 32, 1_024]),
  cachedBytesMax: random.pick([1, 20_000, DEFAULT_LIMITS.cachedBytesMax]),
  queuedWritesMax: random.pick([2, 20, 20_000]),
  queuedBytesMax: random.pick([10_000, DEFAULT_LIMITS.queuedBytesMax]),
  gatedMessagesMax: random.pick([4, 16, DEFAULT_LIMITS.gatedMessagesMax]),
  pendingAnswersMax: random.pick([1, 4, DEFAULT_LIMITS.pendingAnswersMax]),
  waitingReadsMax: random.pick([1, 4, DEFAULT_LIMITS.waitingReadsMax]),
  waitingAdmissionsMax: random.pick([1, DEFAULT_LIMITS.waitingAdmissionsMax]),
  messageBlocksMax: random.pick([1, 4, DEFAULT_LIMITS.messageBlocksMax, DEFAULT_LIMITS.messageBlocksMax]),
  messageBytesMax: random.pick([1, 5_000, DEFAULT_LIMITS.messageBytesMax, DEFAULT_LIMITS.messageBytesMax]),
  linkBytesMin: random.pick([1, 1_000, DEFAULT_LIMITS.linkBytesMin]),
});

/** Small, so that blocks are read again, keys looked up, and pages of anchors written and walked. */
const memoryOf = (random: Random): LogMemory => ({
  cacheBytesMax: random.pick([1, 20_000, 1_000_000]),
  keyFilterBytes: random.pick([1, 16, 4_096]),
  anchors: { pageHeights: random.pick([4, 16, 256]), notesMax: random.pick([0, 5, 4_096]) },
});

const WHOLE_TAIL: VerifiedTail = { events: 100_000, blocksMax: 5_000, blocksMin: 256 };

const clientsOf = (random: Random): ClientProfile => ({
  // An idle cluster is a case of its own: what the last block decided is known to nobody for long.
  clients: random.pick([0, 1, 2, 3, 4]),
  thinkMaxMs: random.pick([400, 1_000, 2_500, 8_000]),
  keyed: random.pick([0, 0.3, 0.9]),
  batches: random.pick([0, 0.2]),
  conditional: random.pick([0, 0.1]),
  doubled: random.pick([0, 0.4]),
  bursts: random.pick([0, 0.2]),
});

function drawn(random: Random): Exclude<ProfileName, "mixed" | "tamper"> {
  const kind = random.unit();
  if (kind < 0.28) return "storm";
  if (kind < 0.42) return "losses";
  if (kind < 0.56) return "disks";
  if (kind < 0.66) return "network";
  return kind < 0.72 ? "lies" : "swarm";
}

function faultsOf(random: Random, profile: Exclude<ProfileName, "mixed">): FaultProfile {
  switch (profile) {
    case "storm":
      return {
        enabled: someOf(random, STORM, 0.6),
        gapMinMs: 40,
        gapMaxMs: random.pick([500, 1_200]),
        durationMaxMs: random.pick([600, 1_800]),
        aimsAtLeader: random.pick([0.3, 0.8]),
        links: {
          delayMinMs: 1,
          delayMaxMs: random.pick([5, 50]),
          loss: random.pick([0, 0.05]),
          duplication: random.pick([0, 0.2]),
          spike: random.pick([0, 0.05]),
          spikeMs: random.pick([600, 3_000]),
        },
      };
    case "losses":
      return {
        ...moderate(random, [...LOSSES, ...random.some(FAULT_NAMES, 0.1)]),
        aimsAtLeader: random.pick([0, 0.6]),
      };
    case "disks":
      return moderate(random, someOf(random, DISKS, 0.6));
    case "network":
      return moderate(random, someOf(random, NETWORK, 0.6));
    case "tamper":
      return moderate(random, [
        ...TAMPER_NAMES,
        ...TAMPER_NAMES,
        "entry-altered",
        "altered-block",
        ...random.some(BESIDE_TAMPERING, 0.08),
      ]);
    case "lies":
      return { ...moderate(random, LIES), aimsAtLeader: 0.8 };
    case "swarm":
      return {
        enabled: someOf(random, FAULT_NAMES, random.pick([0.15, 0.3, 0.6])),
        gapMinMs: 100,
        gapMaxMs: random.pick([600, 2_000, 5_000]),
        durationMaxMs: random.pick([1_000, 3_000, 6_000]),
        aimsAtLeader: random.pick([0, 0.3, 0.7]),
        links: random.chance(0.5)
          ? {
              delayMinMs: 1,
              delayMaxMs: random.pick([5, 30, 100]),
              loss: random.pick([0, 0.02, 0.1]),
              duplication: random.pick([0, 0.05]),
              spike: random.pick([0, 0.01]),
              spikeMs: 4_000,
            }
          : CALM_LINKS,
      };
  }
}

const moderate = (random: Random, enabled: readonly FaultName[]): FaultProfile => ({
  enabled,
  gapMinMs: 100,
  gapMaxMs: random.pick([800, 3_000]),
  durationMaxMs: random.pick([600, 2_500, 6_000]),
  aimsAtLeader: random.pick([0, 0.3, 0.7]),
  links: { ...CALM_LINKS, delayMaxMs: random.pick([5, 60]), loss: random.pick([0, 0.05]) },
});

function someOf(random: Random, names: readonly FaultName[], share: number): readonly FaultName[] {
  const some = random.some(names, share);
  return some.length === 0 ? names : some;
}
