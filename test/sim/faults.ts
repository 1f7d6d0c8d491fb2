import { term } from "../../shared/ids.js";
import type { PeerBody, PeerMessage } from "../../shared/protocol/peer.js";
import { fakeKeys } from "./fake-crypto.js";
import { CALM_LINKS, type LinkProfile } from "./network.js";
import type { SimNode } from "./node.js";
import type { Random } from "./random.js";
import { knownCommitHeight } from "./recovery.js";
import type { World } from "./world.js";

export const FAULT_NAMES = [
  "crash",
  "crash-all",
  "pause",
  "partition",
  "one-way-cut",
  "isolate",
  "bad-network",
  "slow-disk",
  "stalled-disk",
  "store-failure",
  "lost-disk",
  "disk-went-back",
  "reluctant",
  "clock-jump",
  "hand-over",
  "false-alarm",
  "held-messages",
  "new-leader-dies",
] as const;
export type FaultName = (typeof FAULT_NAMES)[number];

export interface FaultProfile {
  readonly enabled: readonly FaultName[];
  readonly gapMinMs: number;
  readonly gapMaxMs: number;
  readonly durationMaxMs: number;
  /** How often a fault picks the leader rather than any node. */
  readonly aimsAtLeader: number;
  /** The links outside of `bad-network`. */
  readonly links: LinkProfile;
}

type Undo = () => void;

const MESSAGE_KINDS: readonly PeerBody["kind"][] = [
  "join",
  "election",
  "alive",
  "take_over",
  "run_now",
  "pre_vote",
  "pre_vote_answer",
  "vote",
  "vote_answer",
  "append",
  "append_answer",
];
const HELD_MESSAGES_MAX = 1_000;

/** Breaks things at random moments and mends them after a while; `healAll` ends every fault at once. */
export class Nemesis {
  private isOver = false;
  private readonly open = new Set<Undo>();
  private readonly faults: Record<FaultName, () => Undo | null>;
  readonly counts = new Map<FaultName, number>();

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly profile: FaultProfile,
  ) {
    world.network.profile = profile.links;
    this.faults = {
      crash: () => this.crash([this.victim()]),
      "crash-all": () => this.crash(world.nodes),
      pause: () => this.pause(this.victim()),
      partition: () => this.partition(),
      "one-way-cut": () => this.cut(this.links().filter(() => random.chance(0.3))),
      isolate: () => this.isolate(this.victim()),
      "bad-network": () => this.badNetwork(),
      "slow-disk": () => this.slowDisk(this.victim()),
      "stalled-disk": () => this.stalledDisk(this.victim()),
      "store-failure": () => this.failStore(this.victim()),
      "lost-disk": () => this.loseDisk(this.victim()),
      "disk-went-back": () => this.setDiskBack(this.victim()),
      reluctant: () => this.reluctant(this.victim()),
      "hand-over": () => this.handOver(this.victim()),
      "false-alarm": () => this.falseAlarm(this.victim()),
      "clock-jump": () => this.jumpClock(this.victim()),
      "held-messages": () => this.holdMessages(),
      "new-leader-dies": () => this.strikeNewLeaders(),
    };
    this.schedule();
  }

  private schedule(): void {
    this.world.scheduler.after(this.random.between(this.profile.gapMinMs, this.profile.gapMaxMs), () => {
      if (this.isOver) return;
      this.strike(this.random.pick(this.profile.enabled));
      this.schedule();
    });
  }

  private strike(name: FaultName): void {
    const undo = this.faults[name]();
    if (undo === null) return;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.world.trace.add(`FAULT ${name}`);
    this.open.add(undo);
    this.world.scheduler.after(this.random.between(20, this.profile.durationMaxMs), () => this.end(undo));
  }

  private end(undo: Undo): void {
    if (this.open.delete(undo)) undo();
  }

  healAll(): void {
    this.isOver = true;
    for (const undo of this.open) this.end(undo);
    const { world } = this;
    world.network.mendAll();
    world.network.profile = CALM_LINKS;
    world.timing.crashAfterWrite = 0;
    for (const node of world.nodes) {
      node.resume();
      if (!node.isUp) node.start();
    }
    world.trace.add("FAULTS END");
  }

  private victim(): SimNode {
    const { leader, nodes } = this.world;
    return leader !== undefined && this.random.chance(this.profile.aimsAtLeader) ? leader : this.random.pick(nodes);
  }

  /** The replica ends and is made anew; a leader says so with its last breath. */
  private failStore(victim: SimNode): Undo {
    victim.input({ kind: "store_lost" });
    return this.crash([victim], 100);
  }

  private crash(victims: readonly SimNode[], downMaxMs = this.profile.durationMaxMs): Undo {
    for (const node of victims) {
      node.crash();
      // Each comes back in its own time, so that "all" return in any order.
      this.world.scheduler.after(this.random.between(10, downMaxMs), () => {
        if (!node.isUp) node.start();
      });
    }
    return () => {};
  }

  private pause(node: SimNode): Undo | null {
    if (!node.isUp || node.isPaused) return null;
    node.pause();
    return () => node.resume();
  }

  private links(): [string, string][] {
    const ids = this.world.nodes.map((node) => node.id);
    return ids.flatMap((from) => ids.filter((to) => to !== from).map((to): [string, string] => [from, to]));
  }

  private cut(links: readonly [string, string][]): Undo | null {
    const { network } = this.world;
    if (links.length === 0) return null;
    for (const [from, to] of links) network.cut(from, to);
    this.world.trace.add(`cut ${links.map((link) => link.join(">")).join(" ")}`);
    return () => {
      for (const [from, to] of links) network.mend(from, to);
    };
  }

  private partition(): Undo | null {
    const side = new Set(this.random.some(this.world.nodes, 0.5).map((node) => node.id));
    return this.cut(this.links().filter(([from, to]) => side.has(from) !== side.has(to)));
  }

  private isolate(node: SimNode): Undo | null {
    return this.cut(this.links().filter((link) => link.includes(node.id)));
  }

  private badNetwork(): Undo {
    const { network } = this.world;
    const { random } = this;
    const delayMaxMs = random.pick([10, 40, 150]);
    network.profile = {
      delayMinMs: 1,
      delayMaxMs,
      loss: random.pick([0, 0.05, 0.3]),
      duplication: random.pick([0, 0.1, 0.5]),
      spike: random.pick([0, 0.02, 0.1]),
      spikeMs: random.pick([300, 3_000]),
    };
    return () => {
      network.profile = this.profile.links;
    };
  }

  private slowDisk(node: SimNode): Undo {
    const { behaviour } = node.store;
    const { latencyMaxMs } = behaviour;
    behaviour.latencyMaxMs = this.random.pick([50, 200, 600]);
    return () => {
      behaviour.latencyMaxMs = Math.min(latencyMaxMs, this.world.timing.diskLatencyMs[1]);
    };
  }

  private stalledDisk(node: SimNode): Undo | null {
    if (node.store.behaviour.isStalled) return null;
    node.store.behaviour.isStalled = true;
    return () => {
      node.store.behaviour.isStalled = false;
      node.store.next();
    };
  }

  /** A wall clock is set, forward or back; the monotonic one is not touched by it. */
  private jumpClock(node: SimNode): Undo {
    const { wallOffsetMs } = node;
    node.wallOffsetMs = this.random.between(-3_600_000, 3_600_000);
    return () => {
      node.wallOffsetMs = wallOffsetMs;
    };
  }

  /** A person asks for another leader; it may die on the way. */
  private handOver(node: SimNode): Undo {
    node.input({ kind: "hand_over", target: this.random.pick([null, ...this.world.nodes.map((it) => it.id)]) });
    return () => {};
  }

  /** A peer that lives is taken for dead. */
  private falseAlarm(node: SimNode): Undo {
    const peer = this.random.pick(this.world.nodes.filter((it) => it !== node).concat(node)).id;
    if (peer !== node.id) node.input({ kind: this.random.pick(["gone", "unreachable"] as const), peer });
    return () => {};
  }

  private reluctant(node: SimNode): Undo {
    node.input({ kind: "campaigns_late", isLate: true });
    return () => node.input({ kind: "campaigns_late", isLate: false });
  }

  /** Some kinds of message wait on some links, and all arrive together when the fault ends: late by whole terms. */
  private holdMessages(): Undo {
    const { world, random } = this;
    const kinds = new Set<string>(random.some(MESSAGE_KINDS, 0.3));
    const links = new Set(
      this.links()
        .filter(() => random.chance(0.5))
        .map(([from, to]) => `${from}>${to}`),
    );
    const held: PeerMessage[] = [];
    const hold = (message: PeerMessage): boolean => {
      const isHeld = kinds.has(message.body.kind) && links.has(`${message.from}>${message.to}`);
      if (isHeld && held.length < HELD_MESSAGES_MAX) held.push(message);
      return !isHeld;
    };
    world.interceptors.add(hold);
    return () => {
      world.interceptors.delete(hold);
      for (const message of held) world.network.send(message.from, message.to, () => world.deliver(message));
    };
  }

  /** Whoever is elected meanwhile is hit soon after, when its first block is half on its way. */
  private strikeNewLeaders(): Undo {
    const { world, random } = this;
    const strike = (node: SimNode): void => {
      world.scheduler.after(random.between(0, 60), () => {
        if (!node.isUp || this.isOver) return;
        const how = random.pick(["crash", "pause", "isolate"] as const);
        if (how === "crash") this.crash([node], 1_500);
        const undo = how === "pause" ? this.pause(node) : how === "isolate" ? this.isolate(node) : null;
        if (undo === null) return;
        this.open.add(undo);
        world.scheduler.after(random.between(100, 1_500), () => this.end(undo));
      });
    };
    world.onNewLeader = strike;
    return () => {
      world.onNewLeader = () => {};
    };
  }

  private loseDisk(node: SimNode): Undo | null {
    if (!this.mayLoseDisk(node)) return null;
    node.crash();
    this.world.checkers.commits.onDiskLoss(node);
    const newKeys = this.random.chance(0.4) ? fakeKeys(this.random) : null;
    node.disk.wipe(this.random.hex(16), newKeys);
    return this.crash([node]);
  }

  /** An older copy of the database is put in place; recovery notices by the identity file, and joins anew. */
  private setDiskBack(node: SimNode): Undo | null {
    const { hardState } = node.disk;
    if (hardState === null || !this.mayLoseDisk(node)) return null;
    node.crash();
    this.world.checkers.commits.onDiskLoss(node);
    const older = { ...(node.disk.hardState ?? hardState), votedFor: null, joinNonce: this.random.hex(16) };
    const wentBack = { ...older, term: term(this.random.between(0, older.term)) };
    node.disk.rollBack(this.random.between(1, 30), wentBack);
    return this.crash([node]);
  }

  /** The promise holds for the loss of a minority: the disks of all others must count, this one included. */
  private mayLoseDisk(node: SimNode): boolean {
    const { nodes } = this.world;
    const minority = Math.floor((nodes.length - 1) / 2);
    const unsound = nodes.filter((it) => it !== node && !isDurableVoter(it)).length;
    const hasFormed = nodes.every((it) => it.disk.identity.formedClusterId !== null || !isDurableVoter(it));
    return hasFormed && unsound < minority;
  }
}

/** A voter by what its own disk says: admitted, under its present join, in the part that it knows to be committed. */
export function isDurableVoter({ id, disk }: SimNode): boolean {
  const { members } = disk.chainAt(knownCommitHeight(disk));
  return disk.hardState !== null && members.get(id)?.joinNonce === disk.hardState.joinNonce;
}
