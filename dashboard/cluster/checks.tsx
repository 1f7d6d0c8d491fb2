import { Link } from "wouter";
import type { Asked } from "../api/queries.js";
import type { AlertList, ClusterView, NodeView } from "../api/types.js";
import { ago, count } from "../lib/format.js";
import { Mark } from "../parts/mark.js";
import { isOutdated, Outdated } from "../parts/outdated.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import type { Tone } from "../parts/tone.js";

const WATCHES: Readonly<Record<string, { tone: Tone; text: string }>> = {
  live: { tone: "ok", text: "live" },
  starting: { tone: "unknown", text: "starting" },
  down: { tone: "bad", text: "down" },
  unsupported: { tone: "warn", text: "not on this MongoDB" },
};

interface ChecksProps {
  readonly status: ClusterView;
  readonly alerts: Asked<AlertList>;
  readonly now: number;
}

/** What each node checks of its own database, and how far that has come. */
export function Checks({ status, alerts, now }: ChecksProps) {
  const list = alerts.data?.body;
  return (
    <section className={page.card} aria-labelledby="checks">
      <h2 id="checks">What each node checks of its own database</h2>
      <Outdated asked={alerts} what="the column of differences" />
      <Table head={["Node", "Watch", "Verified through", "Last full pass", "Oldest check", "Differences"]}>
        {status.nodes.map((node) => (
          <tr key={node.id}>
            <th scope="row">{node.id}</th>
            <td>
              <Watch node={node} />
            </td>
            <td className={page.number}>{verified(node)}</td>
            <td>{since(node.lastPassAt, now)}</td>
            <td>{since(node.oldestVerifiedAt, now)}</td>
            <td>
              <Differences found={foundOn(node.id, list)} isOutdated={isOutdated(alerts)} />
            </td>
          </tr>
        ))}
      </Table>
      <p className={page.muted}>
        The watch sees a change at once; the pass reads every block again and again, and finds what no watch has seen.
        Every block was verified since its oldest check, or when it came.
      </p>
    </section>
  );
}

function Watch({ node: { watch } }: { readonly node: NodeView }) {
  const { tone, text } = WATCHES[watch] ?? { tone: "unknown" as const, text: "not known" };
  return <Mark tone={tone}>{text}</Mark>;
}

/** A node's own alerts are told by itself: of one that is silent, what others found is known, and no more. */
function foundOn(id: string, list: AlertList | undefined): number | undefined {
  const found = list?.alerts.filter(({ accused }) => accused === id).length;
  return found === 0 && list?.unreachable.includes(id) ? undefined : found;
}

interface DifferencesProps {
  readonly found: number | undefined;
  readonly isOutdated: boolean;
}

function Differences({ found, isOutdated: wasTold }: DifferencesProps) {
  if (found === undefined) return <Mark tone="unknown">not told</Mark>;
  // What was found stands until the opposite is told; that there was nothing does not.
  if (found === 0 && wasTold) return <Mark tone="unknown">none then</Mark>;
  return found === 0 ? (
    <Mark tone="ok">none</Mark>
  ) : (
    <>
      <Mark tone="bad">{count(found)}</Mark> <Link href="/alerts">look at them</Link>
    </>
  );
}

function verified({ role, verifiedThrough, lastSequence }: NodeView): string {
  if (role === "unknown") return "";
  if (lastSequence < 0) return "nothing to verify";
  if (verifiedThrough < 0) return `none of ${count(lastSequence + 1)} yet`;
  return `${count(Math.min(verifiedThrough, lastSequence) + 1)} of ${count(lastSequence + 1)}`;
}

const since = (at: string | null, now: number): string => (at === null ? "–" : ago(Math.max(0, now - Date.parse(at))));
