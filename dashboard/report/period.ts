import type { AlertStepView, AlertView, ElectionView } from "../api/types.js";

const DAY_MS = 86_400_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Whole days in UTC: the first, and the last with all of it. */
export interface Period {
  readonly from: string;
  readonly to: string;
}

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** What was written, where that is a period; else the seven days up to now. */
export function periodIn(from: string | null, to: string | null, now: number): Period {
  const given = [from, to].map((day) => (day !== null && DAY.test(day) && !Number.isNaN(Date.parse(day)) ? day : null));
  const last = given[1] ?? dayOf(now);
  const first = given[0] ?? dayOf(Date.parse(last) - 6 * DAY_MS);
  return first <= last ? { from: first, to: last } : { from: last, to: first };
}

/** As the API has it: `since` belongs to it, `until` does not. */
export const boundsOf = ({ from, to }: Period): { since: string; until: string } => ({
  since: `${from}T00:00:00.000Z`,
  until: new Date(Date.parse(to) + DAY_MS).toISOString(),
});

const isWithin = (at: string, period: Period): boolean => {
  const { since, until } = boundsOf(period);
  return Date.parse(at) >= Date.parse(since) && Date.parse(at) < Date.parse(until);
};

export interface Decision extends AlertStepView {
  readonly alert: AlertView;
}

/** Found in the period, or open in it, the oldest first; and what persons decided in it. */
export function alertsIn(alerts: readonly AlertView[], period: Period): { alerts: AlertView[]; decisions: Decision[] } {
  const { since } = boundsOf(period);
  const stood = (alert: AlertView): boolean => {
    const endedAt = endOf(alert);
    return isBefore(alert.openedAt, period) && (endedAt === null || Date.parse(endedAt) >= Date.parse(since));
  };
  const within = alerts.filter(stood).toSorted((a, b) => Date.parse(a.openedAt) - Date.parse(b.openedAt));
  const decisions = alerts
    .flatMap((alert) => (alert.history ?? []).map((step) => ({ ...step, alert })))
    .filter(({ actor, at }) => actor !== undefined && isWithin(at, period))
    .toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return { alerts: within, decisions };
}

const isBefore = (at: string, period: Period): boolean => Date.parse(at) < Date.parse(boundsOf(period).until);

/** When nothing was left to decide; null while something is. */
function endOf({ status, endedAt, history = [] }: AlertView): string | null {
  if (status !== "resolved" && status !== "ended") return null;
  return endedAt ?? history.at(-1)?.at ?? null;
}

export const electionsIn = (elections: readonly ElectionView[], period: Period): ElectionView[] =>
  elections.filter(({ at }) => isWithin(at, period)).toSorted((a, b) => a.term - b.term);
