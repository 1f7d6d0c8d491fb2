import { useId, useRef } from "react";
import { useLocation } from "wouter";
import { count } from "../lib/format.js";
import { useWidth } from "../lib/use-width.js";
import { Table } from "../parts/table.js";
import styles from "./chain-runs.module.css";
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

export const RUN_WORDS: Readonly<Record<RunState, string>> = {
  equal: "equal",
  differs: "differs",
  altered: "altered",
  missing: "not there yet",
  unknown: "did not say",
  verified: "verified by a pass",
  held: "held, no pass yet",
};
const isBroken = (state: RunState): boolean => state === "differs" || state === "altered";

interface ChainRunsProps {
  readonly rows: readonly RunRow[];
  /** The first and the last event that are shown. */
  readonly from: number;
  readonly to: number;
  readonly leaderId: string | null;
}

/** Many events as bars, one row a node; each state has a pattern of its own. The table below holds the same. */
export function ChainRuns({ rows, from, to, leaderId }: ChainRunsProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const id = useId().replaceAll(/\W/g, "");
  const [, navigate] = useLocation();
  const inside = Math.max(1, width - LEFT - 2);
  const xOf = (sequence: number): number => LEFT + ((sequence - from) / (to - from + 1)) * inside;
  const height = AXIS + rows.length * ROW;
  const runs = rows.flatMap(({ node, runs: its }) => its.map((run) => ({ node, ...run })));
  return (
    <>
      <div ref={frame} className={styles.frame}>
        <svg width={width} height={height} role="img" aria-label={inWords(rows, from, to)}>
          <Patterns id={id} />
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
                  <Bar key={run.from} run={run} id={id} middle={AXIS + (i + 0.5) * ROW} xOf={xOf} onOpen={navigate} />
                ))}
            </g>
          ))}
        </svg>
      </div>
      <details>
        <summary>As a table</summary>
        <Table head={["Node", "First event", "Last event", "Stands"]}>
          {runs.slice(0, TABLE_ROWS_MAX).map((run) => (
            <tr key={`${run.node} ${run.from}`}>
              <th scope="row">{run.node}</th>
              <td>{count(run.from)}</td>
              <td>{count(run.to)}</td>
              <td>{RUN_WORDS[run.state]}</td>
            </tr>
          ))}
        </Table>
        {runs.length > TABLE_ROWS_MAX ? <p>{count(runs.length - TABLE_ROWS_MAX)} more are not listed.</p> : null}
      </details>
    </>
  );
}

interface BarProps {
  readonly run: Run;
  readonly id: string;
  readonly middle: number;
  xOf(sequence: number): number;
  onOpen(path: string): void;
}

function Bar({ run: { from, to, state }, id, middle, xOf, onOpen }: BarProps) {
  const wanted = xOf(to + 1) - xOf(from);
  const width = Math.max(isBroken(state) ? BROKEN_PX_MIN : RUN_PX_MIN, wanted);
  const x = xOf(from) - (width - wanted) / 2;
  return (
    <g className={styles[state]} onPointerUp={() => onOpen(`/chain?at=${from}`)}>
      <rect x={x} y={middle - BAR / 2} width={width} height={BAR} fill={`url(#${id}${state})`}>
        <title>{`${count(from)} to ${count(to)}: ${RUN_WORDS[state]}`}</title>
      </rect>
      {isBroken(state) ? (
        <text x={x + width / 2} y={middle - BAR / 2 - 1}>
          !
        </text>
      ) : null}
    </g>
  );
}

const LINES: Readonly<Record<RunState, string>> = {
  equal: "",
  verified: "",
  held: "M0,8 L8,0",
  missing: "M1,4 L3,4",
  unknown: "M0,4 L5,4",
  altered: "M0,0 L8,8 M0,8 L8,0",
  differs: "M2,0 L2,8 M6,0 L6,8",
};

function Patterns({ id }: { readonly id: string }) {
  return (
    <defs>
      {(Object.keys(LINES) as RunState[]).map((state) => (
        <pattern
          key={state}
          id={`${id}${state}`}
          className={styles[state]}
          width="8"
          height="8"
          patternUnits="userSpaceOnUse"
        >
          <rect width="8" height="8" className={styles.ground} />
          <path d={LINES[state]} className={styles.stroke} />
        </pattern>
      ))}
    </defs>
  );
}

function inWords(rows: readonly RunRow[], from: number, to: number): string {
  const wrong = rows.flatMap(({ node, runs }) =>
    runs.filter(({ state }) => isBroken(state)).map((run) => `${node} ${RUN_WORDS[run.state]} at ${count(run.from)}`),
  );
  return `Events ${count(from)} to ${count(to)}, a row for each of ${rows.map(({ node }) => node).join(", ")}: ${
    wrong.length === 0 ? "nothing differs" : wrong.slice(0, 20).join(", ")
  }. The table below has each.`;
}
