import type { AlertRecord } from "../storage/port.js";

/** Kinds whose sentence names what a client has written, an idempotency key. */
const WITH_VALUES: ReadonlySet<string> = new Set(["key_repeated"]);

type Told = Omit<AlertRecord, "id" | "openedAt" | "lastSeenAt" | "occurrences" | "status">;

/** The names of the fields that differ. What leaves the node's database has no values: an erasure could not reach them. */
export const fieldsOf = ({ differences }: Told) =>
  differences?.map(({ height, sequence, field }) => ({ height, sequence, field }));

/** What an alert says, without values. */
export function sentenceOf(alert: Told): string {
  const { kind, node, height, sequence, differences } = alert;
  if (differences === undefined && !WITH_VALUES.has(kind)) return alert.detail;
  const place = [
    ...(height === undefined ? [] : [`block ${height}`]),
    ...(sequence === undefined ? [] : [`event ${sequence}`]),
    ...(differences?.[0] === undefined ? [] : [differences[0].field]),
  ];
  return `${kind} on ${node}: ${place.join(", ")}`;
}

/** The same for a log file. */
export function logged(alert: Told & { readonly id?: string }): object {
  const { id, kind, severity, node, accused, heights, sequences } = alert;
  return { ...{ id, kind, severity, node, accused, heights, sequences }, fields: fieldsOf(alert) };
}
