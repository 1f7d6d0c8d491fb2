import type { ParsedUrlQuery } from "node:querystring";

/** A parameter whose bytes are not UTF-8, or whose percent signs encode nothing: it is no text, and stands for none. */
export const UNREADABLE = Symbol("not percent-encoded UTF-8");

export interface Target {
  /** Path and query in one form, whatever form they were sent in. Bytes beyond ASCII never come: the parser refuses them. */
  readonly url: string;
  /** From a target in absolute form: it wins over the header Host (RFC 9112 section 3.2.2). */
  readonly authority: string | null;
}

const IS_PLAIN = /^\/[\w\-./~:@?&=+,;$!*'()]*$/;
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;
/** What a path segment may hold as it is (RFC 3986 section 3.3), and encodeURIComponent encodes all the same. */
const NEEDLESS = /%(?:3A|40|24|26|2B|2C|3B|3D)/g;

/** Null for what no path can mean: bytes that are not UTF-8, a percent sign that encodes nothing, a fragment. */
export function readTarget(sent: string): Target | null {
  if (IS_PLAIN.test(sent)) return { url: sent, authority: null };
  const [, authority = null, rest = sent] = ABSOLUTE.exec(sent) ?? [];
  if (rest.includes("#")) return null;
  const at = rest.indexOf("?");
  const path = readPath(at < 0 ? rest : rest.slice(0, at));
  if (path === null) return null;
  return { url: (path === "" ? "/" : path) + (at < 0 ? "" : rest.slice(at)), authority };
}

/** Segment by segment, so that an encoded slash stays one. */
function readPath(path: string): string | null {
  if (!path.includes("%")) return path;
  try {
    return path
      .split("/")
      .map((part) => encodeURIComponent(decodeURIComponent(part)).replaceAll(NEEDLESS, decodeURIComponent))
      .join("/");
  } catch {
    return null;
  }
}

type Value = string | typeof UNREADABLE;

/** All parameters of a query, none dropped and none changed. A name that comes twice has an array. */
export function readParameters(text: string | null | undefined): ReadonlyMap<string, Value | readonly Value[]> {
  const found = new Map<string, Value | Value[]>();
  for (const part of (text ?? "").split("&")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    const name = decode(at < 0 ? part : part.slice(0, at));
    const value = at < 0 ? "" : decode(part.slice(at + 1));
    // What has no readable name is nobody's parameter; shown as it was sent.
    const key = name === UNREADABLE ? part : name;
    const before = found.get(key);
    found.set(key, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]);
  }
  return found;
}

/** The same as an object. */
export const readQuery = (text: string | null | undefined): ParsedUrlQuery =>
  Object.assign(Object.create(null), Object.fromEntries(readParameters(text))) as ParsedUrlQuery;

function decode(text: string): Value {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return UNREADABLE;
  }
}
