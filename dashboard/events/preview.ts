import type { JsonObject, JsonValue } from "../../shared/canonical.js";
import { isolated } from "../lib/format.js";

const CHARACTERS_MAX = 160;
const TEXT_MAX = 60;

/** The beginning of a payload in one line, each text in its own direction; of a large one no more is looked at. */
export function previewOf(payload: JsonObject): string {
  const parts: string[] = [];
  let length = 0;
  for (const [name, value] of Object.entries(payload)) {
    if (length > CHARACTERS_MAX) return `${parts.join(", ")}, …`;
    const part = `${isolated(name)}: ${isolated(shortValue(value))}`;
    parts.push(part);
    length += part.length;
  }
  return parts.length === 0 ? "{}" : parts.join(", ");
}

function shortValue(value: JsonValue): string {
  if (typeof value === "string") return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value;
  if (Array.isArray(value)) return `[${value.length}]`;
  if (typeof value === "object" && value !== null) return "{…}";
  return String(value);
}
