import { createHash } from "node:crypto";
import type { LogEvent } from "./format.js";

/** RFC 8785 for what JSON.parse gives: members sorted by UTF-16 code units, everything else as JSON.stringify has it. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/** Both hashes of an event, recomputed as docs/reference/hash-spec.md says. */
export function hashesOf(event: LogEvent): { payloadHash: string; hash: string } {
  const { dataPayload, payloadSalt, hash: _, height: __, term: ___, ...record } = event;
  const payloadHash = createHash("sha256")
    .update("quorumlog/payload/v1\n")
    .update(Buffer.from(payloadSalt, "hex"))
    .update(canonical(dataPayload))
    .digest("hex");
  return { payloadHash, hash: createHash("sha256").update(canonical(record)).digest("hex") };
}
