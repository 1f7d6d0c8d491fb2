import { Link } from "wouter";
import type { Asked } from "../api/queries.js";
import type { ClusterView, NodeView } from "../api/types.js";
import { useStreamState } from "../api/use-stream.js";
import { count } from "../lib/format.js";
import { chooseTheme, useTheme } from "../lib/theme.js";
import { chooseZone, useZone } from "../lib/zone.js";
import { Button } from "../parts/button.js";
import { Mark } from "../parts/mark.js";
import type { Tone } from "../parts/tone.js";
import { NodeSwitcher } from "./node-switcher.js";
import styles from "./top-bar.module.css";

/** Never leaves: majority, leader and term, which node speaks, and whether it still does. */
export function TopBar({ cluster, onHelp }: { readonly cluster: Asked<ClusterView>; readonly onHelp: () => void }) {
  const theme = useTheme();
  const zone = useZone();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <header className={styles.bar}>
      <Link href="/" className={styles.name}>
        Quorumlog
      </Link>
      <Standing cluster={cluster} />
      <span className={styles.space} />
      <LiveDot />
      <NodeSwitcher cluster={cluster} />
      <Button kind="quiet" onClick={() => chooseTheme(other)} aria-label={`Use the ${other} theme`}>
        {theme === "dark" ? "☀" : "☾"}
      </Button>
      <Button
        kind="quiet"
        onClick={() => chooseZone(zone === "utc" ? "local" : "utc")}
        aria-label={zone === "utc" ? "Times are in UTC: show local time" : "Times are local: show UTC"}
      >
        {zone === "utc" ? "UTC" : "local"}
      </Button>
      <Button kind="quiet" onClick={onHelp} aria-label="Keys">
        ?
      </Button>
    </header>
  );
}

function Standing({ cluster }: { readonly cluster: Asked<ClusterView> }) {
  const { data, error } = cluster;
  if (data === undefined) return <Mark tone="unknown">{error === null ? "asking" : "no answer"}</Mark>;
  const { nodes, quorum, leaderId, term } = data.body;
  // Without a leader no node is healthy: then those that answer are counted.
  // A damaged one votes and acknowledges as before; the alert beside says what is wrong with it.
  const counts = (node: NodeView): boolean => node.healthy || node.health === "damaged";
  const healthy = nodes.filter((node) => (leaderId === null ? node.role !== "unknown" : counts(node))).length;
  // What was said last may no longer be so.
  const isCut = error !== null;
  const tone: Tone = isCut
    ? "unknown"
    : healthy < quorum || leaderId === null
      ? "bad"
      : healthy < nodes.length
        ? "warn"
        : "ok";
  const words =
    healthy < quorum
      ? "no majority"
      : leaderId === null
        ? "no leader"
        : healthy < nodes.length
          ? "majority"
          : "all nodes";
  return (
    <>
      <span role="alert">
        {data.body.state === "integrity_alert" ? (
          <Link href="/alerts">
            <Mark tone="bad">integrity alert</Mark>
          </Link>
        ) : null}
      </span>
      <Mark tone={tone}>{`${healthy}/${nodes.length} ${words}`}</Mark>
      <span className={styles.leader}>
        {leaderId === null ? "no leader" : `${leaderId} leads`} · term {term}
      </span>
      <Link href="/cluster" className={styles.verified}>
        {verifiedOf(data.body)}
      </Link>
    </>
  );
}

/** What passes over the log have covered on every node that answers. */
function verifiedOf({ nodes }: ClusterView): string {
  const answering = nodes.filter(({ role }) => role !== "unknown");
  const size = Math.max(0, ...answering.map(({ lastSequence }) => lastSequence + 1));
  const through = Math.min(size, ...answering.map(({ verifiedThrough }) => verifiedThrough + 1));
  return `verified ${count(through)} of ${count(size)}`;
}

const STREAM_WORDS = { connecting: "connecting", live: "live", lost: "not live" } as const;

function LiveDot() {
  const state = useStreamState();
  return (
    <span className={`${styles.live} ${styles[state]}`} role="status" data-stream={state}>
      <span aria-hidden="true">{state === "live" ? "●" : "○"}</span> {STREAM_WORDS[state]}
    </span>
  );
}
