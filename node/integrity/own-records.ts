import type { Logger } from "pino";
import type { HashHex, NodeId } from "../../shared/ids.js";
import { type Clock, sleep } from "../clock.js";
import type { IntegrityStore } from "../storage/integrity-port.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import type { AlertLog } from "./alert-log.js";
import { isTakenBack } from "./incident-record.js";
import type { Incidents } from "./incidents.js";

const AT_ONCE = 16;
const UNREAD_LOOK_MS = 500;

export interface OwnRecordsParts {
  readonly nodeId: NodeId;
  readonly store: Pick<IntegrityStore, "stateFault">;
  readonly alerts: Pick<AlertStore, "standing">;
  readonly incidents: Pick<Incidents, "saved" | "storedIds" | "saveAgain" | "unresolved" | "note">;
  readonly log: Pick<AlertLog, "lastStep" | "placeOf">;
  /** The hash of each beginning of the list of documents that an alert names. */
  readonly evidenceHashes: (alert: AlertRecord) => Promise<readonly HashHex[]>;
  /** What is open from before is not known yet. */
  readonly isUnread: () => boolean;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

/** Does one part of the work, and rests. */
export type Paced = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * What this node keeps beside its log: hard state, alerts, evidence. A watch hears of each change; a pass of the scrub looks at
 * all of it at its end, so that it is found without a watch too.
 */
export class OwnRecords {
  /** Told once, as nothing mends it by itself. */
  private readonly told = new Set<string>();

  constructor(private readonly parts: OwnRecordsParts) {}

  async check(paced: Paced): Promise<void> {
    const { isUnread, clock } = this.parts;
    await paced(() => this.checkState());
    // The evidence of what is not known would be passed over, and the pass would count.
    while (isUnread()) await paced(() => sleep(clock, UNREAD_LOOK_MS));
    await this.checkAlerts(paced);
    for (const alert of this.parts.incidents.unresolved) await this.checkEvidence(alert, paced);
  }

  private async checkState(): Promise<void> {
    const fault = await this.parts.store.stateFault();
    if (fault === null) this.told.delete("state");
    else if (this.isNews("state")) this.note(fault);
  }

  private async checkAlerts(paced: Paced): Promise<void> {
    const { alerts, incidents } = this.parts;
    await incidents.saved();
    let isOther = false;
    // Not of those that only the log has: a lost identity has left documents whose HMAC nobody can check any more.
    const ids = incidents.storedIds;
    for (let i = 0; i < ids.length; i += AT_ONCE) {
      const some = ids.slice(i, i + AT_ONCE);
      const standings = await paced(() => Promise.all(some.map((id) => alerts.standing(id))));
      for (const [j, id] of some.entries()) {
        if (standings[j] === "ours") this.told.delete(id);
        else if (this.isNews(id)) isOther = true;
      }
    }
    if (!isOther) return;
    this.note("alerts in the database of this node are not what it wrote; they are written again");
    incidents.saveAgain();
  }

  private async checkEvidence(alert: AlertRecord, paced: Paced): Promise<void> {
    const { log, nodeId, evidenceHashes, logger } = this.parts;
    const { id, evidence = [], history = [] } = alert;
    const expected = log.placeOf(nodeId, id)?.evidenceHash;
    // What was found again since is recorded with another hash; of one that was lost here the documents are not known.
    if (evidence.length === 0 || expected === undefined || isTakenBack(alert)) return;
    if (log.lastStep(nodeId, id) !== history.at(-1)?.n) return;
    const hashes = await paced(() => evidenceHashes(alert));
    if (hashes.includes(expected) || log.placeOf(nodeId, id)?.evidenceHash !== expected) return;
    if (!this.isNews(`${id} ${expected}`)) return;
    logger.warn(`the evidence of alert ${id} is not what its record in the log says`);
    this.note("evidence in the quarantine of this node is not what the log's records of its alerts say");
  }

  private isNews(what: string): boolean {
    const isNews = !this.told.has(what);
    this.told.add(what);
    return isNews;
  }

  private note(detail: string): void {
    this.parts.incidents.note({ kind: "state_altered", foundBy: "scrub", detail });
  }
}
