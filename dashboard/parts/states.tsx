import { type ReactNode, useEffect, useState } from "react";
import { ApiError, NoAnswer } from "../api/client.js";
import { Button } from "./button.js";
import styles from "./states.module.css";

/** Nothing is there; the children say what to do next. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className={styles.state}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** So long nobody wonders. */
const USUAL_MS = 3_000;

export function Loading({ what }: { readonly what: string }) {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), USUAL_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={styles.state} role="status">
      <p>Asking this node for {what} …</p>
      {isSlow ? <p>It takes long: the bar on top leads to the other nodes, and to how the cluster stands.</p> : null}
    </div>
  );
}

/** What went wrong, what it means, and what to do. */
export function Failure({ error, onRetry }: { readonly error: Error; readonly onRetry: () => void }) {
  const { title, detail, facts } = wordsOf(error);
  return (
    <div className={`${styles.state} ${styles.failure}`} role="group" aria-label={title}>
      <h2>
        <span aria-hidden="true">✗ </span>
        {title}
      </h2>
      <p>{detail}</p>
      {facts === "" ? null : <p className={styles.facts}>{facts}</p>}
      <Button onClick={onRetry}>Retry</Button>
    </div>
  );
}

function wordsOf(error: Error): { title: string; detail: string; facts: string } {
  if (error instanceof ApiError) {
    const { title, detail, status, code, requestId } = error.problem;
    return { title, detail, facts: `${status} ${code}${requestId === "" ? "" : ` · request ${requestId}`}` };
  }
  if (error instanceof NoAnswer) {
    const detail = "It is stopped, it is cut off, or it is too busy. The bar on top leads to the other nodes.";
    return { title: "This node does not answer", detail, facts: "" };
  }
  return { title: "The page met an error of its own", detail: error.message, facts: "" };
}

/** What was answered last is still shown. */
export const Stale = ({ text }: { readonly text: string }) => <Note sign="◷">{text}</Note>;

/** One line on what is shown below it. */
export function Note({ sign, children }: { readonly sign: string; readonly children: ReactNode }) {
  return (
    <p className={styles.note} role="status">
      <span aria-hidden="true">{sign} </span>
      {children}
    </p>
  );
}
