import { toHex } from "../../../shared/bytes.js";
import type { ShownEvent } from "../../../shared/log/event.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";
import type { CommittedEvent } from "./history.js";

/** I4: what a node shows is committed, to the last member. */
export function checkShown(node: SimNode, shown: ShownEvent, committed: CommittedEvent | undefined): void {
  const { sequence, id } = shown;
  check(
    committed !== undefined && committed.event.record.id === id,
    "I4",
    () => `${node.id} shows #${sequence} (${id}), which is not committed`,
  );
  const member = differingMember(shown, committed);
  check(member === null, "I4", () => `${node.id} shows #${sequence} with another ${member} than the log has`);
}

function differingMember(shown: ShownEvent, { event, payloadText, height, term }: CommittedEvent): string | null {
  const { record } = event;
  for (const name of RECORD_MEMBERS) if (shown[name] !== record[name]) return name;
  if (shown.batch?.[0] !== record.batch?.[0] || shown.batch?.[1] !== record.batch?.[1]) return "batch";
  if (shown.hash !== event.hash) return "hash";
  if (shown.height !== height) return "height";
  if (shown.term !== term) return "term";
  if (shown.payloadSalt !== toHex(event.payloadSalt)) return "payloadSalt";
  return shown.payload === payloadText ? null : "payload";
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
