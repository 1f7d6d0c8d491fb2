import { toHex } from "../../../shared/bytes.js";
import { canonicalText } from "../../../shared/canonical.js";
import type { EventView } from "../../../shared/log/event.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { CommittedEvent } from "./history.js";

/** I4: a row of the projection says what the log says, payload included. */
export function checkRow(node: SimNode, row: EventView, committed: CommittedEvent | undefined): void {
  const { sequence, id } = row;
  check(
    committed !== undefined && committed.event.record.id === id,
    "I4",
    () => `${node.id} projects #${sequence} (${id}), which is not committed`,
  );
  const member = differingMember(row, committed);
  check(member === null, "I4", () => `${node.id} projects #${sequence} with another ${member} than the log has`);
}

function differingMember(row: EventView, { event, payloadText, height, term }: CommittedEvent): string | null {
  const { record } = event;
  for (const name of RECORD_MEMBERS) if (row[name] !== record[name]) return name;
  if (row.batch?.[0] !== record.batch?.[0] || row.batch?.[1] !== record.batch?.[1]) return "batch";
  if (row.hash !== event.hash) return "hash";
  if (row.height !== height) return "height";
  if (row.term !== term) return "term";
  if (row.payloadSalt !== toHex(event.payloadSalt)) return "payloadSalt";
  return canonicalText(row.dataPayload) === payloadText ? null : "dataPayload";
}

const RECORD_MEMBERS = [
  "v",
  "sequence",
  "eventType",
  "timestamp",
  "sourceAppId",
  "payloadHash",
  "recordedAt",
  "idempotencyKey",
  "previousHash",
] as const;
