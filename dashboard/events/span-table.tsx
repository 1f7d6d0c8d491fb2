import { count } from "../lib/format.js";
import { moment, zoneName } from "../lib/times.js";
import { Button } from "../parts/button.js";
import page from "../parts/page.module.css";
import styles from "./event-histogram.module.css";
import type { Bucket } from "./spans.js";

interface SpanTableProps {
  readonly buckets: readonly Bucket[];
  /** What a press on a row does, in words. */
  readonly choice: string;
  onChoose(index: number): void;
}

/** The bars of a histogram, and the same as a press on one of them. */
export function SpanTable({ buckets, choice, onChoose }: SpanTableProps) {
  return (
    <div className={styles.table}>
      <table className={page.table}>
        <thead>
          <tr>
            <th scope="col">From ({zoneName()})</th>
            <th scope="col">Events</th>
            <th scope="col">
              <span className="offscreen">{choice}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {buckets.map((bucket, i) => (
            <tr key={bucket.since}>
              <th scope="row">{moment(bucket.since)}</th>
              <td className={page.number}>{bucket.count === null ? "not counted" : count(bucket.count)}</td>
              <td>
                <Button kind="quiet" onClick={() => onChoose(i)}>
                  {choice}
                  <span className="offscreen">, from {moment(bucket.since)}</span>
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
