import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, post } from "../api/client.js";
import type { AlertView } from "../api/types.js";
import { Button } from "../parts/button.js";
import page from "../parts/page.module.css";
import styles from "./alerts.module.css";
import { actionWord, decisionOf } from "./standing.js";

const DECISIONS = [
  { name: "acknowledge", label: "Acknowledge", about: "You see to it. Nothing is changed." },
  {
    name: "repair",
    label: "Repair",
    about:
      "Each altered block is replaced by a copy that is proved against the chain. What stood there is kept as evidence.",
  },
  {
    name: "rebuild",
    label: "Rebuild the node",
    about: "The node joins anew: it counts for nothing until it has copied and verified the whole log.",
  },
  {
    name: "dismiss",
    label: "Dismiss",
    about: "Nothing is changed; the alert is closed, and opens again if it is found again.",
  },
] as const;
type Decision = (typeof DECISIONS)[number]["name"];

interface ResolveFormProps {
  readonly alert: AlertView;
  /** The version of the alert that the person sees: a decision holds for no other. */
  readonly etag: string | null;
  onDecided(): void;
}

/** A person decides, with a name and a reason; both are recorded in the log for ever. */
export function ResolveForm({ alert, etag, onDecided }: ResolveFormProps) {
  const client = useQueryClient();
  const [actor, setActor] = useState("");
  const [reason, setReason] = useState("");
  const [decision, setDecision] = useState<Decision>("repair");
  const decide = useMutation({
    mutationFn: (name: Decision) =>
      post<AlertView>(
        `api/v1/alerts/${encodeURIComponent(alert.id)}/${name}`,
        { actor, reason },
        etag === null ? {} : { "If-Match": etag },
      ),
    onSuccess: onDecided,
    // Whatever came of it, the alert is another one now.
    onSettled: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    decide.mutate(decision);
  };
  const isStale = decide.error instanceof ApiError && decide.error.problem.status === 412;
  const chosen = DECISIONS.find(({ name }) => name === decision);
  return (
    <section className={page.card} aria-labelledby="decide">
      <h2 id="decide">Decide</h2>
      <form className={styles.form} onSubmit={submit}>
        <fieldset className={styles.decisions}>
          <legend>What to do</legend>
          {DECISIONS.map(({ name, label }) => (
            <label key={name}>
              <input
                type="radio"
                name="decision"
                value={name}
                checked={decision === name}
                onChange={() => setDecision(name)}
              />
              {label}
            </label>
          ))}
        </fieldset>
        <p className={page.muted}>{chosen?.about}</p>
        <label>
          Your name
          <input required maxLength={256} value={actor} onChange={({ target }) => setActor(target.value)} />
        </label>
        <label>
          Reason
          <input required maxLength={1000} value={reason} onChange={({ target }) => setReason(target.value)} />
        </label>
        <Button type="submit" kind="main" disabled={decide.isPending}>
          {decide.isPending ? "Recording it …" : (chosen?.label ?? "")}
        </Button>
      </form>
      {isStale ? <Overtaken alert={alert} /> : null}
      <p role="status" className={decide.error === null ? undefined : styles.fault}>
        {decide.error !== null && !isStale ? decide.error.message : ""}
        {decide.isSuccess ? "Recorded." : ""}
      </p>
    </section>
  );
}

/** Somebody was quicker: what stands above is what they decided. */
export function Overtaken({ alert }: { readonly alert: AlertView }) {
  const last = decisionOf(alert);
  return (
    <p role="status" className={styles.fault}>
      {last === undefined
        ? "The alert has changed since you opened it. Nothing was done: look at it again."
        : `${last.actor} was quicker: ${actionWord(last.action)}${last.reason === undefined ? "" : `, because “${last.reason}”`}. Nothing of yours was done.`}
    </p>
  );
}
