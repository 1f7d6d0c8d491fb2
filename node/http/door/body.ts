import type { JsonValue } from "../../../shared/canonical.js";
import { type FieldError, ProblemError } from "../../problems.js";
import { carryFaults, isSurelyCarried, syntaxErrorAt } from "./carry.js";
import { type ScanLimits, scanJson } from "./scan.js";

/** `application/json`, or a `+json` type; with a charset only if it is UTF-8, as RFC 8259 has it. */
const JSON_TYPE = /^application\/(?:json|[\w.+-]{1,100}\+json)\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/i;
const CONTENT_TYPE_CHARACTERS_MAX = 256;

export function requireJsonType(contentType: string | undefined): void {
  const charset = contentType === undefined ? undefined : CHARSET.exec(contentType)?.[1];
  const isUtf8 = charset === undefined || /^utf-?8$/i.test(charset);
  const isShort = (contentType ?? "").length <= CONTENT_TYPE_CHARACTERS_MAX;
  if (contentType !== undefined && isShort && JSON_TYPE.test(contentType) && isUtf8) return;
  throw new ProblemError(
    "unsupported_media_type",
    "The body must be JSON in UTF-8; send the header Content-Type: application/json. Nothing was written.",
  );
}

export interface ParsedBody {
  readonly value: JsonValue;
  /** What in it cannot be stored and read back unchanged; empty for a good body. */
  readonly faults: readonly FieldError[];
}

const malformed = (what: string): ProblemError =>
  new ProblemError("malformed_json", `${what} Nothing was written.`, { errors: [{ pointer: "#", detail: what }] });

/** Raw bytes to a JSON value. Everything about them is the client's choice: size is bounded before, depth here. */
export function parseBody(bytes: Uint8Array, limits: ScanLimits): ParsedBody {
  if (bytes.length === 0) throw malformed("The body is empty; a JSON object is needed.");
  const text = decode(bytes);
  const scan = scanJson(bytes, limits);
  if (!scan.ok && scan.fault === "too_deep") {
    const detail = `nested too deeply at byte ${scan.offset}: a dataPayload can hold at most 64 levels`;
    throw new ProblemError("cannot_be_carried", `The body is ${detail}. Nothing was written.`, {
      errors: [{ pointer: "#", detail }],
    });
  }
  if (!scan.ok && scan.fault === "too_many")
    throw new ProblemError(
      "too_large",
      `The body has more than ${limits.partsMax} values and keys. Send it in parts. Nothing was written.`,
    );
  if (!scan.ok) throw malformed(`The body is not JSON: a bracket at byte ${scan.offset} closes nothing.`);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    const at = syntaxErrorAt(text);
    throw malformed(`The body is not JSON${at === null ? "" : ` at line ${at.line}, column ${at.column}`}.`);
  }
  return { value, faults: isSurelyCarried(value, scan) ? [] : carryFaults(text) };
}

// A byte order mark is dropped, as RFC 8259 section 8.1 allows; bytes that are not UTF-8 are refused, never replaced.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw malformed("The body is not UTF-8 text.");
  }
}
