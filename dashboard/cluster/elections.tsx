import { Link } from "wouter";
import { useChaos, useElections } from "../api/queries.js";
import type { ClusterView, ElectionList, ElectionView } from "../api/types.js";
import { ago, count, duration, lasting, many } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { isPausedIn, turned } from "../lib/still.js";
import { localTime, moment, zoneName } from "../lib/times.js";
import { useHeld } from "../lib/use-held.js";
import { useNow } from "../lib/use-now.js";
import { Button } from "../parts/button.js";
import { Facts } from "../parts/facts.js";
import page from "../parts/page.module.css";
import { Failure, Loading, Stale } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { LaneTable } from "./lane-table.js";
import { Swimlanes } from "./swimlanes.js";
import { type Arrow, downtimesOf, timelineOf } from "./timeline.js";
import { useWitness } from "./witness.js";

const REASONS: Readonly<Record<string, string>> = {
  genesis: "the cluster began",
  no_leader: "no leader was heard",
  take_over: "a node of higher priority took over",
  hand_over: "the leader handed over",
};
const WINDOWS = [
  { name: "1min", label: "last minute", ms: 60_000 },
  { name: "5min", label: "last 5 minutes", ms: 300_000 },
  { name: "1h", label: "last hour", ms: 3_600_000 },
  { name: "24h", label: "last 24 hours", ms: 86_400_000 },
] as const;
const WINDOW_DEFAULT = WINDOWS[1];
/** The first of those about one election: later ones say the same again. */
const MESSAGES_SHOWN = 6;
/** What is seen before and after one election. */
const AROUND_MS = 4_000;

/** Who led when and why, as the log remembers it: as a picture, and as a table. */
export function Elections({ status }: { readonly status: ClusterView }) {
  const elections = useElections();
  const now = useNow();
  if (elections.data === undefined)
    return elections.error === null ? (
      <Loading what="elections" />
    ) : (
      <Failure error={elections.error} onRetry={() => void elections.refetch()} />
    );
  const list = elections.data.body;
  return (
    <>
      <TimelineCard status={status} list={list} />
      <section className={page.card} aria-labelledby="elections">
        <h2 id="elections">Elections, the newest first</h2>
        {elections.error === null ? null : (
          <Stale text={`They could not be asked for again: this was told ${ago(now - elections.dataUpdatedAt)}.`} />
        )}
        {list.unreachable.length > 0 ? (
          <Stale text={`${list.unreachable.join(", ")} did not tell how many writes it refused.`} />
        ) : null}
        <Table
          head={[
            "Term",
            "Leader",
            `Since (${zoneName()})`,
            "Led for",
            "Why",
            "After",
            "Votes",
            "Took",
            "Writes refused",
          ]}
        >
          {list.elections.map((election, i) => (
            <Row key={election.height} election={election} next={list.elections[i - 1]} />
          ))}
        </Table>
      </section>
    </>
  );
}

interface TimelineCardProps {
  readonly status: ClusterView;
  readonly list: ElectionList;
}

function TimelineCard({ status, list: { elections, messages } }: TimelineCardProps) {
  const { parameters, change } = useParameters();
  const isPaused = isPausedIn(parameters);
  const now = useHeld(useNow(), isPaused);
  const record = useChaos().data?.body.record ?? [];
  const seen = useWitness();
  const chosen = WINDOWS.find(({ name }) => name === parameters.get("span")) ?? WINDOW_DEFAULT;
  const around = elections.find(({ term }) => String(term) === parameters.get("term"));
  const [from, to] =
    around === undefined
      ? [now - chosen.ms, now]
      : [Date.parse(around.at) - (around.tookMs ?? 0) - AROUND_MS, Math.min(now, Date.parse(around.at) + AROUND_MS)];
  const downtimes = [...seen.map((one) => ({ ...one, to: Math.min(one.to, now) })), ...downtimesOf(record, now)];
  const nodes = [...status.nodes].sort((a, b) => b.priority - a.priority).map(({ id }) => id);
  const timeline = timelineOf({ nodes, elections, messages, downtimes, record, leaderId: status.leaderId, now });
  return (
    <section className={page.card} aria-labelledby="timeline">
      <div className={page.header}>
        <h2 id="timeline">Who led when</h2>
        <div className={page.row}>
          {around === undefined ? (
            <>
              <label>
                <span className="offscreen">Time shown</span>
                <select
                  value={chosen.name}
                  onChange={({ target }) => change({ span: target.value }, { replace: true })}
                >
                  {WINDOWS.map(({ name, label }) => (
                    <option key={name} value={name}>
                      {label}
                    </option>
                  ))}
                </select>
              </label>
              <Button aria-pressed={isPaused} onClick={() => change({ paused: turned(isPaused) }, { replace: true })}>
                {isPaused ? "▶ Resume" : "❚❚ Pause"}
              </Button>
            </>
          ) : (
            <>
              <span>Around the election of term {count(around.term)}</span>
              <Button onClick={() => change({ term: "" })}>Back to now</Button>
            </>
          )}
        </div>
      </div>
      <Swimlanes timeline={timeline} from={from} to={Math.max(to, from + 1_000)} />
      {around === undefined ? null : (
        <ElectionFacts election={around} arrows={timeline.arrows.filter(({ at }) => at >= from && at <= to)} />
      )}
      <LaneTable timeline={timeline} from={from} to={to} />
      <p className={page.muted}>
        <b>▲</b> COORDINATOR: the first block of a term · dashed arrow: a vote · thick arrow: a hand-over · dotted
        arrow: ELECTION · dash and dot: ALIVE · <b>⊘</b> writes refused for want of a leader · <b>◆</b> an event altered
        on demand · full: leader · dots: follower · hatched: campaign, transfer, or down. A campaign begins with the
        last sign of the leader before. ELECTION and ALIVE are what the nodes that they reached remember since their
        start; silence and catching up are what this page saw itself since it was opened. Press ▲ for one election.
      </p>
    </section>
  );
}

/** One election in words, below its picture. */
function ElectionFacts({ election, arrows }: { readonly election: ElectionView; readonly arrows: readonly Arrow[] }) {
  const { term, leaderId, at, reason, previousLeader, votes, tookMs, writesRefused } = election;
  const told = arrows
    .filter(({ kind }) => kind === "election" || kind === "alive")
    .toSorted((a, b) => a.at - b.at)
    .slice(0, MESSAGES_SHOWN);
  const facts: [string, string][] = [
    ["Why it began", whyOf(reason)],
    ["Led before", previousLeader ?? "nobody"],
    ["Won by", `${leaderId}, with term ${count(term)}`],
    ["Messages", told.map(({ from, label }) => `${from} ${label}`).join(", ") || "none is remembered"],
    ["Voted for it", votes.join(", ") || "not recorded"],
    ["First block of the term", `${moment(at)} ${zoneName()}`],
    [reason === "no_leader" ? "Time without a leader" : "Took", tookMs === null ? "not recorded" : lasting(tookMs)],
    ["Writes refused meanwhile", refusedOf(writesRefused)],
  ];
  return <Facts facts={facts} />;
}

const whyOf = (reason: string | null): string =>
  reason === null ? "the log does not say" : (REASONS[reason] ?? reason);

function refusedOf(refused: ElectionView["writesRefused"]): string {
  const all = Object.entries(refused);
  return all.length === 0 ? "none" : all.map(([node, number]) => `${many(number, "write")} on ${node}`).join(", ");
}

function Row({ election, next }: { readonly election: ElectionView; readonly next: ElectionView | undefined }) {
  const { term, leaderId, at, reason, previousLeader, votes, tookMs, writesRefused } = election;
  return (
    <tr>
      <th scope="row">
        <Link href={`/cluster?term=${term}`} aria-label={`${count(term)}: show it in the picture`}>
          {count(term)}
        </Link>
      </th>
      <td>{leaderId}</td>
      <td className={page.number} title={localTime(at)}>
        {moment(at)}
      </td>
      <td>{next === undefined ? "still" : duration(Date.parse(next.at) - Date.parse(at))}</td>
      <td className={page.break}>{whyOf(reason)}</td>
      <td>{previousLeader ?? "–"}</td>
      <td>{votes.join(", ") || "–"}</td>
      <td className={page.number}>{tookMs === null ? "–" : lasting(tookMs)}</td>
      <td>{refusedOf(writesRefused)}</td>
    </tr>
  );
}
