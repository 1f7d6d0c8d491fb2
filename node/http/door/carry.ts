import { type JSONVisitor, visit } from "jsonc-parser";
import type { JsonValue } from "../../../shared/canonical.js";
import type { FieldError } from "../../problems.js";
import { numberSurvives } from "./numbers.js";
import { boundErrors, FIELD_ERRORS_MAX, pointerTo } from "./pointer.js";
import type { Scan } from "./scan.js";

const LONE_SURROGATE = /\p{Cs}/u;

/** Why a key cannot be stored and read back; null if it can. */
function keyFault(key: string): string | null {
  if (key === "__proto__" || key === "_bsontype") return `the key "${key}" cannot be stored`;
  if (key.includes("\0")) return "a key holds a NUL character, which cannot be stored";
  if (LONE_SURROGATE.test(key)) return "a key holds half of a surrogate pair, which is not text";
  return null;
}

/**
 * The fast path: true if the parsed value surely holds everything that the text said. The scan has bounded the depth,
 * so recursion is safe. Almost every body ends here.
 */
export function isSurelyCarried(value: JsonValue, scan: Scan & { ok: true }): boolean {
  if (scan.losesNumber) return false;
  let members = 0;
  const walk = (node: JsonValue): boolean => {
    if (typeof node === "string") return !scan.hasUnicodeEscape || !LONE_SURROGATE.test(node);
    if (node === null || typeof node !== "object") return true;
    if (Array.isArray(node)) return node.every(walk);
    // What was parsed inherits nothing that can be enumerated.
    for (const key in node) {
      members++;
      if (keyFault(key) !== null || !walk(node[key] as JsonValue)) return false;
    }
    return true;
  };
  return walk(value) && members === scan.members;
}

/** The exact path, over valid JSON text of bounded depth: everything in it that cannot be carried, with its place. */
export function carryFaults(text: string): FieldError[] {
  const faults: FieldError[] = [];
  let found = 0;
  const add = (path: () => readonly PropertyKey[], detail: string): void => {
    // Counted beyond the bound, but not kept: a body can hold a million of them.
    if (++found <= FIELD_ERRORS_MAX) faults.push({ pointer: pointerTo(path()), detail });
  };
  const keys: Set<string>[] = [];
  const visitor: JSONVisitor = {
    onObjectBegin: () => {
      keys.push(new Set());
    },
    onObjectEnd: () => {
      keys.pop();
    },
    onObjectProperty: (key, _offset, _length, _line, _column, path) => {
      const seen = keys.at(-1);
      const fault = seen?.has(key) ? "the key is there twice; only one of them could be kept" : keyFault(key);
      seen?.add(key);
      if (fault !== null) add(() => [...path(), key], fault);
    },
    onLiteralValue: (value: unknown, offset, length, _line, _column, path) => {
      if (typeof value === "string" && LONE_SURROGATE.test(value))
        add(path, "the text holds half of a surrogate pair, which is not text");
      if (typeof value === "number" && !numberSurvives(text.slice(offset, offset + length)))
        add(path, "the number would be changed by rounding to an IEEE-754 double; send it as a string");
    },
  };
  visit(text, visitor, { disallowComments: true });
  return boundErrors(faults, found);
}

class FirstError {
  constructor(
    readonly line: number,
    readonly column: number,
  ) {}
}

/** Where JSON text of bounded depth stops being JSON; null where only the engine's own parser can tell. */
export function syntaxErrorAt(text: string): { line: number; column: number } | null {
  try {
    visit(
      text,
      {
        onError: (_code, _offset, _length, line, column) => {
          throw new FirstError(line + 1, column + 1);
        },
      },
      { disallowComments: true, allowTrailingComma: false },
    );
  } catch (error) {
    if (error instanceof FirstError) return { line: error.line, column: error.column };
  }
  return null;
}
