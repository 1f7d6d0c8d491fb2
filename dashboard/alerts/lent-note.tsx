import { Link } from "wouter";
import type { Sources } from "../api/sources.js";
import { Note } from "../parts/states.js";
import { useOpenAlerts } from "./use-accused.js";

interface LentNoteProps {
  /** What is shown: "This event". */
  readonly what: string;
  readonly sources: Sources;
}

/** This node's own copy would not do: whose is shown instead, and why that can be believed. */
export function LentNote({ what, sources: { servedBy, answeredFrom } }: LentNoteProps) {
  const alert = useOpenAlerts().find(({ accused }) => accused === servedBy);
  if (answeredFrom.length === 0) return null;
  return (
    <Note sign="⇄">
      {what} came from {answeredFrom.join(" and ")}, proved by the hashes that {servedBy} noted: its own copy is not
      what was committed.{" "}
      {alert === undefined ? null : <Link href={`/alerts?alert=${alert.id}`}>{alert.kind}: open the alert</Link>}
    </Note>
  );
}
