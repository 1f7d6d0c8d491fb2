import pLimit from "p-limit";
import type { Logger } from "pino";
import type { QuestionOf } from "../../shared/protocol/requests.js";
import { type Clock, sleep } from "../clock.js";
import { ProblemError } from "../problems.js";
import { alertVersion, isOver, stepped } from "../storage/alert-steps.js";
import { cut } from "../storage/carried.js";
import { type AlertAction, isOfFormerCopy } from "../storage/incident.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { StoreError } from "../storage/port.js";
import { EVIDENCE_MAX } from "./incident-record.js";
import type { Incidents } from "./incidents.js";
import type { Rebuild } from "./rebuild.js";
import { type Repair, RepairRefused } from "./repair.js";

/** A decision is answered after so long, also while what it began is still under way. */
const ANSWER_WITHIN_MS = 3_000;
const TRIES_MAX = 20;
const RETRY_MS = 1_000;
/** Alerts that a start looks through for work that was begun. */
const RESUMED_MAX = 1_000;

export type AlertDecision = QuestionOf<"decide-alert">;
export interface Decided {
  /** `stale`: the alert is not what the person saw, and nothing was done. */
  readonly kind: "taken" | "stale";
  readonly alert: AlertRecord;
}

export interface ResolutionsParts {
  readonly incidents: Pick<Incidents, "find" | "change" | "saved" | "unresolved" | "takeBack">;
  /** An alert of this node's that the log has; null if it has none with this id. */
  readonly logged: (id: string) => AlertRecord | null;
  readonly store: Pick<AlertStore, "get" | "save" | "list" | "foundHeights">;
  readonly repair: Repair;
  readonly rebuild: Rebuild;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  /** Told of an alert that is no incident: those tell themselves. */
  readonly onStep: (alert: AlertRecord) => void;
  /** Something was put right, and may be found again. */
  readonly onMended: () => void;
  readonly isStopped: () => boolean;
}

interface Work {
  /** `onBegun`: what is found from here on has not been put right. */
  readonly run: (alert: AlertRecord, onBegun: () => Promise<void>) => Promise<void>;
  readonly done: AlertAction;
}

/** What persons decide about this node's alerts, and what is done for it: one thing after the other. */
export class Resolutions {
  /** One decision at a time: each rests on what was read. */
  private readonly turn = pLimit(1);
  private readonly working = pLimit(1);

  constructor(private readonly parts: ResolutionsParts) {}

  /** What was begun before this process is gone on with. */
  async resume(): Promise<void> {
    // Those about what others send stand in the store alone.
    const stored = await this.stored();
    const unresolved = [...stored, ...this.parts.incidents.unresolved].map((alert) => [alert.id, alert] as const);
    for (const alert of new Map(unresolved).values()) {
      if (alert.status === "repairing") void this.work(alert.id, this.repairing());
      if (alert.status === "rebuilding") void this.work(alert.id, this.rebuilding());
    }
  }

  private async stored(): Promise<readonly AlertRecord[]> {
    const { store, logger, clock, isStopped } = this.parts;
    while (!isStopped())
      try {
        return await store.list(RESUMED_MAX);
      } catch (err) {
        logger.warn({ err }, "what was begun about alerts could not be read: trying again");
        await sleep(clock, RETRY_MS);
      }
    return [];
  }

  async decide(decision: AlertDecision): Promise<Decided> {
    const taken = await this.turn(() => this.take(decision));
    if (taken.kind === "stale") return taken;
    const { clock } = this.parts;
    await Promise.race([taken.work, sleep(clock, ANSWER_WITHIN_MS)]);
    await Promise.race([this.parts.incidents.saved(), sleep(clock, ANSWER_WITHIN_MS)]);
    return { kind: "taken", alert: (await this.current(decision.id)) ?? taken.alert };
  }

  private async take({ id, action, version, actor, reason }: AlertDecision) {
    const alert = await this.current(id);
    if (alert === null) throw new ProblemError("alert_conflict", "This node has no such alert.");
    if (alertVersion(alert) !== version) return { kind: "stale" as const, alert };
    if (isOver(alert))
      throw conflict(
        `The alert is ${alert.resolution ?? alert.status} already. It opens again if it is found once more.`,
      );
    if (alert.status === "repairing" || alert.status === "rebuilding")
      throw conflict(`The alert is ${alert.status} at present. Wait until that has ended.`);
    const refusal = await this.refusalOf(alert, action);
    if (refusal !== null) throw conflict(refusal);
    const begun = await this.begin({ id, action, version, actor, reason }, alert).catch((error: unknown) => {
      this.parts.rebuild.giveUp(id);
      throw error;
    });
    if (begun.kind === "stale") {
      this.parts.rebuild.giveUp(id);
      return begun;
    }
    const work =
      action === "repair"
        ? this.work(id, this.repairing())
        : action === "rebuild"
          ? this.work(id, this.rebuilding())
          : Promise.resolve();
    return { ...begun, work };
  }

  private async begin({ id, action, version, actor, reason }: AlertDecision, alert: AlertRecord) {
    // Others were asked: more may have been found since.
    const now = await this.current(id);
    if (now === null || alertVersion(now) !== version) return { kind: "stale" as const, alert: now ?? alert };
    this.parts.logger.info(
      { alert: id, action, actor, reason },
      `${actor} decides to ${action} alert ${id}: ${reason}`,
    );
    const by = { at: this.parts.clock.wall(), actor, reason };
    const after = await this.apply(id, (one) => stepped(one, { action: BEGUN[action], ...by }));
    return { kind: "taken" as const, alert: after ?? alert };
  }

  private async refusalOf(alert: AlertRecord, action: AlertDecision["action"]): Promise<string | null> {
    const isLeft = alert.isFromLogOnly === true && !(isOfFormerCopy(alert) && action === "acknowledge");
    if (isLeft && action !== "dismiss") return LOST;
    if (action === "repair") return this.parts.repair.refusalOf(alert);
    if (action === "rebuild") return alert.node === alert.accused ? this.parts.rebuild.refusal(alert.id) : OTHERS;
    return null;
  }

  private repairing(): Work {
    return {
      done: "repaired",
      run: (alert) =>
        this.parts.repair.run(alert, {
          onProgress: (done, of) => void this.apply(alert.id, (one) => ({ ...one, progress: { done, of } })),
          onKept: (name) => void this.apply(alert.id, (one) => withEvidence(one, name)),
        }),
    };
  }

  private rebuilding(): Work {
    return { done: "rebuilt", run: (alert, onBegun) => this.parts.rebuild.run(alert.id, onBegun) };
  }

  /** Never rejects: what could not even be said to have failed goes on at the next start. */
  private async work(id: string, work: Work): Promise<void> {
    try {
      await this.working(() => this.workOn(id, work));
    } catch (err) {
      this.parts.logger.error({ err }, `alert ${id} is not ${work.done}: that is tried again at the next start`);
    }
  }

  private async workOn(id: string, { run, done }: Work): Promise<void> {
    const { clock, logger, rebuild, isStopped } = this.parts;
    for (let tries = 1; !isStopped(); tries++) {
      try {
        let begun = await this.current(id);
        if (begun === null) return rebuild.giveUp(id);
        await run(begun, async () => {
          begun = (await this.current(id)) ?? begun;
        });
        if (isStopped()) return;
        if (await this.isFoundAgain(begun, done)) {
          // What was just copied is not copied again.
          if (done === "rebuilt" || tries >= TRIES_MAX)
            throw new RepairRefused("More was found altered meanwhile: what was found later is still so.");
          continue;
        }
        logger.info(`alert ${id} is ${done}`);
        this.parts.onMended();
        return;
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        if (error instanceof RepairRefused || tries >= TRIES_MAX) {
          logger.error({ err: error }, `alert ${id} could not be ${done}`);
          // It may not have come to its run.
          rebuild.giveUp(id);
          await this.apply(id, (one) =>
            stepped(one, { action: "failed", at: clock.wall(), detail: cut(detail, 1_000) }),
          );
          return;
        }
        logger.warn({ err: error }, `alert ${id} could not be ${done} yet: trying again`);
        await sleep(clock, RETRY_MS);
      }
    }
  }

  /** Says that it is done; unless something was found meanwhile that is told by the same alert: that was not repaired yet. */
  private async isFoundAgain(begun: AlertRecord, done: AlertAction): Promise<boolean> {
    let isMore = false;
    await this.apply(begun.id, (one) => {
      isMore = one.occurrences !== begun.occurrences;
      return isMore ? one : stepped(one, { action: done, at: this.parts.clock.wall() });
    });
    return isMore;
  }

  /** Incidents are known in memory; alerts about what others send stand in the store alone. */
  private async current(id: string): Promise<AlertRecord | null> {
    const { incidents, store, logged } = this.parts;
    // One that the node does not keep any more is about a copy that it has not any more.
    return incidents.find(id) ?? (await store.get(id)) ?? logged(id);
  }

  private async apply(id: string, change: (alert: AlertRecord) => AlertRecord): Promise<AlertRecord | null> {
    const changed = this.parts.incidents.change(id, change);
    if (changed !== null) return changed;
    const { store, incidents, logged } = this.parts;
    const alert = await store.get(id);
    const lost = alert === null ? logged(id) : null;
    if (lost !== null) {
      incidents.takeBack(lost, change);
      return incidents.find(id);
    }
    if (alert === null) throw new StoreError("not_stored", "The alert is gone.");
    const after = change(alert);
    await store.save(after, (await store.foundHeights(id)) ?? undefined);
    this.parts.onStep(after);
    return after;
  }
}

const BEGUN = {
  acknowledge: "acknowledged",
  repair: "repair_begun",
  rebuild: "rebuild_begun",
  dismiss: "dismissed",
} as const satisfies Record<AlertDecision["action"], AlertAction>;

const LOST = "This node has no record of it any more, and the log alone tells of it: it can be dismissed.";
const OTHERS = "It is about what another node sent: nothing of this node's is wrong. See to that node.";
const conflict = (detail: string): ProblemError => new ProblemError("alert_conflict", detail);

function withEvidence(alert: AlertRecord, name: string): AlertRecord {
  const before = alert.evidence ?? [];
  if (before.includes(name) || before.length >= EVIDENCE_MAX) return alert;
  return { ...alert, evidence: [...before, name] };
}
