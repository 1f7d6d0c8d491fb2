import type { Effect } from "../../cluster/types.js";
import type { NodeId, Term } from "../../shared/ids.js";
import { NOTICES_MAX } from "../../shared/limits.js";
import type { Block } from "../../shared/log/block.js";
import { hashHeader } from "../../shared/log/block.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { AnswerTo, ElectionMessage } from "../../shared/protocol/requests.js";
import type { ElectionList, ElectionRecord } from "./log-port.js";
import { notReady, type Parts } from "./parts.js";

/** Terms in which writes were refused; the oldest are forgotten. */
const TERMS_MAX = 1_000;

/**
 * How many writes this node refused for want of a leader, by the term of the leader that it knew next. In memory only,
 * as long as this process lives.
 */
export class RefusedWrites {
  private readonly byTerm = new Map<Term, number>();
  private sinceLeader = 0;
  private knownTerm: Term | null = null;

  onLeader(leaderId: NodeId | null, term: Term): void {
    this.knownTerm = leaderId === null ? null : term;
    if (leaderId === null || this.sinceLeader === 0) return;
    this.add(term, this.sinceLeader);
    this.sinceLeader = 0;
  }

  /** A write whose time ended after the next leader was found was still refused because of that election. */
  count(): void {
    if (this.knownTerm === null) this.sinceLeader += 1;
    else this.add(this.knownTerm, 1);
  }

  of(term: Term | number): number {
    return this.byTerm.get(term as Term) ?? 0;
  }

  private add(term: Term, count: number): void {
    this.byTerm.set(term, this.of(term) + count);
    if (this.byTerm.size > TERMS_MAX) this.byTerm.delete(Math.min(...this.byTerm.keys()) as Term);
  }
}

/** The ELECTION and ALIVE messages that reached this node, the newest of them: in memory only, as long as this process lives. */
export class BullyMessages {
  private kept: ElectionMessage[] = [];

  onMessage({ from, to, body: { kind } }: Pick<PeerMessage, "from" | "to" | "body">, wall: () => string): void {
    if (kind !== "election" && kind !== "alive") return;
    this.kept = [{ at: wall(), kind, from, to }, ...this.kept].slice(0, NOTICES_MAX);
  }

  /** The newest first. */
  get all(): readonly ElectionMessage[] {
    return this.kept;
  }
}

type Election = Omit<ElectionRecord, "writesRefused">;

/** What a block that opens a term says of its election; null for any other block. */
export function electionIn({ header }: Block): Election | null {
  const { control, term, leaderId, height, sealedAt } = header;
  if (control?.kind !== "term_started" && control?.kind !== "genesis") return null;
  const election = control.kind === "term_started" ? control.election : undefined;
  return {
    term,
    leaderId,
    height,
    at: sealedAt,
    reason: control.kind === "genesis" ? "genesis" : (election?.reason ?? null),
    previousLeader: election?.previousLeader ?? null,
    votes: election?.votes ?? [],
    tookMs: election?.tookMs ?? null,
    handOver: election !== undefined && election.reason !== "no_leader",
  };
}

/** The elections that the log remembers, and what each cost in refused writes. */
export class Elections {
  private readonly refused = new RefusedWrites();
  private readonly messages = new BullyMessages();

  constructor(
    private readonly parts: Parts,
    private readonly onElected: (election: Election) => void,
  ) {
    parts.peers.handle("election-notes", async ({ terms }) => this.notesOf(terms));
  }
  private notesOf(terms: readonly number[]): AnswerTo<"election-notes"> {
    return { counts: terms.map((term) => this.refused.of(term)), messages: [...this.messages.all] };
  }

  onMessage(message: PeerMessage): void {
    this.messages.onMessage(message, () => this.parts.clock.wall());
  }

  onRefused(): void {
    this.refused.count();
  }
  onEffect(effect: Effect): void {
    if (effect.kind === "role_changed") this.refused.onLeader(effect.leaderId, effect.term);
    if (effect.kind !== "committed") return;
    for (const { block } of effect.blocks) {
      const election = electionIn(block);
      if (election !== null) this.onElected(election);
    }
  }

  /** The newest first, of this node's committed log. */
  async list(limit: number): Promise<ElectionList> {
    const { driver, storage, peers, config, logger } = this.parts;
    const view = driver.view();
    if (view === null) throw notReady("This node's database is being recovered. Ask another node, or again shortly.");
    const stored = await storage.log.readElectionBlocks(view.commitHeight, Math.min(limit, NOTICES_MAX));
    const elections: Election[] = [];
    for (const { block } of stored) {
      // What was not committed is never served; the scheduled verification raises the alert.
      const isSound = hashHeader(block.header) === block.blockHash && (await driver.log.isCommitted(block));
      if (!isSound) logger.error({ height: block.header.height }, "an election is left out: its header was altered");
      const election = isSound ? electionIn(block) : null;
      if (election !== null) elections.push(election);
    }
    const terms = elections.map(({ term }) => term);
    const others = await peers.askAll("election-notes", { terms });
    const all = [{ peer: config.nodeId, answer: this.notesOf(terms) }, ...others];
    return {
      elections: elections.map((election, i) => ({ ...election, writesRefused: refusedBy(all, i) })),
      messages: all
        .flatMap(({ answer }) => answer?.messages ?? [])
        .sort((a, b) => (a.at < b.at ? 1 : -1))
        .slice(0, NOTICES_MAX),
      unreachable: others.filter(({ answer }) => answer === null).map(({ peer }) => peer),
    };
  }
}

/** Only nodes that refused some: of what was before its start a node knows nothing, and does not say "none". */
function refusedBy(nodes: readonly { peer: NodeId; answer: { counts: readonly number[] } | null }[], at: number) {
  const counts = nodes.map(({ peer, answer }): [NodeId, number] => [peer, answer?.counts[at] ?? 0]);
  return Object.fromEntries(counts.filter(([, count]) => count > 0).sort());
}
