import { type FormEvent, useState } from "react";
import { useCluster } from "../api/queries.js";
import { unturned } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { Button } from "../parts/button.js";
import { type Condition, namesToWrite, readConditions, shortName } from "./filter.js";
import styles from "./filter-bar.module.css";

const RANGES = [
  { label: "last 15 min", ms: 15 * 60_000 },
  { label: "last hour", ms: 3_600_000 },
  { label: "last 24 h", ms: 86_400_000 },
  { label: "last 7 days", ms: 7 * 86_400_000 },
] as const;

/** Conditions as chips, and a box to write more. All of them stand in the URL. */
export function FilterBar({ conditions }: { readonly conditions: readonly Condition[] }) {
  const { change } = useParameters();
  const paths = useCluster().data?.body.index.payload ?? [];
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const read = readConditions(text, paths);
    if (typeof read === "string") return setFault(read);
    setFault("");
    setText("");
    if (read.length > 0) change(Object.fromEntries(read.map((one) => [one.name, one.text])));
  };
  const setRange = (label: string): void => {
    const range = RANGES.find((one) => one.label === label);
    change({ since: range === undefined ? "" : new Date(Date.now() - range.ms).toISOString(), until: "" });
  };
  return (
    <div className={styles.filters}>
      <form className={styles.form} onSubmit={submit}>
        <label htmlFor="filter" className="offscreen">
          Filter events
        </label>
        <input
          id="filter"
          data-search
          type="search"
          value={text}
          onChange={({ target }) => setText(target.value)}
          placeholder="type:invoice.* source:billing"
          spellCheck={false}
          autoComplete="off"
          aria-describedby="filter-help"
          aria-invalid={fault !== ""}
        />
        <Button type="submit">Filter</Button>
        <label className={styles.range}>
          <span className="offscreen">Time</span>
          <select value="" onChange={({ target }) => setRange(target.value)}>
            <option value="">{conditions.some(({ name }) => name === "since") ? "change time" : "any time"}</option>
            {RANGES.map(({ label }) => (
              <option key={label}>{label}</option>
            ))}
          </select>
        </label>
      </form>
      <p
        id="filter-help"
        className={fault === "" ? "offscreen" : styles.fault}
        role={fault === "" ? undefined : "status"}
      >
        {fault === "" ? `Conditions: ${namesToWrite(paths)}` : fault}
      </p>
      {conditions.length === 0 ? null : (
        <ul className={styles.chips} aria-label="Conditions">
          {conditions.map(({ name, text: value }) => (
            <li key={name}>
              <button type="button" className={styles.chip} onClick={() => change({ [name]: "" })}>
                <span className={styles.name}>{shortName(name)}:</span>
                <bdi>{unturned(value)}</bdi>
                <span aria-hidden="true">×</span>
                <span className="offscreen">, remove</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
