import { Link } from "wouter";
import type { ChaosAction, ChaosState } from "../../shared/protocol/chaos.js";
import { useChaos } from "../api/queries.js";
import { useStrike } from "../api/use-strike.js";
import { clockTime, zoneName } from "../lib/times.js";
import { Button } from "../parts/button.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import styles from "./cluster.module.css";

type Standing = ChaosState["nodes"][number];
const RECORD_SHOWN = 8;

/** Faults on demand, where the person who started the cluster has allowed them. */
export function ChaosPanel() {
  const chaos = useChaos();
  const { strike, said, isPending } = useStrike();
  const view = chaos.data?.body;
  if (view === undefined || !view.allowed) return null;
  return (
    <section className={`${page.card} ${styles.chaos}`} aria-labelledby="chaos">
      <h2 id="chaos">Faults on demand</h2>
      <p className={page.muted}>
        The start script makes them, since it was started with <code>--demo</code> or <code>--allow-chaos</code>. Watch
        the lanes above, the <Link href="/chain">chain</Link> and the <Link href="/alerts">alerts</Link>.
      </p>
      <Table head={["Node", "Stands", "Do"]}>
        {view.nodes.map((node) => (
          <tr key={node.node}>
            <th scope="row">{node.node}</th>
            <td>
              <Stands node={node} />
            </td>
            <td>
              <div className={styles.faults}>
                {actionsFor(node).map(({ action, label }) => (
                  <Button
                    key={action}
                    aria-label={`${label}: ${node.node}`}
                    disabled={isPending}
                    onClick={() => strike({ action, node: node.node })}
                  >
                    {label}
                  </Button>
                ))}
              </div>
            </td>
          </tr>
        ))}
      </Table>
      <p role="status">{said}</p>
      <details>
        <summary>What happened to the nodes</summary>
        <Record record={view.record} />
      </details>
    </section>
  );
}

function Stands({ node: { up, paused, cut } }: { readonly node: Standing }) {
  if (!up) return <Mark tone="bad">down</Mark>;
  if (paused) return <Mark tone="warn">paused</Mark>;
  return cut ? <Mark tone="warn">cut off</Mark> : <Mark tone="ok">runs</Mark>;
}

interface Offer {
  readonly action: ChaosAction;
  readonly label: string;
}

/** Only what can be done as it stands. */
function actionsFor({ up, paused, cut }: Standing): Offer[] {
  const network: Offer = cut ? { action: "join", label: "Reconnect" } : { action: "cut", label: "Cut off" };
  const alter: Offer = { action: "tamper", label: "Alter an event" };
  if (!up) return [{ action: "restart", label: "Start" }, network, alter];
  return [
    { action: "kill", label: "Kill" },
    paused ? { action: "resume", label: "Resume" } : { action: "pause", label: "Pause" },
    { action: "restart", label: "Restart" },
    network,
    alter,
  ];
}

function Record({ record }: Pick<ChaosState, "record">) {
  if (record.length === 0) return <p>Nothing since the start.</p>;
  return (
    <Table head={[`Time (${zoneName()})`, "Node", "What"]}>
      {record
        .slice(-RECORD_SHOWN)
        .reverse()
        .map(({ at, node, what, detail }) => (
          <tr key={`${at} ${node} ${what} ${detail ?? ""}`}>
            <td className={page.number}>{clockTime(at)}</td>
            <td>{node}</td>
            <td className={page.break}>
              {what}
              {detail === undefined ? "" : `: ${detail}`}
            </td>
          </tr>
        ))}
    </Table>
  );
}
