import type { NodeId } from "../../../shared/ids.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { ElectionChecker } from "./election.js";

const RULE = "persist-before-send";
/** So long a leader waits for its own block to be committed. */
const STUCK_TIMEOUTS = 4;

/** Whatever a node says must already be on its disk at the moment at which it says it. */
export class PromiseChecker {
  /** Who sent what came with a reference, by node: an answer goes back on the connection of its question. */
  private readonly references = new Map<SimNode, Map<number, NodeId>>();

  private readonly freezes = new Map<SimNode, { term: number; tailHeight: number; until: number }>();
  /** As leaders say. */
  private readonly commits = new Map<SimNode, { height: number; at: number }>();

  constructor(
    private readonly elections: ElectionChecker,
    private readonly nodes: () => readonly SimNode[],
  ) {}

  /** The join with which each has said in this life that it is a voter. */
  private readonly voters = new Map<SimNode, string>();

  onBoot(node: SimNode): void {
    this.voters.delete(node);
    this.references.set(node, new Map());
    this.freezes.delete(node);
    this.commits.delete(node);
  }

  onReceive(node: SimNode, message: PeerMessage, ref: number | undefined): void {
    if (ref !== undefined) this.references.get(node)?.set(ref, message.from);
  }

  onSend(node: SimNode, message: PeerMessage, ref: number | undefined): void {
    const { body } = message;
    // Its database was exchanged or went away just now, and it has not heard of that yet.
    if (node.isDoubtful) return;
    check(
      ref === undefined || this.references.get(node)?.get(ref) === message.to,
      "reference",
      () => `${node.id} answers ${message.to} on a connection that is not its own`,
    );
    const state = node.disk.hardState;
    // A stored block proves its term as well: recovery never starts below it.
    const durableTerm = Math.max(state?.term ?? 0, node.disk.at(node.disk.soundTailHeight)?.block.header.term ?? 0);
    check(state !== null && message.term <= durableTerm, RULE, () => {
      return `${node.id} speaks in term ${message.term}, and its disk is in ${durableTerm}`;
    });
    check(message.from === node.id, RULE, () => `${node.id} speaks as ${message.from}`);
    switch (body.kind) {
      case "vote":
        this.voted(node, message.term, node.id);
        this.offersDurableTail(node, message.term, body.tail);
        return;
      case "pre_vote":
      case "election":
        this.offersDurableTail(node, message.term, body.tail);
        return;
      case "vote_answer":
        if (body.isGranted) this.voted(node, message.term, message.to);
        check(body.joinNonce === state.joinNonce, RULE, () => `${node.id} signs with a join nonce that is not stored`);
        return;
      case "append":
        this.voted(node, message.term, node.id);
        this.keepsFreeze(node, message);
        this.noteCommit(node, body.commitHeight);
        return;
      case "run_now":
        this.handsOver(node, message);
        return;
      case "append_answer":
        check(
          body.joinNonce === state.joinNonce,
          RULE,
          () => `${node.id} answers with a join nonce that is not stored`,
        );
        if (body.isVoter) this.isVoter(node, state.joinNonce);
        if (body.result === "ok")
          check(
            body.matchHeight <= node.disk.tailHeight,
            RULE,
            () => `${node.id} acknowledges ${body.matchHeight}; its disk ends at ${node.disk.tailHeight}`,
          );
        return;
      default:
        return;
    }
  }

  /** When nothing waited last, or something was committed. */
  private noteCommit(node: SimNode, height: number): void {
    const isNews = this.commits.get(node)?.height !== height || node.disk.tailHeight <= height;
    if (isNews) this.commits.set(node, { height, at: node.now });
  }

  /**
   * I12: a leader that hands over and goes on leading has brought its successor level first; but for one whose blocks have
   * not come through for four timeouts, which cannot.
   */
  private handsOver(node: SimNode, message: PeerMessage): void {
    if (node.process?.driver.standing()?.role !== "leader") return;
    const { tailHeight } = node;
    const stuckMs = node.now - (this.commits.get(node)?.at ?? node.now);
    if (stuckMs >= STUCK_TIMEOUTS * node.electionTimeoutMs) return;
    const tip = node.disk.at(tailHeight)?.block.blockHash;
    const theirs = this.nodes().find(({ id }) => id === message.to)?.disk;
    // What it acknowledged and lost since, its leader cannot know.
    check(
      theirs?.hasLost === true || (tip !== undefined && theirs?.at(tailHeight)?.block.blockHash === tip),
      "I12",
      () => `${node.id} tells ${message.to} to run, which does not hold its block ${tailHeight}`,
    );
    const until = node.handsOverSince + node.electionTimeoutMs;
    this.freezes.set(node, { term: message.term, tailHeight, until });
  }

  /** I12: nothing is sealed from then on until the hand-over is over. */
  private keepsFreeze(node: SimNode, message: PeerMessage): void {
    const freeze = this.freezes.get(node);
    if (freeze === undefined || freeze.term !== message.term || node.now >= freeze.until) return;
    const newest = message.blocks.at(-1)?.header.height ?? 0;
    check(newest <= freeze.tailHeight, "I12", () => `${node.id} seals block ${newest} while it hands over`);
  }

  /** Started again from what its disk and its file hold, it would be one still. */
  private isVoter(node: SimNode, joinNonce: string): void {
    if (this.voters.get(node) === joinNonce) return;
    this.voters.set(node, joinNonce);
    const { disk } = node;
    const { members } = disk.chainAt(disk.knownCommitHeight);
    const founders = disk.hardState?.forming?.find(({ id }) => id === node.id);
    const admitted = members.size > 0 ? members.get(node.id) : founders;
    // What was altered or taken away says something else, and its node has not found that out yet.
    const isSound = disk.altered.size === 0 && !disk.isDoubtful;
    check(
      !isSound || admitted?.joinNonce === joinNonce,
      RULE,
      () => `${node.id} says that it is a voter, and would be none if it started again`,
    );
  }

  private voted(node: SimNode, term: number, candidate: string): void {
    check(
      this.elections.hasDurableVote(node, term, candidate),
      RULE,
      () => `${node.id} acts on a vote for ${candidate} in term ${term} that is not durable`,
    );
  }

  private offersDurableTail(node: SimNode, term: number, tail: { term: number; height: number }): void {
    // What waited for a slow disk leaves as late as if the network had kept it: nobody's answer makes it a leader any more.
    if (node.standing.term !== term || node.standing.role === "follower") return;
    const stored = node.disk.at(tail.height);
    check(
      tail.height === 0 || stored?.block.header.term === tail.term,
      RULE,
      () => `${node.id} offers a tail of term ${tail.term}, height ${tail.height}; its disk has another`,
    );
  }
}
