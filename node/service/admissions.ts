import type { NodeId } from "../../shared/ids.js";
import type { QuestionTo } from "../../shared/protocol/requests.js";
import { sleep } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import { LEADER_POLL_MS, noLeader, type Parts, PEER_ANSWER_MS_MAX, type PeerReply, unavailable } from "./parts.js";

/** A block that says so is committed, and the node writes its mark. */
const ADMITTED_WITHIN_MS = 3_000;

/** Lets a node count that has lost what it knew: a person decides, and the leader does it. */
export class Admissions {
  constructor(private readonly parts: Parts) {
    parts.peers.handle("admit", async (request) => {
      await this.admitHere(request);
      return {};
    });
  }

  async admit(request: { node: NodeId; actor: string; reason: string }): Promise<void> {
    const leaderId = this.parts.driver.view()?.leaderId ?? null;
    if (leaderId === null) throw noLeader(this.parts.driver, "No leader is known: nobody can be admitted now.");
    if (leaderId === this.parts.config.nodeId) return this.admitHere(request);
    const reply = await this.askLeader(leaderId, request);
    if (reply.kind === "none") throw noWord(leaderId, request.node);
    if (reply.kind === "refused") throw new ProblemError("admission_conflict", reply.detail);
  }

  private async askLeader(leaderId: NodeId, request: QuestionTo<"admit">): Promise<PeerReply<"admit">> {
    try {
      const timeoutMs = ADMITTED_WITHIN_MS + PEER_ANSWER_MS_MAX;
      return await this.parts.peers.request(leaderId, "admit", request, { timeoutMs });
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      throw noWord(leaderId, request.node);
    }
  }

  /** Resolves once the node counts: its admission is committed, and it has said that it knows. */
  private async admitHere(request: { node: NodeId; actor: string; reason: string }): Promise<void> {
    const view = this.parts.driver.view();
    // Only a leader knows who asks; what another core is told it forgets.
    if (view?.role !== "leader")
      throw new ProblemError("admission_conflict", `${this.parts.config.nodeId} does not lead: nobody was admitted.`);
    if (!view.members.some((member) => member.id === request.node))
      throw new ProblemError("admission_conflict", `${request.node.slice(0, 64)} is not a member of this cluster.`);
    if (view.peers.find((known) => known.id === request.node)?.wantsAdmission !== true) {
      const detail = `${request.node} does not ask to be admitted: it counts already, has not caught up yet, or has not been heard.`;
      throw new ProblemError("admission_conflict", detail);
    }
    const { driver, config, clock } = this.parts;
    driver.submit({ kind: "admit", now: clock.now(), wall: clock.wall(), ...request });
    const deadline = clock.now() + ADMITTED_WITHIN_MS;
    while (driver.view()?.peers.find((known) => known.id === request.node)?.isVoter !== true) {
      if (clock.now() > deadline) throw noWord(config.nodeId, request.node);
      await sleep(clock, LEADER_POLL_MS);
    }
  }
}

const noWord = (leaderId: NodeId, node: NodeId): ProblemError =>
  unavailable(
    `The leader ${leaderId} has not said that ${node} is admitted; GET /api/v1/cluster shows it. Ask again if it has not.`,
  );
