import type { IncomingMessage } from "node:http";
import { IDEMPOTENCY_KEY_CHARACTERS_MAX } from "../../../shared/limits.js";
import { ProblemError } from "../../problems.js";

const PRINTABLE = /^[\x20-\x7e]+$/;
/** A structured-field string (RFC 8941 section 3.3.3). */
const QUOTED = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/;

/** The key of a request, quoted or bare, the same either way; undefined if it has none. */
export function idempotencyKey(req: IncomingMessage): string | undefined {
  // A trailer comes after all that it could decide: what it says would be lost.
  if (req.trailers["idempotency-key"] !== undefined) throw invalid("was sent as a trailer");
  // `headersDistinct` is a copy of all headers, made when it is first asked for.
  if (req.headers["idempotency-key"] === undefined) return undefined;
  const [text = "", ...more] = req.headersDistinct["idempotency-key"] ?? [];
  if (more.length > 0) throw invalid("was sent more than once");
  const isQuoted = text.startsWith('"');
  if (isQuoted && !QUOTED.test(text)) throw invalid("opens a quoted string and does not close it");
  const key = isQuoted ? text.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : text;
  if (!PRINTABLE.test(key)) throw invalid("must hold 1 or more printable ASCII characters");
  if (key.length > IDEMPOTENCY_KEY_CHARACTERS_MAX)
    throw invalid(`must have at most ${IDEMPOTENCY_KEY_CHARACTERS_MAX} characters`);
  return key;
}

const invalid = (what: string): ProblemError =>
  new ProblemError("invalid_header", `The header Idempotency-Key ${what}. Nothing was written.`);
