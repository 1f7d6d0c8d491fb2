import { ApiError, NoAnswer } from "../api/client.js";
import type { Asked } from "../api/queries.js";
import type { ClusterView } from "../api/types.js";
import { duration } from "../lib/format.js";
import { useNow } from "../lib/use-now.js";
import styles from "./banners.module.css";
import { useNodeLinks } from "./node-switcher.js";

/** What is wrong with all that is shown, and what to do about it. */
export function Banners({ cluster }: { readonly cluster: Asked<ClusterView> }) {
  const { data, error } = cluster;
  return (
    <>
      {error === null ? null : <Disconnected cluster={cluster} error={error} />}
      {error === null && data?.body.state === "no_quorum" ? <Minority status={data.body} /> : null}
      {error === null
        ? data?.body.warnings.map((warning) => <Banner key={warning} tone="warn" text={warning} />)
        : null}
    </>
  );
}

function Banner({ tone, text }: { readonly tone: "warn" | "bad"; readonly text: string }) {
  return (
    <div className={`${styles.banner} ${styles[tone]}`} role="status">
      <strong>{tone === "bad" ? "✗" : "!"}</strong>
      <p>{text}</p>
    </div>
  );
}

function Minority({ status }: { readonly status: ClusterView }) {
  const silent = status.nodes.filter(({ role }) => role === "unknown").map(({ id }) => id);
  return (
    <Banner
      tone="bad"
      text={
        `No majority stands behind this node: of ${status.nodes.length} nodes, ${status.quorum} must agree. ` +
        "Nothing is written until they do; what is shown is what this node knew last. " +
        `Start ${silent.join(" and ") || "the other nodes"} again, or mend the network between them.`
      }
    />
  );
}

interface DisconnectedProps {
  readonly cluster: Asked<ClusterView>;
  readonly error: Error;
}

/** No answer came, or one that says nothing of the cluster, such as a proxy's. */
function Disconnected({ cluster, error }: DisconnectedProps) {
  const now = useNow();
  const { self, others } = useNodeLinks(cluster);
  const at = cluster.dataUpdatedAt;
  const age = at === 0 ? "How the cluster stands is not known yet." : `What is shown is ${duration(now - at)} old.`;
  return (
    <div className={`${styles.banner} ${styles.bad}`} role="status">
      <strong>✗</strong>
      <p>
        {self === "" ? "This node" : self} {whatIsMissing(error)} {age}{" "}
        {others.length > 0 ? "Go on at another node: " : "It is asked again every second."}
        {others.map(({ id, href }) => (
          <a key={id} href={href}>
            {id}
          </a>
        ))}
      </p>
    </div>
  );
}

function whatIsMissing(error: Error): string {
  if (error instanceof NoAnswer) return "does not answer.";
  const title = error instanceof ApiError ? `${error.problem.title}. ` : "";
  return `does not say how the cluster stands: ${title}${error.message}`;
}
