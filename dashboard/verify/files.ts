import type { EventView } from "../../shared/log/event.js";
import type { EvidenceBundle } from "../../shared/protocol/evidence.js";
import type { BlockView } from "../../shared/protocol/http.js";

/** What this page gives to be checked again, without a node. */
export interface RangeFile {
  readonly format: "quorumlog/range/v1";
  readonly events: readonly EventView[];
  readonly blocks: readonly BlockView[];
}

export type FileContent =
  | { readonly kind: "events"; readonly events: readonly EventView[]; readonly blocks: readonly BlockView[] }
  | { readonly kind: "evidence"; readonly bundle: EvidenceBundle };

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isEvent = (value: unknown): boolean =>
  isObject(value) && typeof value.hash === "string" && "payloadSalt" in value;

/** What a file holds: events of our own API in any of the forms that it gives them, with their blocks or without; or evidence. */
export function contentOf(text: string): FileContent {
  const value = parse(text);
  if (isObject(value) && value.format === "quorumlog/evidence/v1")
    return { kind: "evidence", bundle: value as unknown as EvidenceBundle };
  const events = isObject(value) && Array.isArray(value.events) ? value.events : [value].flat();
  const blocks = isObject(value) && Array.isArray(value.blocks) ? value.blocks : [];
  if (events.length === 0 || !events.every(isEvent))
    throw new Error(
      "It holds no events of this log. Drop what GET /api/v1/events answers, one event a line, what this page has downloaded, or an alert's evidence.",
    );
  const inOrder = (events as EventView[]).toSorted((a, b) => a.sequence - b.sequence);
  const byHeight = (blocks as BlockView[]).toSorted((a, b) => a.header.height - b.header.height);
  return { kind: "events", events: inOrder, blocks: byHeight };
}

/** JSON, or one JSON value a line. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    return lines.map((line, i) => {
      try {
        return JSON.parse(line) as unknown;
      } catch {
        throw new Error(`It is not JSON, and line ${i + 1} is none either.`);
      }
    });
  }
}
