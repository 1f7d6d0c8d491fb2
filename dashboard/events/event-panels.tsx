import type { ReactNode } from "react";
import { checkEventView } from "../../shared/log/event.js";
import { useCluster } from "../api/queries.js";
import { shortHash, unturned } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { localTime } from "../lib/times.js";
import { Button } from "../parts/button.js";
import { CopyButton } from "../parts/copy-button.js";
import { nodeUrl } from "../parts/first-event.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import { copyVerdict, type Step } from "../verify/steps.js";
import type { Verified } from "../verify/use-verification.js";
import styles from "./event-drawer.module.css";
import { fieldsOf } from "./fields.js";

interface PanelProps {
  readonly verified: Verified;
}

export function FieldsPanel({ verified: { event } }: PanelProps) {
  const { change } = useParameters();
  const paths = useCluster().data?.body.index.payload ?? [];
  const filterBy = (name: string, text: string): ReactNode => (
    <Button kind="quiet" onClick={() => change({ [name]: text })}>
      Filter by it
    </Button>
  );
  const rows: [string, string, ReactNode?][] = [
    ["Type", event.eventType, filterBy("eventType", event.eventType.replaceAll("*", "\\*"))],
    ["Source", event.sourceAppId, filterBy("sourceAppId", event.sourceAppId)],
    ["Timestamp", event.timestamp],
    ["Recorded", `${event.recordedAt} (here ${localTime(event.recordedAt)})`, filterBy("since", event.recordedAt)],
    ["Block", `${event.height}, term ${event.term}`],
    ["Id", event.id],
    ["Hash", event.hash],
    ["Previous", event.previousHash === "" ? "none: it is the first" : event.previousHash],
    ...(event.idempotencyKey === undefined ? [] : [["Key", event.idempotencyKey] as [string, string]]),
    ...(event.batch === undefined ? [] : [["Batch", `${event.batch[0] + 1} of ${event.batch[1]}`] as [string, string]]),
  ];
  const { fields, more } = fieldsOf(event.dataPayload);
  return (
    <>
      <Fields rows={rows} />
      <h3>Payload</h3>
      <Fields
        rows={fields.map(({ path, text, condition }) => [
          path,
          text,
          paths.includes(path) && condition !== null ? filterBy(`payload.${path}`, condition) : undefined,
        ])}
      />
      {more > 0 ? <p className={page.muted}>{more} more fields: see JSON.</p> : null}
    </>
  );
}

function Fields({ rows }: { readonly rows: readonly (readonly [string, string, ReactNode?])[] }) {
  if (rows.length === 0) return <p className={page.muted}>It has no fields.</p>;
  return (
    <dl className={styles.fields}>
      {rows.map(([name, text, action]) => (
        <div key={name}>
          <dt>
            <bdi>{unturned(name)}</bdi>
          </dt>
          <dd>
            <bdi>{unturned(text)}</bdi> {action}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function JsonPanel({ verified: { event } }: PanelProps) {
  // It is the same JSON.
  const text = unturned(JSON.stringify(event, null, 2));
  return (
    <>
      <CopyButton text={text} label="Copy JSON" />
      <Code label="The event as JSON" text={text} />
    </>
  );
}

/** It scrolls within itself, so the keyboard must reach it. */
function Code({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    <section aria-label={label}>
      <textarea
        className={styles.code}
        readOnly
        rows={Math.min(24, text.split("\n").length)}
        value={text}
        aria-label={label}
      />
    </section>
  );
}

export function HashPanel({ verified: { steps } }: PanelProps) {
  return (
    <>
      <p className={page.muted}>Checked in this browser, against keys that this node gave.</p>
      <ol className={styles.steps}>
        {steps.map((step) => (
          <li key={step.title} data-state={step.state}>
            <StepMark step={step} /> {step.title}
            <code>{step.computed}</code>
            {step.expected === undefined ? null : <code>instead of {step.expected}</code>}
          </li>
        ))}
      </ol>
    </>
  );
}

function StepMark({ step: { state } }: { readonly step: Step }) {
  if (state === "ok") return <Mark tone="ok">holds</Mark>;
  return state === "failed" ? <Mark tone="bad">does not hold</Mark> : <Mark tone="unknown">open</Mark>;
}

export function NodesPanel({ verified: { event, copies } }: PanelProps) {
  return (
    <Table caption="The event as each node holds it" head={["Node", "Its copy", "Hash it names"]}>
      {copies.map((copy) => {
        const verdict = copyVerdict(event, copy);
        const fault = copy.event === null ? null : checkEventView(copy.event);
        return (
          <tr key={copy.node}>
            <th scope="row">{copy.node}</th>
            <td>
              {verdict === "same" ? (
                <Mark tone="ok">equal</Mark>
              ) : copy.event === null ? (
                <Mark tone="unknown">not seen</Mark>
              ) : (
                <Mark tone="bad">differs</Mark>
              )}
              {copy.event === null ? ` ${verdict}` : fault === null ? "" : ` its ${fault} is not the recomputed one`}
            </td>
            <td>
              <code title={copy.hash ?? ""}>{copy.hash === null ? "none" : shortHash(copy.hash)}</code>
            </td>
          </tr>
        );
      })}
    </Table>
  );
}

export function CurlPanel({ verified: { event } }: PanelProps) {
  const base = nodeUrl();
  const lines = [
    `curl ${base}/api/v1/events/${event.sequence}`,
    `curl ${base}/api/v1/events/${event.sequence}/nodes`,
    `curl ${base}/api/v1/blocks/${event.height}`,
  ];
  return (
    <>
      {lines.map((line) => (
        <div key={line} className={page.row}>
          <code className={page.break}>{line}</code>
          <CopyButton text={line} label="Copy" />
        </div>
      ))}
    </>
  );
}
