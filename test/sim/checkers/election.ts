import type { HardState } from "../../../cluster/types.js";
import { ZERO_HASH } from "../../../shared/hash.js";
import type { HashHex, NodeId } from "../../../shared/ids.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { CommittedEntry, History } from "./history.js";

interface Leadership {
  /** Node and boot: a restarted node is another leader. */
  readonly who: string;
  /** The durable tail with which it was elected. */
  readonly tip: HashHex;
}

/** I1, I3 (leader completeness) and I6. */
export class ElectionChecker {
  private readonly leaders = new Map<number, Leadership>();
  /** Durable votes by node, join and term. */
  private readonly votes = new Map<string, NodeId>();
  private readonly terms = new Map<string, number>();
  private readonly joins = new Map<SimNode, string>();
  private readonly seen = new Map<SimNode, HardState>();

  /** Durable votes by term. */
  private readonly votesOf = new Map<number, { voter: NodeId; candidate: NodeId; nonce: string }[]>();

  constructor(
    private readonly history: History,
    private readonly nodes: () => readonly SimNode[],
  ) {}

  hasLed(term: number, id: NodeId): boolean {
    return this.leaders.get(term)?.who.startsWith(`${id},`) === true;
  }

  /** Before there is a log: all begin anew, with empty disks, and in the first term. */
  beginAnew(): void {
    for (const known of [this.leaders, this.votes, this.terms, this.joins, this.seen, this.votesOf]) known.clear();
  }

  get elections(): number {
    return this.leaders.size;
  }

  /** I1: at most one leader in a term. I3: it has all that terms before its own committed. */
  onLeader(node: SimNode, term: number): void {
    const who = `${node.id}, boot ${node.boot}`;
    const known = this.leaders.get(term);
    if (known !== undefined) {
      check(known.who === who, "I1", () => `term ${term} has two leaders: ${known.who} and ${who}`);
      return;
    }
    let tip: HashHex = ZERO_HASH;
    // What somebody planted above the node's own blocks is not what it was elected with.
    for (let at: number = node.disk.tailHeight; at > 0 && tip === ZERO_HASH; at--) {
      const hash = node.disk.at(at)?.block.blockHash;
      if (hash !== undefined && this.history.knows(hash)) tip = hash;
    }
    this.leaders.set(term, { who, tip });
    const { members } = node.disk.chainAt(node.disk.soundTailHeight);
    const counted = (this.votesOf.get(term) ?? []).filter(
      ({ voter, candidate, nonce }) =>
        candidate === node.id && (members.size === 0 || members.get(voter)?.joinNonce === nonce),
    );
    const votes = [...new Set(counted.map(({ voter }) => voter))];
    check(
      2 * votes.length > this.nodes().length,
      "I1",
      () => `${who} leads term ${term} with the votes of ${votes.join(", ") || "nobody"}`,
    );
    const newest = this.history.committed.findLast((entry) => entry.committedIn < term);
    if (newest !== undefined) this.mustContain(term, newest);
  }

  /** A commit that becomes known after a later leader was elected. */
  onCommitted(entry: CommittedEntry): void {
    for (const term of this.leaders.keys()) if (term > entry.committedIn) this.mustContain(term, entry);
  }

  private mustContain(term: number, { hash, block, committedIn }: CommittedEntry): void {
    const { height } = block.block.header;
    const leader = this.leaders.get(term);
    check(
      leader !== undefined && this.history.contains(leader.tip, hash, height),
      "I3",
      () => `${leader?.who} leads term ${term} without block ${height}, which term ${committedIn} committed`,
    );
  }

  /** I6: one vote a (node, term), which is not taken back; the term never goes back. */
  onHardState(node: SimNode, state: HardState): void {
    if (this.seen.get(node) === state) return;
    this.seen.set(node, state);
    const join = `${node.id}/${state.joinNonce}`;
    this.onJoin(node, state.joinNonce);
    check(state.term >= (this.terms.get(join) ?? 0), "I6", () => `the durable term of ${node.id} went back`);
    this.terms.set(join, state.term);
    const vote = this.votes.get(`${join}/${state.term}`);
    check(
      vote === undefined || vote === state.votedFor,
      "I6",
      () => `${node.id} voted for ${vote} in term ${state.term}, and its disk now says ${state.votedFor}`,
    );
    if (state.votedFor === null || vote === state.votedFor) return;
    this.votes.set(`${join}/${state.term}`, state.votedFor);
    const votes = this.votesOf.get(state.term) ?? [];
    votes.push({ voter: node.id, candidate: state.votedFor, nonce: state.joinNonce });
    this.votesOf.set(state.term, votes);
  }

  /** I11: only a node that lost something gives up its vote, or one that has not been admitted since. */
  private onJoin(node: SimNode, nonce: string): void {
    const before = this.joins.get(node);
    this.joins.set(node, nonce);
    if (before === undefined || before === nonce) return;
    const { lostSomething } = node.disk;
    node.disk.lostSomething = false;
    const isVoter = this.history.latestNonce(node.id) === before;
    check(lostSomething || !isVoter, "I11", () => `${node.id} gives up its vote, and has lost nothing`);
  }

  /** A database that was set back by a fault: what it said is gone with it. */
  hasDurableVote(node: SimNode, term: number, candidate: NodeId): boolean {
    return this.votes.get(`${node.id}/${node.disk.hardState?.joinNonce}/${term}`) === candidate;
  }
}
