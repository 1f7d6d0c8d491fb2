import type { Effect } from "../../cluster/types.js";
import type { JsonObject } from "../../shared/canonical.js";
import type { NodeId } from "../../shared/ids.js";
import { NOTICES_MAX } from "../../shared/limits.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import type { AnswerOf, QuestionOf } from "../../shared/protocol/requests.js";
import { PeerError } from "../peers/peer-client.js";
import { ProblemError } from "../problems.js";
import { isOver } from "../storage/alert-steps.js";
import { type AlertRecord, type AlertsWanted, StoreError } from "../storage/port.js";
import type { AlertList, LogAlerts } from "./log-port.js";
import { notReady, type Parts } from "./parts.js";

/** A bundle has megabytes, which are read from a database and from peers. */
const EVIDENCE_MS_MAX = 10_000;
/** A decision is answered while what it began goes on. */
const DECIDED_MS_MAX = 10_000;

/** What one node tells another of its alerts at once. */
const ALERTS_BYTES_MAX = 4 * 1024 * 1024;
/** Alerts of one list that are asked for one by one. */
const ASKED_MAX = 16;

type NodeAlerts = AnswerOf<"alerts">;

const unasked = (silent: readonly NodeId[]): string =>
  `No node that answered has this alert; ${silent.join(" and ")} gave no answer. Ask again shortly.`;

const lastStep = ({ history = [] }: AlertRecord): number => history.at(-1)?.n ?? -1;

/** Alerts of all nodes: each is kept by the node that found it, and any node answers for all. */
export class AlertDesk implements LogAlerts {
  constructor(private readonly parts: Parts) {
    const { peers } = parts;
    peers.handle("alerts", ({ limit, wanted }) => this.own(limit, wanted));
    peers.handle("alert", async ({ id }) => ({ alert: await parts.storage.alerts.get(id) }));
    peers.handle("decide-alert", (decision) => this.decideHere(decision));
    peers.handle("evidence", async ({ id }) => ({
      bundle: (await this.ownEvidence(id)) as unknown as JsonObject | null,
    }));
  }

  /** As many as one message between nodes can have: an incident may have many differences with long values. */
  private async own(limit: number, wanted: AlertsWanted): Promise<NodeAlerts> {
    const { alerts } = this.parts.storage;
    const [newest, documents] = await Promise.all([alerts.list(limit, wanted), alerts.count(wanted)]);
    // There are no more than these, whatever others have put among them: a list that seemed cut would hide what the log has.
    const count = newest.length < limit ? newest.length : documents;
    let bytes = 0;
    const fitting = newest.findIndex((alert) => {
      bytes += JSON.stringify(alert).length;
      return bytes > ALERTS_BYTES_MAX;
    });
    return { alerts: fitting === -1 ? newest : newest.slice(0, Math.max(1, fitting)), count };
  }

  async alert(id: string): Promise<AlertRecord | null> {
    const { stored, silent } = await this.stored(id);
    const logged = this.parts.incidents?.().logged.find(id, stored?.node) ?? null;
    // A record that knows less than the log has been set back.
    if (stored !== null && (logged === null || lastStep(logged) <= lastStep(stored))) return this.shown(stored);
    // It may be the alert of one that could not be asked.
    if (logged === null && silent.length > 0) throw notReady(unasked(silent));
    return logged && this.shown(logged);
  }

  /** And the nodes that have not said whether it is theirs. */
  private async stored(id: string): Promise<{ stored: AlertRecord | null; silent: NodeId[] }> {
    const { config, storage, peers } = this.parts;
    // Null: it is not here; undefined: the database has not said so.
    const own = await storage.alerts.get(id).catch(() => undefined);
    if (own) return { stored: own, silent: [] };
    const others = await peers.askAll("alert", { id });
    // Each of its own: none speaks for another.
    const theirs = others.flatMap(({ peer, answer }) => (answer?.alert?.node === peer ? answer.alert : []));
    const silent = others.flatMap(({ peer, answer }) => (answer === null ? peer : []));
    return { stored: theirs[0] ?? null, silent: own === undefined ? [config.nodeId, ...silent] : silent };
  }

  /** With what the log says of it, and of maintenance of the node that it is about. */
  private shown(alert: AlertRecord): AlertRecord {
    const { logged, windows } = this.parts.incidents?.() ?? {};
    const inLog = logged?.placeOf(alert.node, alert.id);
    const placed = inLog === undefined ? alert : { ...alert, inLog };
    return windows?.annotated(placed) ?? placed;
  }

  async alerts(limit: number, wanted: AlertsWanted = "unresolved"): Promise<AlertList> {
    const { config, peers } = this.parts;
    const own = await this.own(Math.min(limit, NOTICES_MAX), wanted).catch(() => null);
    const others = await peers.askAll("alerts", { limit, wanted });
    const ofItsOwn = (peer: NodeId, answer: NodeAlerts | null): NodeAlerts | null =>
      answer && { ...answer, alerts: answer.alerts.filter(({ node }) => node === peer) };
    const told = new Map<NodeId, NodeAlerts | null>(others.map(({ peer, answer }) => [peer, ofItsOwn(peer, answer)]));
    told.set(config.nodeId, own);
    const found = [...told.values()].flatMap((answer) => answer?.alerts ?? []).map((alert) => this.shown(alert));
    const missing = (await this.missing(told, wanted)).map((alert) => this.shown(alert));
    found.push(...missing);
    const count = [...told.values()].reduce((sum, answer) => sum + (answer?.count ?? 0), missing.length);
    const unreachable = [...told].filter(([, answer]) => answer === null).map(([node]) => node);
    found.sort((a, b) => (a.openedAt < b.openedAt ? 1 : -1));
    return {
      alerts: found.slice(0, limit),
      more: Math.max(0, count - Math.min(limit, found.length)),
      unreachable: own === null ? [config.nodeId, ...unreachable.filter((id) => id !== config.nodeId)] : unreachable,
    };
  }

  /** What the log has, and its node does not tell: it is down, or its own record was altered or taken away. */
  private async missing(told: ReadonlyMap<NodeId, NodeAlerts | null>, wanted: AlertsWanted): Promise<AlertRecord[]> {
    const found: AlertRecord[] = [];
    let asked = 0;
    for (const alert of this.parts.incidents?.().logged.all ?? []) {
      if (wanted !== "all" && isOver(alert) !== (wanted === "resolved")) continue;
      const answer = told.get(alert.node) ?? null;
      if (answer?.alerts.some(({ id }) => id === alert.id)) continue;
      if (answer !== null) {
        // What a list has no room for is not missing.
        if (answer.alerts.length < answer.count || asked >= ASKED_MAX) continue;
        asked += 1;
        const stored = await this.storedAt(alert.node, alert.id);
        if (stored !== null && lastStep(stored) >= lastStep(alert)) continue;
      }
      found.push(alert);
    }
    return found;
  }

  private async storedAt(node: NodeId, id: string): Promise<AlertRecord | null> {
    const { config, storage, peers } = this.parts;
    if (node === config.nodeId) return storage.alerts.get(id).catch(() => null);
    const alert = (await peers.ask(node, "alert", { id }))?.alert ?? null;
    return alert?.node === node ? alert : null;
  }

  // --- Decisions -----------------------------------------------------------------------------------------------------

  async decide(decision: QuestionOf<"decide-alert">): Promise<AnswerOf<"decide-alert"> | null> {
    const alert = await this.alert(decision.id);
    if (alert === null) return null;
    const { node } = alert;
    try {
      if (node === this.parts.config.nodeId) return this.shownAfter(await this.decideHere(decision));
      const reply = await this.parts.peers.request(node, "decide-alert", decision, { timeoutMs: DECIDED_MS_MAX });
      if (reply.kind === "answered") return this.shownAfter(reply.answer);
      if (reply.kind === "refused") throw new ProblemError("alert_conflict", reply.detail);
    } catch (error) {
      // Nothing is known either of what a database was told and has not confirmed.
      if (!(error instanceof PeerError) && !(error instanceof StoreError)) throw error;
    }
    throw notReady(
      `It is not known whether ${node} has taken the decision: GET the alert to see, and send it again if not.`,
    );
  }

  private shownAfter({ kind, alert }: AnswerOf<"decide-alert">): AnswerOf<"decide-alert"> {
    return { kind, alert: this.shown(alert) };
  }

  private async decideHere(decision: QuestionOf<"decide-alert">): Promise<AnswerOf<"decide-alert">> {
    const { incidents } = this.parts;
    if (incidents === undefined) throw new ProblemError("alert_conflict", "This node resolves no alerts.");
    return incidents().decide(decision);
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
    const { node } = alert;
    const isOwn = node === this.parts.config.nodeId;
    const bundle = isOwn ? await this.ownEvidence(id) : (await this.fromNode(node, id)).bundle;
    if (bundle !== null) return bundle as unknown as EvidenceBundle;
    throw new ProblemError(
      "not_found",
      `The log has this alert; ${node} shows no record of its own of it, and so no evidence.`,
    );
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

  /** The log has further records of alerts, or of maintenance. */
  onEffect(effect: Effect): void {
    if (effect.kind !== "committed") return;
    for (const { block } of effect.blocks) {
      const kind = block.header.control?.kind;
      if (kind === "alert_records" || kind === "maintenance") this.parts.incidents?.().onRecords(block.header);
    }
  }

  private async ownEvidence(id: string): Promise<EvidenceBundle | null> {
    const alert = await this.parts.storage.alerts.get(id);
    const { incidents } = this.parts;
    if (alert === null || incidents === undefined) return null;
    return incidents().evidence(alert);
  }
}
