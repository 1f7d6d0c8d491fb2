import { count, many } from "../lib/format.js";
import { save } from "../lib/save.js";
import { Button } from "../parts/button.js";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { Table } from "../parts/table.js";
import type { Tone } from "../parts/tone.js";
import { CHECKS, type CheckName, type Finding, leavesOpen, type RangeReport } from "./range.js";
import type { CheckState } from "./use-worker.js";
import styles from "./verify-page.module.css";

const TONES: Readonly<Record<string, Tone>> = { sound: "ok", altered: "bad", nothing: "unknown" };

/** How far a check is, and what it found. */
export function CheckReport({ state, onStop }: { readonly state: CheckState; onStop(): void }) {
  if (state.kind === "idle") return null;
  if (state.kind === "running") return <Running done={state.done} of={state.of} onStop={onStop} />;
  if (state.kind === "failed")
    return (
      <section className={page.card} aria-labelledby="outcome">
        <h2 id="outcome">It could not be checked</h2>
        <p role="status">{state.detail}</p>
      </section>
    );
  const { report } = state;
  const name = `check-${report.checkedAt.replaceAll(/[:.]/g, "-")}.json`;
  return (
    <section className={page.card} aria-labelledby="outcome">
      <h2 id="outcome">What was found</h2>
      <p role="status" className={styles.verdict}>
        <Mark tone={TONES[report.verdict] ?? "unknown"}>{wordsOf(state)}</Mark>
      </p>
      <p className={page.muted}>
        {report.source}, checked {report.checkedAt}
      </p>
      <div className={page.row}>
        <Button onClick={() => save(name, [JSON.stringify(report, null, 2)])}>Download the report</Button>
        {state.kind === "report" && state.file !== null ? (
          <Button onClick={() => save(`range-${state.report.first}-${state.report.last}.json`, [state.file ?? ""])}>
            Download the events and blocks
          </Button>
        ) : null}
      </div>
      {state.kind === "report" ? <RangeTables report={state.report} /> : <Steps state={state} />}
    </section>
  );
}

function wordsOf(state: Extract<CheckState, { kind: "report" | "evidence" }>): string {
  const { report } = state;
  if (report.verdict === "altered") return "Something does not hold";
  if (report.verdict === "nothing") return "There was nothing to check";
  if (state.kind === "evidence")
    return state.report.steps.some((step) => step.state === "open")
      ? "All that could be told holds"
      : "All of it holds";
  const what = `${many(state.report.events, "event")} in ${many(state.report.blocks, "block")}`;
  return leavesOpen(state.report) ? `${what}: all that could be told holds` : `${what}: all of it holds`;
}

function Running({ done, of, onStop }: { readonly done: number; readonly of: number; onStop(): void }) {
  return (
    <section className={page.card} aria-labelledby="outcome">
      <h2 id="outcome">Checking …</h2>
      <div className={page.row}>
        <progress max={Math.max(1, of)} value={done} aria-label="Checked" className={styles.progress} />
        <span className={page.number}>
          {count(done)} of {count(of)}
        </span>
        <Button onClick={onStop}>Stop</Button>
      </div>
    </section>
  );
}

function RangeTables({ report }: { readonly report: RangeReport }) {
  return (
    <>
      <Table head={["What was computed", "Holds", "Does not", "Not to be told"]}>
        {(Object.keys(CHECKS) as CheckName[]).map((name) => {
          const { held, failed, open } = report.checks[name];
          return (
            <tr key={name}>
              <th scope="row">{CHECKS[name]}</th>
              <td className={page.number}>{count(held)}</td>
              <td className={page.number}>{failed === 0 ? "0" : <Mark tone="bad">{count(failed)}</Mark>}</td>
              <td className={page.number}>{count(open)}</td>
            </tr>
          );
        })}
      </Table>
      {report.headHash === "" ? null : (
        <p className={page.break}>
          Hash of the last event, {count(report.last ?? 0)}: <code>{report.headHash}</code>
        </p>
      )}
      <Findings report={report} />
    </>
  );
}

function Findings({ report: { findings, furtherFindings } }: { readonly report: RangeReport }) {
  if (findings.length === 0) return null;
  return (
    <>
      <ol className={styles.findings} aria-label="What does not hold">
        {findings.map((finding) => (
          <FindingItem key={`${finding.check} ${finding.sequence} ${finding.height}`} finding={finding} />
        ))}
      </ol>
      {furtherFindings > 0 ? (
        <p className={page.muted}>And {count(furtherFindings)} more, of which only the number is kept.</p>
      ) : null}
    </>
  );
}

function FindingItem({ finding: { check, sequence, height, computed, expected } }: { readonly finding: Finding }) {
  const places = [
    ...(sequence === undefined ? [] : [`event ${count(sequence)}`]),
    ...(height === undefined ? [] : [`block ${count(height)}`]),
  ];
  return (
    <li>
      <strong>
        {check}, {places.join(", ")}
      </strong>
      <code>computed {computed === "" ? "none" : computed}</code>
      <code>stands there {expected === "" ? "none" : expected}</code>
    </li>
  );
}

const STEP_TONES: Readonly<Record<string, Tone>> = { ok: "ok", failed: "bad", open: "unknown" };

function Steps({ state: { report } }: { readonly state: Extract<CheckState, { kind: "evidence" }> }) {
  return (
    <ol className={styles.findings} aria-label="Steps">
      {report.steps.map(({ title, state, computed, expected }) => (
        <li key={title}>
          <Mark tone={STEP_TONES[state] ?? "unknown"}>{title}</Mark>
          <code>{computed}</code>
          {expected === undefined ? null : <code>stands there {expected}</code>}
        </li>
      ))}
    </ol>
  );
}
