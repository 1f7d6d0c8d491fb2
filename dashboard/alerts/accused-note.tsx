import { Link } from "wouter";
import { Mark } from "../parts/mark.js";
import page from "../parts/page.module.css";
import { useAlertsAt } from "./use-accused.js";

/** Which nodes hold another event than the one that was committed, and where that is told in full. */
export function AccusedNote({ sequence }: { readonly sequence: number }) {
  const alerts = useAlertsAt()(sequence);
  if (alerts.length === 0) return null;
  return (
    <ul className={page.plain}>
      {alerts.map(({ id, accused, kind }) => (
        <li key={id}>
          <Mark tone="bad">{`${accused} differs`}</Mark>{" "}
          <Link href={`/alerts?alert=${id}`}>{kind}: open the alert</Link>
        </li>
      ))}
    </ul>
  );
}
