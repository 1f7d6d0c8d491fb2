import type { Maintenance } from "../../shared/log/control.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";
import { sleep } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import type { LogMaintenance } from "./log-port.js";
import { LEADER_POLL_MS, noLeader, type Parts, PEER_ANSWER_MS_MAX, unavailable } from "./parts.js";

/** A block that says so is committed. */
const RECORDED_WITHIN_MS = 3_000;

/** Work on a node that persons announce: the leader has it written to the log, and alerts say it beside. */
export class MaintenanceDesk implements LogMaintenance {
  constructor(private readonly parts: Parts) {
    parts.peers.handle("maintenance", async (said) => ({ window: await this.recordHere(said) }));
  }

  windows(limit: number): MaintenanceWindow[] {
    return this.parts.incidents?.().windows.all.slice(0, limit) ?? [];
  }

  async record(said: Maintenance): Promise<MaintenanceWindow> {
    const { driver, config, peers } = this.parts;
    const leaderId = driver.view()?.leaderId ?? null;
    if (leaderId === null) throw noLeader(driver, "No leader is known: no maintenance can be recorded now.");
    if (leaderId === config.nodeId) return this.recordHere(said);
    try {
      const timeoutMs = RECORDED_WITHIN_MS + PEER_ANSWER_MS_MAX;
      const reply = await peers.request(leaderId, "maintenance", said, { timeoutMs });
      if (reply.kind === "answered") return reply.answer.window;
      throw reply.kind === "refused" ? new ProblemError("maintenance_conflict", reply.detail) : noWord(leaderId);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      throw noWord(leaderId);
    }
  }

  /** Resolves once it is committed. The same words again are the same window. */
  private async recordHere(said: Maintenance): Promise<MaintenanceWindow> {
    const { driver, config, clock, incidents } = this.parts;
    const view = driver.view();
    const refuse = (why: string): ProblemError =>
      new ProblemError("maintenance_conflict", `${why} No maintenance was recorded.`);
    if (view?.role !== "leader" || incidents === undefined) throw refuse(`${config.nodeId} does not lead.`);
    if (!view.members.some(({ id }) => id === said.node)) throw refuse(`${said.node} is not a member of this cluster.`);
    const deadline = clock.now() + RECORDED_WITHIN_MS;
    if (incidents().windows.find(said) === null)
      driver.submit({ kind: "log_maintenance", now: clock.now(), wall: clock.wall(), window: said });
    for (;;) {
      const recorded = incidents().windows.find(said);
      if (recorded !== null) return recorded;
      if (clock.now() > deadline) throw noWord(config.nodeId);
      await sleep(clock, LEADER_POLL_MS);
    }
  }
}

const noWord = (leaderId: string): ProblemError =>
  unavailable(
    `The leader ${leaderId} has not said that the maintenance is recorded; GET /api/v1/cluster/maintenance shows it. Ask again if it has not.`,
  );
