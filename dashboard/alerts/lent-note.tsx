import { Link } from "wouter";
import type { Sources } from "../api/sources.js";
import { Note } from "../parts/states.js";
import { useOpenAlerts } from "./use-accused.js";

interface LentNoteProps {
  /** What is shown: "This event". */
  readonly what: string;
  /** It is one event, held against the hash that this node noted. */
  readonly isProved?: boolean;
  readonly sources: Sources;
}

/** This node's own copy, or its index, would not do: whose is shown instead, and why that can be believed. */
export function LentNote({ what, isProved = false, sources: { servedBy, answeredFrom } }: LentNoteProps) {
  const alert = useOpenAlerts().find(({ accused }) => accused === servedBy);
  if (answeredFrom.length === 0) return null;
  return (
    <Note sign="⇄">
      {what} came from {answeredFrom.join(" and ")}
      {isProved
        ? `, proved by the hashes that ${servedBy} noted: its own copy is not what was committed.`
        : `: what ${servedBy} has itself is in doubt. Each event is proved; what was looked for, and how many there are, is their word.`}{" "}
      {alert === undefined ? null : <Link href={`/alerts?alert=${alert.id}`}>{alert.kind}: open the alert</Link>}
    </Note>
  );
}
