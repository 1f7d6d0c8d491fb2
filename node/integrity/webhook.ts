import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { NodeId } from "../../shared/ids.js";
import type { Clock } from "../clock.js";
import type { WebhookTarget } from "../host/setting-values.js";
import { isOver } from "../storage/alert-steps.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { fieldsOf, sentenceOf } from "./alert-summary.js";
import type { Waiting, WebhookFile } from "./webhook-file.js";
import { postOnce } from "./webhook-post.js";

const LOOK_MS = 500;
/** After a first failure; twice as long after each further one, up to the longest. */
export const RETRY_MS_FIRST = 5_000;
export const RETRY_MS_MAX = 30 * 60_000;
/** What could not be delivered for so long is given up. */
export const GIVEN_UP_AFTER_MS = 86_400_000;
/** Messages that wait; beyond it the oldest one goes. */
export const WAITING_MAX = 1_000;

/** The kind of the alert that says that others could not be delivered: it is not sent itself. */
export const WEBHOOK_FAILED = "webhook_failed";

export interface WebhookParts {
  readonly nodeId: NodeId;
  /** This node's base URL. */
  readonly address: string;
  readonly target: WebhookTarget;
  /** 0: none. */
  readonly heartbeatMs: number;
  readonly file: Pick<WebhookFile, "read" | "write">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "error" | "warn" | "info">;
  /** Something was given up: people have to learn of it another way. */
  readonly onGivenUp: (detail: string) => void;
  readonly openAlerts: () => Promise<number>;
  readonly alerts: Pick<AlertStore, "get" | "list">;
  /** With what the log says of planned maintenance. */
  readonly annotated: (alert: AlertRecord) => AlertRecord;
  readonly post?: typeof postOnce;
}

/** Tells a URL of this node's alerts, until it has them: again and again, over restarts, for a day. */
export class Webhook {
  private waiting: Waiting[] = [];
  /** By alert that is not over: the newest step that a message was made of. */
  private told = new Map<string, number>();
  private sending: Promise<void> | null = null;
  private readonly stops: (() => void)[] = [];
  private readonly abort = new AbortController();
  /** Why the newest message was not taken. */
  private failing: string | null = null;
  /** What an earlier process has left is known: before, the file must not be written over, nor anything be sent twice. */
  private isRead = false;
  private isSaved = true;
  private saving: Promise<void> | null = null;

  constructor(private readonly parts: WebhookParts) {}

  async start(): Promise<void> {
    const { clock, file, heartbeatMs } = this.parts;
    const left = await file.read().catch((error: Error) => {
      this.giveUp(`what waited for the webhook could not be read, and is left out: ${error.message}`);
      return { waiting: [], told: {} };
    });
    // What came meanwhile stands behind what an earlier process has left.
    this.waiting = [...left.waiting, ...this.waiting].slice(-WAITING_MAX);
    this.told = new Map([...Object.entries(left.told), ...this.told]);
    this.isRead = true;
    await this.catchUp().catch((err) =>
      this.parts.logger.warn({ err }, "alerts that an earlier process may not have told of could not be read"),
    );
    this.save();
    this.stops.push(clock.every(LOOK_MS, () => this.look()));
    if (heartbeatMs > 0) this.stops.push(clock.every(heartbeatMs, () => void this.beat()));
    this.look();
  }

  async stop(): Promise<void> {
    for (const stop of this.stops) stop();
    this.abort.abort();
    await this.idle();
  }

  /** Resolves once nothing is being sent or written. */
  async idle(): Promise<void> {
    while (this.sending !== null || this.saving !== null) {
      await this.sending;
      await this.saving;
    }
  }

  /** An alert was opened, or something was decided about it. */
  onAlert(alert: AlertRecord): void {
    if (alert.kind === WEBHOOK_FAILED) return;
    // In one write with the message: what is not noted as told is told by the next process.
    if (isOver(alert)) this.told.delete(alert.id);
    else this.told.set(alert.id, stepOf(alert));
    const type = isOver(alert) ? "alert.closed" : isJustOpened(alert) ? "alert.opened" : "alert.changed";
    this.enqueue(type, this.summaryOf(alert));
  }

  /** A process may have died after an alert was stored and before its message was. */
  private async catchUp(): Promise<void> {
    const { alerts } = this.parts;
    const open = await alerts.list(WAITING_MAX);
    const isUntold = (alert: AlertRecord): boolean => stepOf(alert) > (this.told.get(alert.id) ?? -1);
    for (const alert of open.reverse()) if (isUntold(alert)) this.onAlert(alert);
    const ids = new Set(open.map(({ id }) => id));
    for (const id of [...this.told.keys()]) {
      const alert = ids.has(id) ? null : await alerts.get(id);
      if (alert !== null && isOver(alert)) this.onAlert(alert);
      else if (alert === null && !ids.has(id)) this.told.delete(id);
    }
  }

  /** Why the newest message was not taken; null: it was, or none was tried since this process started. */
  get fault(): string | null {
    return this.failing;
  }

  /** Sends one message now, whatever waits. Null: it was taken; else why not. */
  async test(): Promise<string | null> {
    const fault = await this.post({ id: newId(), body: this.bodyOf("test", { node: this.parts.nodeId }) });
    if (fault === null) this.failing = null;
    return fault;
  }

  private async beat(): Promise<void> {
    const openAlerts = await this.parts.openAlerts().catch(() => null);
    // One that is still waiting says no more than this one.
    this.waiting = this.waiting.filter(({ type }) => type !== "heartbeat");
    this.enqueue("heartbeat", { node: this.parts.nodeId, openAlerts });
  }

  private enqueue(type: string, data: object): void {
    const now = this.now();
    this.waiting.push({
      id: newId(),
      type,
      body: this.bodyOf(type, data),
      createdAtMs: now,
      attempts: 0,
      nextAtMs: now,
    });
    if (this.waiting.length > WAITING_MAX) {
      this.waiting.shift();
      this.giveUp(`more than ${WAITING_MAX} messages wait for the webhook: the oldest is left out`);
    }
    this.save();
    this.look();
  }

  private bodyOf(type: string, data: object): string {
    return JSON.stringify({ type, timestamp: this.parts.clock.wall(), data });
  }

  /** Fields, and no values: payloads stay in the cluster, where an erasure reaches them. */
  private summaryOf(alert: AlertRecord): object {
    const { id, kind, severity, node, accused, status, openedAt, lastSeenAt, heights, sequences } = alert;
    const { height, sequence, foundBy, agreeing } = alert;
    const { maintenance } = this.parts.annotated(alert);
    const [fields, detail] = [fieldsOf(alert), sentenceOf(alert)];
    const url = `${this.parts.address}/api/v1/alerts/${id}`;
    return {
      ...{ id, kind, severity, node, accused, status, openedAt, lastSeenAt, height, sequence, heights, sequences },
      ...{ fields, foundBy, agreeing, maintenance, detail, url, toldBy: this.parts.nodeId },
    };
  }

  private look(): void {
    if (!this.isRead) return;
    this.sending ??= this.sendDue().finally(() => {
      this.sending = null;
    });
  }

  private async sendDue(): Promise<void> {
    for (;;) {
      const now = this.now();
      const due = this.waiting.find(({ nextAtMs }) => nextAtMs <= now);
      if (due === undefined || this.abort.signal.aborted) return;
      // What is sent is on the disk before: whenever this process ends, the next one goes on with it.
      await this.saving;
      const fault = await this.post(due);
      // A stop that cut it off is no failure of the receiver.
      if (this.abort.signal.aborted && fault !== null) return;
      if (fault === null) this.onDelivered(due);
      else this.onFailed(due, fault);
      this.save();
      // The others would fare no better just now.
      if (fault !== null) return;
    }
  }

  private onDelivered(message: Waiting): void {
    this.waiting = this.waiting.filter((one) => one !== message);
    if (this.failing !== null) this.parts.logger.info("the webhook takes messages again");
    this.failing = null;
  }

  private onFailed(message: Waiting, fault: string): void {
    const now = this.now();
    if (this.failing === null)
      this.parts.logger.warn({ fault }, "the webhook does not take a message: it is tried again for a day");
    this.failing = fault;
    if (now - message.createdAtMs >= GIVEN_UP_AFTER_MS) {
      this.waiting = this.waiting.filter((one) => one !== message);
      this.giveUp(
        `a message (${message.type}) could not be delivered to the webhook for a day, and is given up: ${fault}`,
      );
      return;
    }
    message.attempts += 1;
    message.nextAtMs = now + Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** (message.attempts - 1));
  }

  private giveUp(detail: string): void {
    this.parts.logger.error(detail);
    this.parts.onGivenUp(detail);
  }

  private post(message: { readonly id: string; readonly body: string }): Promise<string | null> {
    const { post = postOnce, target } = this.parts;
    return post(target, message, { atMs: this.now(), signal: this.abort.signal });
  }

  private save(): void {
    if (!this.isRead) return;
    this.isSaved = false;
    this.saving ??= this.saveAll().finally(() => {
      this.saving = null;
    });
  }

  /** What changes while it is being written is written together afterwards. */
  private async saveAll(): Promise<void> {
    while (!this.isSaved) {
      this.isSaved = true;
      const all = { waiting: this.waiting, told: Object.fromEntries(this.told) };
      await this.parts.file.write(all).catch((err) => {
        this.parts.logger.warn({ err }, "what waits for the webhook could not be written: a restart would lose it");
      });
    }
  }

  private now(): number {
    return Date.parse(this.parts.clock.wall());
  }
}

/**
 * Incidents come here with each new step, and one may have grown before its first: what was found together is stored together.
 * Other alerts come once a process.
 */
const isJustOpened = ({ history, foundBy, occurrences }: AlertRecord): boolean =>
  history?.at(-1)?.action === "opened" && (foundBy !== undefined || occurrences <= 1);

const stepOf = ({ history = [] }: AlertRecord): number => history.at(-1)?.n ?? 0;

const newId = (): string => `msg_${randomBytes(12).toString("hex")}`;
