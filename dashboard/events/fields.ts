import type { JsonObject, JsonValue } from "../../shared/canonical.js";

const FIELDS_MAX = 200;
const TEXT_MAX = 500;

export interface Field {
  readonly path: string;
  readonly text: string;
}

/** The payload's values by their paths, as filters name them; of a large payload the first ones. */
export function fieldsOf(payload: JsonObject): { readonly fields: readonly Field[]; readonly more: number } {
  const fields: Field[] = [];
  let more = 0;
  const add = (path: string, value: JsonValue): void => {
    if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
      for (const [name, inner] of Object.entries(value)) add(path === "" ? name : `${path}.${name}`, inner);
    } else if (fields.length >= FIELDS_MAX) more += 1;
    else if (path !== "") fields.push({ path, text: textOf(value) });
  };
  add("", payload);
  return { fields, more };
}

function textOf(value: JsonValue): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)` : text;
}
