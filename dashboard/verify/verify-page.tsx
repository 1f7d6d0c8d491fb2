import { type DragEvent, type FormEvent, useId, useState } from "react";
import { useLogSize } from "../api/log-size.js";
import { count } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { Button } from "../parts/button.js";
import page from "../parts/page.module.css";
import { CheckReport } from "./check-report.js";
import { useWorker } from "./use-worker.js";
import styles from "./verify-page.module.css";

const EVENTS_DEFAULT = 1_000;
/** Beyond this the events are checked, and not kept to be downloaded. */
const KEPT_MAX = 20_000;
const FILE_BYTES_MAX = 256 * 1024 * 1024;

/** A range of the log, or a file, checked in this browser by the code that nodes use. */
export function VerifyPage() {
  const { state, run, stop } = useWorker();
  const isRunning = state.kind === "running";
  return (
    <div className={page.page}>
      <h1>Verify</h1>
      <p className={page.muted}>
        Every hash, link and signature is computed in this browser. Keys are those that the node or the file gives.
      </p>
      <div className={styles.ways}>
        <RangeForm
          isRunning={isRunning}
          onRun={(from, to) => {
            const base = new URL(".", document.baseURI);
            base.hash = "";
            run({ kind: "range", base: base.href, from, to, keeps: to - from < KEPT_MAX });
          }}
        />
        <FileForm isRunning={isRunning} onRun={(name, text) => run({ kind: "file", name, text })} />
      </div>
      <CheckReport state={state} onStop={stop} />
    </div>
  );
}

interface RangeFormProps {
  readonly isRunning: boolean;
  onRun(from: number, to: number): void;
}

function RangeForm({ isRunning, onRun }: RangeFormProps) {
  const { parameters, change } = useParameters();
  const size = useLogSize();
  const newest = (size ?? 0) - 1;
  const to = parameters.get("to") ?? (newest < 0 ? "" : String(newest));
  const from = parameters.get("from") ?? (newest < 0 ? "" : String(Math.max(0, newest - EVENTS_DEFAULT + 1)));
  const [fault, setFault] = useState("");
  const ids = { from: useId(), to: useId(), fault: useId() };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const isRange = [from, to].every((text) => /^\d{1,15}$/.test(text)) && Number(from) <= Number(to);
    if (!isRange) return setFault("Write two sequences, the first not above the last, such as 0 and 999.");
    if (Number(to) > newest) return setFault(`The newest event is ${count(newest)}.`);
    setFault("");
    change({ from, to }, { replace: true });
    onRun(Number(from), Number(to));
  };
  return (
    <section className={page.card} aria-labelledby="range">
      <h2 id="range">A range of the log</h2>
      <form className={styles.form} onSubmit={submit}>
        <label htmlFor={ids.from}>From event</label>
        <input
          id={ids.from}
          inputMode="numeric"
          value={from}
          onChange={({ target }) => change({ from: target.value.trim() }, { replace: true })}
          aria-describedby={ids.fault}
        />
        <label htmlFor={ids.to}>to event</label>
        <input
          id={ids.to}
          inputMode="numeric"
          value={to}
          onChange={({ target }) => change({ to: target.value.trim() }, { replace: true })}
          aria-describedby={ids.fault}
        />
        <Button kind="main" type="submit" disabled={isRunning || size === null}>
          Check the range
        </Button>
      </form>
      <p id={ids.fault} className={fault === "" ? page.muted : styles.fault} role={fault === "" ? undefined : "status"}>
        {fault !== ""
          ? fault
          : size === 0
            ? "The log has no events yet."
            : "Events and their blocks are asked of this node."}
      </p>
    </section>
  );
}

interface FileFormProps {
  readonly isRunning: boolean;
  onRun(name: string, text: string): void;
}

function FileForm({ isRunning, onRun }: FileFormProps) {
  const [isOver, setOver] = useState(false);
  const [fault, setFault] = useState("");
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined || isRunning) return;
    if (file.size > FILE_BYTES_MAX) return setFault("The file is larger than 256 MiB: check it in parts.");
    setFault("");
    onRun(file.name, await file.text());
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };
  const id = useId();
  return (
    <section className={page.card} aria-labelledby="file">
      <h2 id="file">A file</h2>
      <div
        role="group"
        aria-labelledby="file"
        className={styles.drop}
        data-over={isOver}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <label htmlFor={id}>Drop a file here, or choose one</label>
        <input
          id={id}
          type="file"
          accept=".json,.ndjson,.jsonl,application/json"
          disabled={isRunning}
          onChange={({ target }) => {
            void take(target.files?.[0]);
            // The same file can be chosen again.
            target.value = "";
          }}
        />
      </div>
      <p className={fault === "" ? page.muted : styles.fault} role={fault === "" ? undefined : "status"}>
        {fault === ""
          ? "Events as the API gives them, a range that was downloaded here, or an alert's evidence. It stays in this browser, and needs no network."
          : fault}
      </p>
    </section>
  );
}
