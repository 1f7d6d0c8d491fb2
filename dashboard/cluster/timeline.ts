import type { ChaosState } from "../../shared/protocol/chaos.js";
import type { ElectionMessage } from "../../shared/protocol/requests.js";
import type { ElectionView } from "../api/types.js";

export type SpanKind = "leads" | "follows" | "campaign" | "transfer" | "down" | "paused" | "cut" | "silent" | "behind";

/** Milliseconds since 1970. */
export interface Span {
  readonly kind: SpanKind;
  readonly from: number;
  readonly to: number;
  readonly label: string;
}
export interface Mark {
  readonly kind: "coordinator" | "refused" | "tamper";
  readonly at: number;
  readonly label: string;
  /** The election that it is a part of. */
  readonly term?: number;
}
export interface Lane {
  readonly node: string;
  readonly spans: readonly Span[];
  readonly marks: readonly Mark[];
}
/** What one node told another: votes and transfers by the log, ELECTION and ALIVE as the nodes remember them. */
export interface Arrow {
  readonly kind: "vote" | "transfer" | ElectionMessage["kind"];
  readonly from: string;
  readonly to: string;
  readonly at: number;
  /** What the sender did. */
  readonly label: string;
}
/** Nobody led, as the winner saw it. */
export interface Gap {
  readonly term: number;
  readonly from: number;
  readonly to: number;
}
export interface Timeline {
  readonly lanes: readonly Lane[];
  readonly arrows: readonly Arrow[];
  readonly gaps: readonly Gap[];
}

/** What kept a node from taking part. */
export interface Downtime extends Span {
  readonly node: string;
}

interface TimelineParts {
  readonly nodes: readonly string[];
  /** The newest first. */
  readonly elections: readonly ElectionView[];
  readonly messages: readonly ElectionMessage[];
  readonly downtimes: readonly Downtime[];
  readonly record: ChaosState["record"];
  readonly leaderId: string | null;
  readonly now: number;
}

/** One lane a node, from what the log remembers of elections and from what is known of faults. */
export function timelineOf(parts: TimelineParts): Timeline {
  const elections = [...parts.elections].reverse().map((election) => ({ ...election, ...timesOf(election) }));
  const leading = elections.map((election, i) => ({ election, to: endOf(election, elections[i + 1], parts) }));
  const lanes = parts.nodes.map((node): Lane => {
    const led = leading.filter(({ election }) => election.leaderId === node);
    const won = led.map(({ election }) => election);
    const attempts = won.flatMap((election) => attemptOf(election) ?? []);
    const away = parts.downtimes.filter((downtime) => downtime.node === node);
    const followed = leading.filter(({ election }) => election.leaderId !== node);
    return {
      node,
      spans: [
        ...followed.flatMap(({ election: { end }, to }) => followsWithout({ from: end, to }, [...attempts, ...away])),
        ...led.map(
          ({ election: { end, term }, to }): Span => ({ kind: "leads", from: end, to, label: `leads t${term}` }),
        ),
        ...attempts,
        ...away,
      ],
      marks: [
        ...won.map(
          ({ end, term }): Mark => ({ kind: "coordinator", at: end, label: `COORDINATOR of term ${term}`, term }),
        ),
        ...elections.flatMap(({ end, writesRefused }): Mark[] =>
          writesRefused[node] === undefined
            ? []
            : [{ kind: "refused", at: end, label: `${writesRefused[node]} refused` }],
        ),
        ...parts.record
          .filter((one) => one.node === node && one.what === "tamper")
          .map(({ at, detail }): Mark => ({ kind: "tamper", at: Date.parse(at), label: `altered: ${detail ?? ""}` })),
      ],
    };
  });
  return {
    lanes,
    arrows: [...elections.flatMap(arrowsOf), ...parts.messages.map(messageArrow)],
    gaps: elections
      .filter(({ reason, tookMs }) => reason === "no_leader" && tookMs !== null)
      .map(({ term, start, end }) => ({ term, from: start, to: end })),
  };
}

/** A node follows while somebody else leads, but for times in which it does something else, or nothing. */
function followsWithout(whole: Pick<Span, "from" | "to">, others: readonly Span[]): Span[] {
  let parts = [whole];
  for (const other of others)
    parts = parts.flatMap(({ from, to }) =>
      other.to <= from || other.from >= to
        ? [{ from, to }]
        : [
            { from, to: other.from },
            { from: other.to, to },
          ].filter((part) => part.from < part.to),
    );
  return parts.map(({ from, to }) => ({ kind: "follows", from, to, label: "follower" }));
}

interface Times {
  readonly start: number;
  readonly end: number;
}
type Timed = ElectionView & Times;

/** From the last sign of the leader before, or the order to run, to the first block of the term. */
function timesOf({ at, tookMs }: ElectionView): Times {
  const end = Date.parse(at);
  return { start: end - (tookMs ?? 0), end };
}

function endOf(
  { leaderId, end }: Timed,
  next: Timed | undefined,
  { leaderId: now, downtimes, now: nowMs }: TimelineParts,
): number {
  if (next !== undefined) return next.previousLeader === leaderId ? Math.max(end, next.start) : next.end;
  if (now === leaderId) return nowMs;
  const ended = downtimes.filter(({ node, from }) => node === leaderId && from >= end).map(({ from }) => from);
  return Math.min(nowMs, ...ended);
}

function attemptOf({ reason, tookMs, start, end, term }: Timed): Span | null {
  if (tookMs === null || reason === null || reason === "genesis") return null;
  return reason === "no_leader"
    ? { kind: "campaign", from: start, to: end, label: `ELECTION t${term}` }
    : { kind: "transfer", from: start, to: end, label: `is told to run t${term}` };
}

function arrowsOf({ votes, leaderId: to, previousLeader, reason, end: at }: Timed): Arrow[] {
  const given = votes.filter((voter) => voter !== to);
  const isTransfer = (reason === "take_over" || reason === "hand_over") && previousLeader !== null;
  return [
    ...given.map((from): Arrow => ({ kind: "vote", from, to, at, label: `voted for ${to}` })),
    ...(isTransfer ? [{ kind: "transfer", from: previousLeader, to, at, label: `handed over to ${to}` } as const] : []),
  ];
}

const messageArrow = ({ kind, from, to, at }: ElectionMessage): Arrow => ({
  ...{ kind, from, to, at: Date.parse(at) },
  label: kind === "election" ? `asked ${to}: ELECTION` : `answered ${to}: ALIVE`,
});

type What = ChaosState["record"][number]["what"];
const BEGINS: Partial<Record<What, SpanKind>> = { kill: "down", died: "down", pause: "paused", cut: "cut" };
const ENDS: Readonly<Record<"down" | "paused" | "cut", readonly What[]>> = {
  down: ["up"],
  paused: ["resume", "kill", "died", "restart", "up"],
  cut: ["join"],
};
const WORDS: Partial<Record<What, string>> = { kill: "killed", died: "down", pause: "paused", cut: "cut off" };

/** Times from what the start script has recorded; what has not ended lasts until now. */
export function downtimesOf(record: ChaosState["record"], now: number): Downtime[] {
  return record.flatMap(({ node, what, at }, i) => {
    const kind = BEGINS[what];
    if (kind !== "down" && kind !== "paused" && kind !== "cut") return [];
    const before = record.slice(0, i).findLast((one) => one.node === node && one.what !== "tamper");
    // A node that was killed is not told to have died as well.
    if (what === "died" && before?.what === "kill") return [];
    const end = record.slice(i + 1).find((one) => one.node === node && ENDS[kind].includes(one.what));
    const to = end === undefined ? now : Date.parse(end.at);
    return [{ node, kind, from: Date.parse(at), to, label: WORDS[what] ?? what }];
  });
}

const STEPS_MS = [
  100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
  3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/** Round times within a window, at most `countMax` of them. */
export function ticksOf(from: number, to: number, countMax: number): number[] {
  const days = Math.max(1, Math.ceil((to - from) / 86_400_000 / countMax)) * 86_400_000;
  const step = STEPS_MS.find((one) => (to - from) / one <= countMax) ?? days;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, i) => first + i * step);
}
