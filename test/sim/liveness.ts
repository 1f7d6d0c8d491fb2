import type { PeerMessage } from "../../shared/protocol/messages.js";
import { type Clients, prepare } from "./clients.js";
import { fakeKeys } from "./fake-crypto.js";
import { admitterDies } from "./faults/admitter-dies.js";
import { allLinks, cut, isDurableVoter } from "./faults/fault.js";
import type { Nemesis } from "./nemesis.js";
import type { SimNode } from "./node.js";
import type { Random } from "./random.js";
import type { Readers } from "./readers.js";
import { rememberedVerdicts } from "./verdicts.js";
import { verifyAll } from "./verify-log.js";
import { check, noteError } from "./violation.js";
import type { World } from "./world.js";

/** Late messages of the faulty time may still arrive, stalled candidates run once more, learners be admitted. */
const LEADER_TIMEOUTS = 14;
const SETTLED_TIMEOUTS = 4;
/** So long a leader waits for its own block to be committed. */
const STUCK_TIMEOUTS = 4;
/** A block with one event, about. */
const SMALL_BLOCK_BYTES = 400;

/** The phase after the faults: I11, I12, and the same log on every node. */
export class Liveness {
  recoveryMs = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly users: { readonly clients: Clients; readonly readers: Readers },
    private readonly nemesis: Nemesis,
  ) {}

  private get timeoutMs(): number {
    return Math.max(...this.world.nodes.map((node) => node.electionTimeoutMs));
  }

  /** Faults end for a random majority, and the others stay broken: the majority goes on. */
  majority(): void {
    const { world, random } = this;
    const quorum = Math.floor(world.nodes.length / 2) + 1;
    this.nemesis.healAll();
    for (const node of world.nodes) node.resume();
    if (world.nodes.length < 3 || random.chance(0.3)) return;
    if (random.chance(0.15) && this.withoutAdmitter()) return;
    let apart = random.chance(0.25) ? this.cutFromLeader() : null;
    // The leader that one of them is cut from stays with the majority.
    let voters = random
      .shuffled(world.nodes)
      .filter((node) => isDurableVoter(node) && node !== apart?.node)
      .sort((a, b) => Number(b === apart?.leader) - Number(a === apart?.leader));
    if (voters.length < quorum && apart !== null) {
      // Beside one that must not count it is needed.
      apart.undo();
      apart = null;
      voters = random.shuffled(world.nodes).filter(isDurableVoter);
    }
    if (voters.length < quorum) return;
    const undo = apart === null ? [] : [apart.undo];
    const healthy = voters.slice(0, random.between(quorum, voters.length));
    const broken = world.nodes.filter((node) => !healthy.includes(node));
    for (const node of broken) if (node !== apart?.node) undo.push(this.breakFor(node, healthy));
    if (apart !== null) this.nemesis.arises("partly");
    // Nodes that should not lead must, if nobody else can; to a leader whose disk hangs they are nobody to hand over to.
    const hangs = broken.some((node) => node.store.behaviour.isStalled);
    if (!hangs && random.chance(0.15)) {
      const late = random.some(healthy, 0.8);
      for (const node of late) node.input({ kind: "campaigns_late", isLate: true });
      undo.push(() => {
        for (const node of late) node.input({ kind: "campaigns_late", isLate: false });
      });
    }
    world.trace.add(`a majority is healed: ${healthy.map((node) => node.id).join(" ")}`);
    this.goesOn(healthy, 14);
    for (const node of broken) this.checkLead(node, healthy);
    for (const end of undo) end();
  }

  /** I11: a leader dies as it has told a learner of its admission, and stays dead. False where it did not come to that. */
  private withoutAdmitter(): boolean {
    const { world, random, timeoutMs } = this;
    if (!world.runUntil(() => this.isLed(world.nodes), LEADER_TIMEOUTS * timeoutMs)) return false;
    world.run(timeoutMs);
    const dead = admitterDies(world, random, 6 * timeoutMs);
    if (dead === null) return false;
    this.nemesis.arises("admitter-dies");
    this.goesOn(
      world.nodes.filter((node) => node !== dead),
      14,
    );
    dead.start();
    return true;
  }

  /** I10: one that a majority does not answer stops to say that it leads. */
  private checkLead(node: SimNode, healthy: readonly SimNode[]): void {
    const { network } = this.world;
    const answers = healthy.filter(({ id }) => !network.isCut(id, node.id) && !network.isCut(node.id, id));
    const mayLead = answers.length > 0 || !node.isUp || node.isPaused;
    check(mayLead || node.standing.role !== "leader", "I10", () => `${node.id} leads, and nobody answers it`);
  }

  /**
   * One hears the others and not the leader: it must leave the leader alone. The one that ranks lowest, as it takes over
   * from nobody: the leader stays where the others hear it. Null when it cannot be made so.
   */
  private cutFromLeader(): { node: SimNode; leader: SimNode; undo: () => void } | null {
    const { world } = this;
    const node = world.nodes.reduce((lowest, it) => (this.rank(it) < this.rank(lowest) ? it : lowest));
    const isLed = (): boolean => this.isLed(world.nodes);
    if (!world.runUntil(isLed, LEADER_TIMEOUTS * this.timeoutMs)) return null;
    // One that was cut off until now steps down at the end of its timeout, though the others follow it again.
    world.run(this.timeoutMs);
    if (!isLed()) return null;
    if (node === world.leader) {
      node.input({ kind: "hand_over", target: null });
      world.runUntil(() => isLed() && node !== world.leader, 2 * this.timeoutMs);
    }
    const { leader } = world;
    if (leader === undefined || leader === node || !isDurableVoter(leader)) return null;
    const links = allLinks(world).filter((link) => link.includes(node.id) && link.includes(leader.id));
    const undo = cut(world, links);
    world.trace.add(`${node.id} stays cut from the leader`);
    return undo === null ? null : { node, leader, undo };
  }

  private breakFor(node: SimNode, healthy: readonly SimNode[]): () => void {
    const { world, random } = this;
    const links = allLinks(world).filter((link) => link.includes(node.id));
    const withHealthy = (id: string): boolean => healthy.some((other) => other.id === id);
    const how = random.pick(["dead", "paused", "isolated", "deaf", "mute", "stalled", "full"] as const);
    world.trace.add(`${node.id} stays ${how}`);
    switch (how) {
      case "dead":
        node.crash();
        return () => node.start();
      case "paused":
        node.pause();
        return () => node.resume();
      case "isolated":
        return cut(world, links) ?? (() => {});
      case "deaf":
        return (
          cut(
            world,
            links.filter(([from, to]) => to === node.id && withHealthy(from)),
          ) ?? (() => {})
        );
      case "mute":
        return (
          cut(
            world,
            links.filter(([from, to]) => from === node.id && withHealthy(to)),
          ) ?? (() => {})
        );
      case "stalled":
      case "full": {
        const what = how === "full" ? "isFull" : "isStalled";
        node.store.behaviour[what] = true;
        return () => {
          node.store.behaviour[what] = false;
          node.store.next();
        };
      }
    }
  }

  /** All faults end for all. */
  all(): void {
    const { world } = this;
    this.nemesis.healAll();
    const healedAt = world.scheduler.now;
    this.users.clients.isStopped = true;
    this.users.readers.isStopped = true;
    if (world.nodes.length > 1) this.hinderBlocks();
    this.failHandOver();
    this.goesOn(world.nodes, 4);
    this.recoveryMs = Math.max(0, this.ledAt - healedAt);
    this.verifyAltered();
    // One whose disk was exchanged copies the whole log, block by block if its limits are drawn so.
    const blocks = world.checkers.history.committed.length;
    const isLevel = world.runUntil(() => this.isLevel(world.nodes), 10 * this.timeoutMs + 30 * blocks);
    check(isLevel, "I11", () => `the nodes are not level: ${this.standing(world.nodes)}`);
    world.checkers.ledger.finish(world.nodes.map((node) => node.disk));
    this.users.readers.finish(10 * this.timeoutMs);
    // Beside entries that were altered others decide what filters find: nobody looks into what its server searches by.
    const isWhole = (node: SimNode): boolean => node.disk.isIndexWhole || world.checkers.tampering.isIndexInDoubt(node);
    const areWhole = world.runUntil(() => world.nodes.every(isWhole), 10 * this.timeoutMs);
    check(areWhole, "I10", () => "an index is not whole though nothing hinders it");
    for (const node of world.nodes) world.checkers.index.atRest(node, { isOpened: false });
  }

  private ledAt = 0;

  /** I11: a leader that hands over to one that is never told goes on after one election timeout. */
  private failHandOver(): void {
    const { world, timeoutMs } = this;
    if (this.random.chance(0.6) || !world.runUntil(() => this.isLed(world.nodes), LEADER_TIMEOUTS * timeoutMs)) return;
    const loses = ({ body }: PeerMessage): boolean => body.kind !== "run_now";
    world.interceptors.add(loses);
    world.leader?.input({ kind: "hand_over", target: null });
    world.run(1.3 * timeoutMs);
    world.interceptors.delete(loses);
  }

  /** I11: the blocks of a leader are lost for good, and nothing else is; or each takes some election timeouts. */
  private hinderBlocks(): void {
    const { world, random, timeoutMs } = this;
    const how = random.pick(["lost", "slow", "as ever"] as const);
    if (how === "as ever" || !world.runUntil(() => this.isLed(world.nodes), LEADER_TIMEOUTS * timeoutMs)) return;
    const { leader } = world;
    const others = world.nodes.filter((node) => node !== leader && isDurableVoter(node));
    const level = others.filter((node) => this.isAgreed([node]));
    const quorum = Math.floor(world.nodes.length / 2) + 1;
    // Those who are to elect another, or to take a block.
    if (leader === undefined || (how === "lost" ? others.length < quorum : level.length < quorum - 1)) return;
    world.trace.add(`the blocks of ${leader.id} are ${how}`);
    let undoes: (() => void) | null = how === "lost" ? this.loseBlocks(leader) : this.slowDown(leader);
    const committed = world.checkers.history.committed.length;
    // What is refused, as others wait or the time is up, is tried again.
    const write = (): void => {
      if (undoes === null || !leader.isUp) return;
      leader.write({ events: prepare(random, { source: "hindered" }) }, ({ kind }) => {
        if (kind !== "written") world.scheduler.after(timeoutMs / 4, write);
      });
    };
    write();
    const bound = (LEADER_TIMEOUTS + STUCK_TIMEOUTS) * timeoutMs;
    const goesOn = world.runUntil(() => world.checkers.history.committed.length > committed, bound);
    check(goesOn, "I11", () => `nothing was committed while the blocks of ${leader.id} were ${how}, for ${bound} ms`);
    undoes();
    undoes = null;
  }

  private loseBlocks(leader: SimNode): () => void {
    const loses = ({ from, blocks }: PeerMessage): boolean => from !== leader.id || blocks.length === 0;
    this.world.interceptors.add(loses);
    return () => this.world.interceptors.delete(loses);
  }

  private slowDown(leader: SimNode): () => void {
    const { network, nodes } = this.world;
    for (const { id } of nodes) network.narrow(leader.id, id, SMALL_BLOCK_BYTES / (2.5 * this.timeoutMs));
    return () => {
      for (const { id } of nodes) network.widen(leader.id, id);
    };
  }

  /** `nodes` follow one leader, which may be a broken one that still answers, and each of them takes a write. */
  private goesOn(nodes: readonly SimNode[], probeTimeouts: number): void {
    const { world, timeoutMs } = this;
    const { checkers } = world;
    const bound = LEADER_TIMEOUTS * timeoutMs;
    const hasLeader = world.runUntil(() => this.isLed(nodes), bound);
    check(hasLeader, "I11", () => `no leader that all know, ${bound} ms after the last fault: ${this.standing(nodes)}`);
    this.ledAt = world.scheduler.now;
    world.run(SETTLED_TIMEOUTS * timeoutMs);
    // A takeover may be under way just now; or the leader's disk turned out to be full, and the others campaign late.
    const areLate = nodes.some((node) => node.process?.campaignsLate === true || node.isClockOff);
    const isStillLed = world.runUntil(() => this.isLed(nodes), areLate ? bound : 2 * timeoutMs);
    check(isStillLed, "I12", () => `the leader was lost again in the calm: ${this.standing(nodes)}`);
    const earlier = this.leaderOf(world.nodes);
    const elections = checkers.elections.elections;
    // A leader whose index turns out to be lost hands over.
    const isSound = world.nodes.every(({ disk }) => disk.altered.size === 0 && disk.isIndexWhole);
    for (const node of nodes) this.users.clients.probe(node.id, probeTimeouts * timeoutMs);
    const isLevel = world.runUntil(() => this.isAgreed(nodes) && this.isLed(nodes), 10 * timeoutMs);
    check(isLevel, "I11", () => `the nodes are not level: ${this.standing(nodes)}`);
    const saysSo = ({ process }: SimNode): boolean => process?.driver.standing()?.hasQuorum === true;
    const isSaid = world.runUntil(() => nodes.every(saysSo), 2 * timeoutMs);
    check(isSaid, "I10", () => `a node says that no leader stands behind it: ${this.standing(nodes)}`);
    // One that finds a block of its own unsound hands over, or ends.
    if (isSound && earlier !== undefined && nodes.includes(earlier))
      this.checkSteadiness(nodes, earlier, checkers.elections.elections - elections);
  }

  /** I12: in the calm nobody is elected, unless a preferred node took over; each can do so once. */
  private checkSteadiness(nodes: readonly SimNode[], earlier: SimNode | undefined, elections: number): void {
    const leader = this.leaderOf(this.world.nodes);
    const isSteady =
      elections === 0
        ? leader === earlier
        : leader !== undefined && earlier !== undefined && this.rank(leader) > this.rank(earlier);
    check(
      isSteady && elections < nodes.length,
      "I12",
      () => `${elections} elections in the calm: ${earlier?.id} led, now ${leader?.id} does`,
    );
  }

  private rank(node: SimNode): number {
    return node.around.configured.find((member) => member.id === node.id)?.priority ?? 0;
  }

  private leaderOf(nodes: readonly SimNode[]): SimNode | undefined {
    let best: SimNode | undefined;
    for (const node of nodes)
      if (node.standing.role === "leader" && (best === undefined || node.standing.term > best.standing.term))
        best = node;
    return best;
  }

  private isLed(nodes: readonly SimNode[]): boolean {
    const leader = this.leaderOf(this.world.nodes);
    return leader !== undefined && nodes.every((node) => node.standing.leaderId === leader.id);
  }

  /** The heads are equal. */
  private isAgreed(nodes: readonly SimNode[]): boolean {
    const committed = this.world.checkers.history.committed.length;
    return nodes.every((node) => node.isUp && node.commitHeight === committed);
  }

  private isLevel(nodes: readonly SimNode[]): boolean {
    return this.isAgreed(nodes) && nodes.every((node) => node.tailHeight === node.commitHeight && !node.view.isLearner);
  }

  private standing(nodes: readonly SimNode[]): string {
    return nodes
      .map((node) => {
        if (!node.isUp) return `${node.id} down`;
        const { role, term, commitHeight, tailHeight, isLearner, leaderId } = node.view;
        return `${node.id} ${role} t${term} of ${leaderId}, commit ${commitHeight} tail ${tailHeight}${isLearner ? " learner" : ""}`;
      })
      .join("; ");
  }

  /** I8: the verification pass finds what was altered and never read; a person then replaces the node's data. */
  private verifyAltered(): void {
    const { world, random } = this;
    for (const node of world.nodes) {
      const { altered } = node.disk;
      const { process } = node;
      if (altered.size === 0 || process === null) continue;
      const lowest = Math.min(...altered.keys());
      const isCommitted = lowest <= node.view.commitHeight;
      let invalidAt: number | null = null;
      let isOver = false;
      verifyAll({
        log: process.storage.log,
        verifyBlock: rememberedVerdicts,
        clock: process,
        commitHeight: () => process.driver.view()?.commitHeight ?? null,
        onInvalidBlock: (at, detail) => {
          invalidAt = at;
          node.onInvalidBlock(at, detail);
        },
      })
        .catch(noteError)
        .finally(() => {
          isOver = true;
        });
      world.runUntil(() => isOver || !node.isUp, 20 * this.timeoutMs);
      // The block after one that hangs together is the first that does not follow.
      const isThere = invalidAt === lowest || (node.disk.copied.has(lowest) && invalidAt === lowest + 1);
      const isFound = isThere || !node.isUp || !isCommitted;
      check(isFound, "I8", () => `${node.id}: a verification pass did not find altered block ${lowest}`);
      node.crash();
      world.checkers.commits.onDiskLoss(node);
      node.disk.wipe(random.hex(16), fakeKeys(random));
      node.start();
    }
  }
}
