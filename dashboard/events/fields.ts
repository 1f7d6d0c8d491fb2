import type { JsonObject, JsonValue } from "../../shared/canonical.js";

const FIELDS_MAX = 200;
const TEXT_MAX = 500;
/** A node takes 16 KiB of address and headers. */
const CONDITION_BYTES_MAX = 8_000;

export interface Field {
  readonly path: string;
  /** As it is shown. */
  readonly text: string;
  /** As a filter takes it; null where none finds it. */
  readonly condition: string | null;
}

/** The payload's values by their paths, as filters name them; of a large payload the first ones. */
export function fieldsOf(payload: JsonObject): { readonly fields: readonly Field[]; readonly more: number } {
  const fields: Field[] = [];
  let more = 0;
  const add = (path: string, value: JsonValue): void => {
    if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
      for (const [name, inner] of Object.entries(value)) add(path === "" ? name : `${path}.${name}`, inner);
    } else if (fields.length >= FIELDS_MAX) more += 1;
    else if (path !== "") fields.push({ path, text: shown(textOf(value)), condition: conditionOf(value) });
  };
  add("", payload);
  return { fields, more };
}

const textOf = (value: JsonValue): string => (typeof value === "string" ? value : JSON.stringify(value));

function conditionOf(value: JsonValue): string | null {
  if (typeof value === "object" && value !== null) return null;
  const text = textOf(value);
  return text === "" || new URLSearchParams([["", text]]).toString().length > CONDITION_BYTES_MAX ? null : text;
}

function shown(text: string): string {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)` : text;
}
