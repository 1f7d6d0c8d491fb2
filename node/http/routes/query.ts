import type { IncomingMessage } from "node:http";
import { NOTICES_MAX } from "../../../shared/limits.js";
import { type Instant, instantOf } from "../../../shared/timestamp.js";
import { type FieldError, ProblemError } from "../../problems.js";
import { boundErrors } from "../door/pointer.js";
import { isName, NAME_RULE } from "../door/schema.js";
import { readParameters, UNREADABLE } from "../door/target.js";

/** A page number or limit has at most nine digits, so that their product is a safe integer. */
const WHOLE_NUMBER = /^\d{1,9}$/;
/** Fifteen digits always fit a safe integer. */
export const SEQUENCE = /^(?:0|[1-9]\d{0,14})$/;
const BARE_DATE = /^\d{4}-\d\d-\d\d$/;
/** Three digits are usual; RFC 3339 allows any number. */
const DATE_CHARACTERS_MAX = 256;
const DAY_MS = 86_400_000;

/**
 * Reads query parameters one by one and gathers every error, so that one answer tells all of them. An empty
 * parameter is an error too: it is more often a bug in a form than a wish.
 */
export class QueryReader {
  private readonly errors: FieldError[] = [];
  private readonly values: ReadonlyMap<string, unknown>;
  constructor(query: ReadonlyMap<string, unknown> | object) {
    this.values = query instanceof Map ? query : new Map(Object.entries(query));
  }

  text(name: string): string | undefined {
    const value = this.values.get(name);
    if (value === undefined || typeof value === "string") return value;
    this.fail(name, value === UNREADABLE ? "is not percent-encoded UTF-8" : "is there more than once");
    return undefined;
  }

  /** An event type or source: what could never be stored is not searched for either. */
  name(name: string): string | undefined {
    const text = this.text(name);
    if (text === undefined || isName(text)) return text;
    this.fail(name, NAME_RULE);
    return undefined;
  }

  number(name: string, rule: { fallback: number; max: number }): number {
    const text = this.text(name);
    if (text === undefined) return rule.fallback;
    const value = WHOLE_NUMBER.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= rule.max) return value;
    this.fail(name, `must be a whole number from 1 to ${rule.max}`);
    return rule.fallback;
  }

  /** The sequence of an event. */
  sequence(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined || SEQUENCE.test(text)) return text === undefined ? undefined : Number(text);
    this.fail(name, "must be the sequence of an event, a whole number from 0");
    return undefined;
  }

  order(): "asc" | "desc" {
    const text = this.text("order");
    if (text !== undefined && text !== "asc" && text !== "desc") this.fail("order", "must be asc or desc");
    return text === "desc" ? "desc" : "asc";
  }

  /** A bare date is its first instant; where `end` asks for it, the first one after it, which is not in it. */
  date(
    name: string,
    options: { bare: "start" | "end" | "refused" },
  ): { readonly at: Instant; readonly isExclusive: boolean } | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const isBare = options.bare !== "refused" && BARE_DATE.test(text);
    const at = text.length > DATE_CHARACTERS_MAX ? null : instantOf(isBare ? `${text}T00:00:00Z` : withPlus(text));
    if (at !== null) {
      const isExclusive = isBare && options.bare === "end";
      return { at: isExclusive ? { ...at, millis: at.millis + DAY_MS } : at, isExclusive };
    }
    const what = options.bare === "refused" ? "a date and time" : "a date such as 2026-05-01, or a date and time";
    const rule = isBare ? "no such day" : "no leap seconds";
    this.fail(name, `must be ${what} in RFC 3339 form such as 2026-05-01T12:00:00Z; ${rule}`);
    return undefined;
  }

  /** Names of the parameters that begin so. */
  namesWith(prefix: string): string[] {
    return [...this.values.keys()].filter((name) => name.startsWith(prefix));
  }

  refuseUnknown(known: readonly string[]): void {
    const unknown = [...this.values.keys()].filter((name) => !known.includes(name) && !name.startsWith("payload."));
    for (const name of unknown)
      this.fail(name.slice(0, 100), `is not a parameter of this route; it takes ${known.join(", ")}`);
  }

  fail(name: string, detail: string): void {
    this.errors.push({ pointer: `#/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, detail });
  }

  /** Throws all that was found. */
  finish(): void {
    const [first] = this.errors;
    if (first === undefined) return;
    const more = this.errors.length > 1 ? ` (and ${this.errors.length - 1} more, see errors)` : "";
    throw new ProblemError("invalid_parameter", `The parameter ${first.pointer.slice(2)} ${first.detail}${more}.`, {
      errors: boundErrors(this.errors),
    });
  }
}

/** A "+02:00" that was not percent-encoded arrives with a space in its place; nothing else can be meant by it. */
const withPlus = (text: string): string => text.replace(/^(.{16,}) (\d\d:\d\d)$/, "$1+$2");

/** The parameters of a request's target. */
export function queryOf({ url = "" }: IncomingMessage): QueryReader {
  const at = url.indexOf("?");
  return new QueryReader(readParameters(at < 0 ? "" : url.slice(at + 1)));
}

export const NOTICES_DEFAULT = 50;

/** How many alerts or elections a list has; it takes no other parameter. */
export function readLimit(parameters: object): number {
  const query = new QueryReader(parameters);
  query.refuseUnknown(["limit"]);
  const limit = query.number("limit", { fallback: NOTICES_DEFAULT, max: NOTICES_MAX });
  query.finish();
  return limit;
}
