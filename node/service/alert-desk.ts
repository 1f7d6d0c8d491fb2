import type { JsonObject } from "../../shared/canonical.js";
import type { NodeId } from "../../shared/ids.js";
import { NOTICES_MAX } from "../../shared/limits.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import type { AnswerOf } from "../../shared/protocol/requests.js";
import { PeerError } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import type { AlertRecord } from "../storage/port.js";
import type { AlertList, LogAlerts } from "./log-port.js";
import { notReady, type Parts } from "./parts.js";

/** A bundle has megabytes, which are read from a database and from peers. */
const EVIDENCE_MS_MAX = 10_000;

type NodeAlerts = AnswerOf<"alerts">;

/** Alerts of all nodes: each is kept by the node that found it, and any node answers for all. */
export class AlertDesk implements LogAlerts {
  constructor(private readonly parts: Parts) {
    const { peers } = parts;
    peers.handle("alerts", ({ limit }) => this.own(limit));
    peers.handle("alert", async ({ id }) => ({ alert: await parts.storage.alerts.get(id) }));
    peers.handle("evidence", async ({ id }) => ({
      bundle: (await this.ownEvidence(id)) as unknown as JsonObject | null,
    }));
  }

  private async own(limit: number): Promise<NodeAlerts> {
    const { alerts } = this.parts.storage;
    const [newest, count] = await Promise.all([alerts.list(limit), alerts.count()]);
    return { alerts: newest, count };
  }

  async alert(id: string): Promise<AlertRecord | null> {
    const own = await this.parts.storage.alerts.get(id).catch(() => null);
    if (own !== null) return own;
    const others = await this.parts.peers.askAll("alert", { id });
    return others.map(({ answer }) => answer?.alert ?? null).find((alert) => alert !== null) ?? null;
  }

  async alerts(limit: number): Promise<AlertList> {
    const own = await this.own(Math.min(limit, NOTICES_MAX)).catch(() => null);
    const others = await this.parts.peers.askAll("alerts", { limit });
    const told = [own, ...others.map(({ answer }) => answer)].filter((answer) => answer !== null);
    const found = told.flatMap(({ alerts }) => alerts);
    const count = told.reduce((sum, one) => sum + one.count, 0);
    const unreachable = others.filter(({ answer }) => answer === null).map(({ peer }) => peer);
    found.sort((a, b) => (a.openedAt < b.openedAt ? 1 : -1));
    return {
      alerts: found.slice(0, limit),
      more: count - Math.min(limit, found.length),
      unreachable: own === null ? [this.parts.config.nodeId, ...unreachable] : unreachable,
    };
  }

  async testWebhook(): Promise<{ readonly delivered: boolean; readonly detail?: string } | null> {
    const { testWebhook } = this.parts;
    if (testWebhook === undefined) return null;
    this.testing ??= testWebhook().finally(() => {
      this.testing = null;
    });
    const fault = await this.testing;
    return fault === null ? { delivered: true } : { delivered: false, detail: fault };
  }
  /** Who asks while one is under way gets its outcome. */
  private testing: Promise<string | null> | null = null;

  // --- Evidence ------------------------------------------------------------------------------------------------------

  async evidence(id: string): Promise<EvidenceBundle | null> {
    const alert = await this.alert(id);
    if (alert === null) return null;
    if (alert.node === this.parts.config.nodeId) return this.ownEvidence(id);
    const { bundle } = await this.fromNode(alert.node, id);
    return bundle as unknown as EvidenceBundle | null;
  }

  private async fromNode(node: NodeId, id: string): Promise<AnswerOf<"evidence">> {
    try {
      const reply = await this.parts.peers.request(node, "evidence", { id }, { timeoutMs: EVIDENCE_MS_MAX });
      if (reply.kind === "answered") return reply.answer;
      if (reply.kind === "refused") throw new ProblemError("not_found", reply.detail);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
    }
    throw notReady(`The evidence is on ${node}, which has not given it. Ask again when it answers.`);
  }

  private async ownEvidence(id: string): Promise<EvidenceBundle | null> {
    const alert = await this.parts.storage.alerts.get(id);
    const { incidents } = this.parts;
    if (alert === null || incidents === undefined) return null;
    return incidents().evidence(alert);
  }
}
