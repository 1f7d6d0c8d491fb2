import type { Logger } from "pino";
import { toHex } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import type { NodeId } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { type Clock, sleep } from "../clock.js";
import { notifySupervisor } from "../host/supervision.js";
import type { IndexFinding } from "../replica/held-log.js";
import type { WordedAlert } from "../replica/wording.js";
import type { IntegrityStore, KeptHeader } from "../storage/integrity-port.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { logged, sentenceOf } from "./alert-summary.js";
import { WEBHOOK_FAILED } from "./webhook.js";

/** Findings that wait to be stored while the database does not answer. */
export const WAITING_MAX = 256;
/** Findings that people are told of one by one. */
export const TOLD_MAX = 1_024;
const RETRY_MS = 1_000;
/** Evidence that could not be kept so often is left out. */
const REFUSED_AFTER = 5;
/** The two of a fork; each as its canonical text. */
const HEADERS_MAX = 2;
const HEADER_CHARACTERS_MAX = 64 * 1024;

export type Finding = Parameters<AlertStore["raise"]>[0];
interface Waiting {
  readonly finding: Finding;
  readonly at: string;
  readonly isNew: boolean;
  /** What proves it, until it is kept. */
  readonly headers: readonly KeptHeader[];
  /** How often they could not be kept. */
  failures: number;
}

export interface AlertsParts {
  readonly nodeId: NodeId;
  readonly store: Pick<AlertStore, "raise">;
  readonly evidence: Pick<IntegrityStore, "keepHeaders">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "error" | "warn">;
  readonly notify?: typeof notifySupervisor;
  /** Told of each finding once it is stored for the first time in this process. */
  readonly onOpened?: (alert: AlertRecord) => void;
}

/** Keeps what this node finds wrong with what others send: in its database, in its log, and on the start script's screen. */
export class Alerts {
  private readonly waiting: Waiting[] = [];
  private isStoring = false;
  private readonly seen = new Set<string>();
  private hasToldOfMore = false;
  private notStored = 0;

  constructor(private readonly parts: AlertsParts) {}

  onReplicaAlert({ alertKind, accused, detail, height, sequence, headers = [] }: WordedAlert): void {
    const finding: Finding = {
      kind: alertKind,
      // Nothing that is stored is wrong.
      severity: alertKind === "clock_off" ? "warning" : "critical",
      node: this.parts.nodeId,
      accused,
      detail,
      ...(height === undefined ? {} : { height }),
      ...(sequence === undefined ? {} : { sequence }),
    };
    this.raise(finding, headers.slice(0, HEADERS_MAX).map(keptHeader));
  }

  onKeyRepeated({ kind, detail, height }: Extract<IndexFinding, { kind: "key_repeated" }>): void {
    const { nodeId: node } = this.parts;
    this.raise({ kind, severity: "critical", node, accused: node, height, detail });
  }

  onWebhookGivenUp(detail: string): void {
    const { nodeId: node } = this.parts;
    this.raise({ kind: WEBHOOK_FAILED, severity: "warning", node, accused: node, detail });
  }

  private raise(finding: Finding, headers: readonly KeptHeader[] = []): void {
    const { nodeId, logger } = this.parts;
    const key = `${finding.kind} ${finding.accused} ${finding.height} ${finding.sequence}`;
    // A finding that comes again is counted in the database; people are told once.
    const isNew = !this.seen.has(key) && this.seen.size < TOLD_MAX;
    if (isNew) {
      this.seen.add(key);
      const detail = sentenceOf(finding);
      logger.error({ alert: logged(finding) }, `alert: ${finding.kind}: ${detail}`);
      this.notify({ kind: "alert", node: nodeId, alertKind: finding.kind, detail });
    } else if (!this.seen.has(key)) this.tellOfMore();
    if (this.waiting.length >= WAITING_MAX) {
      this.notStored += 1;
      return;
    }
    // Headers are kept for what people are told once, one by one: whoever forges them must not fill a disk.
    const proving = isNew && headers.every(({ header }) => header.length <= HEADER_CHARACTERS_MAX) ? headers : [];
    this.waiting.push({ finding, at: this.parts.clock.wall(), isNew, headers: proving, failures: 0 });
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

  private get notify(): typeof notifySupervisor {
    return this.parts.notify ?? notifySupervisor;
  }

  private tell(alertKind: string, detail: string): void {
    this.parts.logger.error(detail);
    this.notify({ kind: "alert", node: this.parts.nodeId, alertKind, detail });
  }

  private async storeAll(): Promise<void> {
    if (this.isStoring) return;
    this.isStoring = true;
    while (this.waiting.length > 0) {
      const waiting = this.waiting[0] as Waiting;
      try {
        const alert = await this.parts.store.raise(await this.withEvidence(waiting), waiting.at);
        this.waiting.shift();
        if (waiting.isNew) this.parts.onOpened?.(alert);
      } catch (error) {
        this.parts.logger.warn({ err: error }, "an alert could not be stored: trying again");
        await sleep(this.parts.clock, RETRY_MS);
      }
    }
    this.isStoring = false;
    this.tellOfThoseNotStored();
  }

  /** Its evidence first. Whoever alters a database can keep it from taking that: the alert is stored all the same. */
  private async withEvidence(waiting: Waiting): Promise<Finding> {
    const { finding, headers } = waiting;
    if (headers.length === 0) return finding;
    if (waiting.failures >= REFUSED_AFTER)
      return { ...finding, detail: `${finding.detail}; the signed headers that prove it could not be kept` };
    try {
      return { ...finding, evidence: [await this.parts.evidence.keepHeaders(headers)] };
    } catch (error) {
      waiting.failures += 1;
      throw error;
    }
  }
}

const keptHeader = ({ header, signature }: Pick<Block, "header" | "signature">): KeptHeader => ({
  header: canonicalText(header),
  signature: toHex(signature),
});
