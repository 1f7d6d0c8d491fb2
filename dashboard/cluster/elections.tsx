import { useElections } from "../api/queries.js";
import type { ElectionView } from "../api/types.js";
import { clockTime, count, dateOf, duration, localTime, many } from "../lib/format.js";
import page from "../parts/page.module.css";
import { Failure, Loading, Stale } from "../parts/states.js";

const REASONS: Readonly<Record<string, string>> = {
  genesis: "the cluster began",
  no_leader: "no leader was heard",
  take_over: "a node of higher priority took over",
  hand_over: "the leader handed over",
};

/** Who led when and why, as the log remembers it. */
export function Elections() {
  const elections = useElections();
  if (elections.data === undefined)
    return elections.error === null ? (
      <Loading what="elections" />
    ) : (
      <Failure error={elections.error} onRetry={() => void elections.refetch()} />
    );
  const list = elections.data.body;
  return (
    <section className={page.card} aria-labelledby="elections">
      <h2 id="elections">Elections, the newest first</h2>
      {list.unreachable.length > 0 ? (
        <Stale text={`${list.unreachable.join(", ")} did not tell how many writes it refused.`} />
      ) : null}
      <div className={page.scroll}>
        <table className={page.table}>
          <thead>
            <tr>
              {["Term", "Leader", "Since (UTC)", "Led for", "Why", "After", "Votes", "Took", "Writes refused"].map(
                (name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {list.elections.map((election, i) => (
              <Row key={election.height} election={election} next={list.elections[i - 1]} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ election, next }: { readonly election: ElectionView; readonly next: ElectionView | undefined }) {
  const { term, leaderId, at, reason, previousLeader, votes, tookMs, writesRefused } = election;
  const refused = Object.entries(writesRefused);
  return (
    <tr>
      <th scope="row">{count(term)}</th>
      <td>{leaderId}</td>
      <td className={page.number} title={localTime(at)}>
        {dateOf(at)} {clockTime(at)}
      </td>
      <td>{next === undefined ? "still" : duration(Date.parse(next.at) - Date.parse(at))}</td>
      <td>{reason === null ? "the log does not say" : (REASONS[reason] ?? reason)}</td>
      <td>{previousLeader ?? "–"}</td>
      <td>{votes.join(", ") || "–"}</td>
      <td className={page.number}>{tookMs === null ? "–" : duration(tookMs)}</td>
      <td>
        {refused.length === 0
          ? "none"
          : refused.map(([node, number]) => `${many(number, "write")} on ${node}`).join(", ")}
      </td>
    </tr>
  );
}
