import { useLocation } from "wouter";
import { Bar, Lanes, type Room } from "../lanes/lanes.js";
import styles from "../lanes/lanes.module.css";
import { count } from "../lib/format.js";
import { Table } from "../parts/table.js";
import { breakOf } from "./breaks.js";
import type { Run, RunRow, RunState } from "./runs.js";

const ROW = 34;
const BAR = 18;
const LEFT = 56;
const AXIS = 22;
/** Beyond this a table helps nobody. */
const TABLE_ROWS_MAX = 200;
const RUN_PX_MIN = 3;
/** What is wrong has to be seen, however small its part is. */
const BROKEN_PX_MIN = 8;

const RUN_WORDS: Readonly<Record<RunState, string>> = {
  equal: "equal",
  differs: "differs",
  altered: "altered",
  missing: "not there yet",
  unknown: "did not say",
  verified: "verified by a pass",
  held: "held, no pass yet",
};
const wordsOf = ({ state, kind }: Run): string => `${RUN_WORDS[state]}${kind === undefined ? "" : ` (${kind})`}`;
const isBroken = (state: RunState): boolean => state === "differs" || state === "altered";

interface ChainRunsProps {
  readonly rows: readonly RunRow[];
  /** The first and the last event that are shown. */
  readonly from: number;
  readonly to: number;
  readonly leaderId: string | null;
}

/** Many events as bars, one row a node. The table below holds the same. */
export function ChainRuns({ rows, from, to, leaderId }: ChainRunsProps) {
  const runs = rows.flatMap(({ node, runs: its }) => its.map((run) => ({ node, ...run })));
  return (
    <>
      <Lanes height={AXIS + rows.length * ROW} words={inWords(rows, from, to)}>
        {({ width, id }) => (
          <>
            <text className={styles.edge} x={LEFT} y={AXIS - 8}>
              #{count(from)}
            </text>
            <text className={`${styles.edge} ${styles.end}`} x={width - 2} y={AXIS - 8}>
              #{count(to)}
            </text>
            {rows.map(({ node, runs: its }, i) => (
              <g key={node}>
                <text className={styles.node} x={2} y={AXIS + (i + 0.5) * ROW + 4}>
                  {node}
                  {node === leaderId ? " L" : ""}
                </text>
                {/* What is wrong is drawn last: it may be wider than its part. */}
                {its
                  .toSorted((a, b) => Number(isBroken(a.state)) - Number(isBroken(b.state)))
                  .map((run) => (
                    <RunBar key={run.from} {...{ run, from, to, width, id }} middle={AXIS + (i + 0.5) * ROW} />
                  ))}
              </g>
            ))}
          </>
        )}
      </Lanes>
      <details>
        <summary>As a table</summary>
        <Table head={["Node", "First event", "Last event", "Stands"]}>
          {runs.slice(0, TABLE_ROWS_MAX).map((run) => (
            <tr key={`${run.node} ${run.from}`}>
              <th scope="row">{run.node}</th>
              <td>{count(run.from)}</td>
              <td>{count(run.to)}</td>
              <td>{wordsOf(run)}</td>
            </tr>
          ))}
        </Table>
        {runs.length > TABLE_ROWS_MAX ? <p>{count(runs.length - TABLE_ROWS_MAX)} more are not listed.</p> : null}
      </details>
    </>
  );
}

interface RunBarProps extends Room {
  readonly run: Run;
  readonly from: number;
  readonly to: number;
  readonly middle: number;
}

function RunBar({ run, from, to, width: all, id, middle }: RunBarProps) {
  const [, navigate] = useLocation();
  const { state } = run;
  const broken = state === "altered" ? breakOf(run.kind) : null;
  const ofOne = Math.max(1, all - LEFT - 2) / (to - from + 1);
  const wanted = (run.to + 1 - run.from) * ofOne;
  const width = Math.max(isBroken(state) ? BROKEN_PX_MIN : RUN_PX_MIN, wanted);
  const x = LEFT + (run.from - from) * ofOne - (width - wanted) / 2;
  return (
    <g className={styles.place}>
      <Bar
        {...{ kind: broken?.pattern ?? state, id, x, width, middle }}
        height={BAR}
        title={`${count(run.from)} to ${count(run.to)}: ${wordsOf(run)}`}
        onPress={() => navigate(`/chain?at=${run.from}`)}
      >
        {isBroken(state) ? (
          <text className={styles.broken} x={x + width / 2} y={middle - BAR / 2 - 1}>
            {broken?.sign ?? "✗"}
          </text>
        ) : null}
      </Bar>
    </g>
  );
}

function inWords(rows: readonly RunRow[], from: number, to: number): string {
  const wrong = rows.flatMap(({ node, runs }) =>
    runs
      .filter(({ state }) => isBroken(state))
      .map(
        (run) =>
          `${node} ${RUN_WORDS[run.state]} at ${count(run.from)}${run.kind === undefined ? "" : ` (${run.kind})`}`,
      ),
  );
  return `Events ${count(from)} to ${count(to)}, a row for each of ${rows.map(({ node }) => node).join(", ")}: ${
    wrong.length === 0 ? "nothing differs" : wrong.slice(0, 20).join(", ")
  }. The table below has each.`;
}
