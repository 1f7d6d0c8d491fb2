import type { Logger } from "pino";
import type { ReplicaAlert } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import { notifySupervisor } from "../host/supervision.js";
import type { IndexFinding } from "../replica/held-log.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { logged, sentenceOf } from "./alert-summary.js";
import { WEBHOOK_FAILED } from "./webhook.js";

/** Findings that wait to be stored while the database does not answer. */
export const WAITING_MAX = 256;
/** Findings that people are told of one by one. */
export const TOLD_MAX = 1_024;
const RETRY_MS = 1_000;

export type Finding = Parameters<AlertStore["raise"]>[0];
interface Waiting {
  readonly finding: Finding;
  readonly at: string;
  readonly isNew: boolean;
}

/** Keeps what this node finds wrong with what others send: in its database, in its log, and on the start script's screen. */
export class Alerts {
  private readonly waiting: Waiting[] = [];
  private isStoring = false;
  private readonly seen = new Set<string>();
  private hasToldOfMore = false;
  private notStored = 0;

  constructor(
    private readonly nodeId: NodeId,
    private readonly store: Pick<AlertStore, "raise">,
    private readonly logger: Logger,
    /** Told of each finding once it is stored for the first time in this process. */
    private readonly onOpened: (alert: AlertRecord) => void = () => {},
  ) {}

  onReplicaAlert({ alertKind, accused, detail, height, sequence }: ReplicaAlert): void {
    this.raise({
      kind: alertKind,
      // Nothing that is stored is wrong.
      severity: alertKind === "clock_off" ? "warning" : "critical",
      node: this.nodeId,
      accused,
      detail,
      ...(height === undefined ? {} : { height }),
      ...(sequence === undefined ? {} : { sequence }),
    });
  }

  onKeyRepeated({ kind, detail, height }: IndexFinding): void {
    this.raise({ kind, severity: "critical", node: this.nodeId, accused: this.nodeId, height, detail });
  }

  onWebhookGivenUp(detail: string): void {
    const node = this.nodeId;
    this.raise({ kind: WEBHOOK_FAILED, severity: "warning", node, accused: node, detail });
  }

  private raise(finding: Finding): void {
    const key = `${finding.kind} ${finding.accused} ${finding.height} ${finding.sequence}`;
    // A finding that comes again is counted in the database; people are told once.
    const isNew = !this.seen.has(key) && this.seen.size < TOLD_MAX;
    if (isNew) {
      this.seen.add(key);
      const detail = sentenceOf(finding);
      this.logger.error({ alert: logged(finding) }, `alert: ${finding.kind}: ${detail}`);
      notifySupervisor({ kind: "alert", node: this.nodeId, alertKind: finding.kind, detail });
    } else if (!this.seen.has(key)) this.tellOfMore();
    if (this.waiting.length >= WAITING_MAX) {
      this.notStored += 1;
      return;
    }
    this.waiting.push({ finding, at: new Date().toISOString(), isNew });
    void this.storeAll();
  }

  private tellOfMore(): void {
    if (this.hasToldOfMore) return;
    this.hasToldOfMore = true;
    const detail = `this node has told of ${TOLD_MAX} findings and tells of no more one by one; GET /api/v1/alerts lists them`;
    this.tell("further_findings", detail);
  }

  private tellOfThoseNotStored(): void {
    if (this.notStored === 0) return;
    const detail = `${this.notStored} findings could not be stored`;
    this.notStored = 0;
    this.tell("findings_not_stored", detail);
  }

  private tell(alertKind: string, detail: string): void {
    this.logger.error(detail);
    notifySupervisor({ kind: "alert", node: this.nodeId, alertKind, detail });
  }

  private async storeAll(): Promise<void> {
    if (this.isStoring) return;
    this.isStoring = true;
    while (this.waiting.length > 0) {
      const { finding, at, isNew } = this.waiting[0] as Waiting;
      try {
        const alert = await this.store.raise(finding, at);
        this.waiting.shift();
        if (isNew) this.onOpened(alert);
      } catch (error) {
        this.logger.warn({ err: error }, "an alert could not be stored: trying again");
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
    this.isStoring = false;
    this.tellOfThoseNotStored();
  }
}
