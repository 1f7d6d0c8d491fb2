import { readFileSync } from "node:fs";

/** What a `.env` file says, and every line of it that says nothing. */
export interface EnvFile {
  readonly values: Readonly<Record<string, string>>;
  readonly mistakes: readonly string[];
}

/** An argument of a node whose starter has read and judged the file, and gives it what it needs of it. */
export const WITHOUT_ENV_FILE = "--no-env-file";

const NOTHING: EnvFile = { values: {}, mistakes: [] };
const QUOTES = "\"'`";
const LINE = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;

/** A file that is not there says nothing; one that cannot be read, or is no UTF-8, is a mistake. */
export function readEnvFile(path: string): EnvFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? NOTHING : { values: {}, mistakes: [`${path} cannot be read (${code})`] };
  }
  try {
    return parseEnvFile(new TextDecoder("utf-8", { fatal: true }).decode(bytes), path);
  } catch {
    return { values: {}, mistakes: [`${path} is not UTF-8 text: save it as that`] };
  }
}

/**
 * One `NAME=value` a line, as a person means it: spaces around are nothing, quotes around are not part of a value, and a
 * `#` begins a comment only at the start of a line or behind a space. Whatever is none of that is named with its number:
 * a line that is skipped, or half a secret, would be found out much later.
 */
export function parseEnvFile(text: string, path = ".env"): EnvFile {
  const values: Record<string, string> = {};
  const lineOf = new Map<string, number>();
  const mistakes: string[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const at = `line ${index + 1} of ${path}`;
    const [, name = "", rest = ""] = LINE.exec(line) ?? [];
    // The line itself is not shown: it may be a secret.
    if (name === "") {
      mistakes.push(`${at} is no NAME=value`);
      continue;
    }
    const value = textOf(rest, name);
    const first = lineOf.get(name);
    if (value instanceof Error) mistakes.push(`${at}: ${name} ${value.message}`);
    else if (first !== undefined) mistakes.push(`${at}: ${name} stands in line ${first} already`);
    else values[name] = value;
    lineOf.set(name, first ?? index + 1);
  }
  return { values, mistakes };
}

function textOf(rest: string, name: string): string | Error {
  const quote = rest.charAt(0);
  if (quote !== "" && QUOTES.includes(quote)) {
    const end = rest.indexOf(quote, 1);
    if (end === -1) return new Error(`has an opening ${quote} and no closing one on its line`);
    if (!/^\s*(#.*)?$/.test(rest.slice(end + 1))) return new Error(`has something behind its closing ${quote}`);
    return rest.slice(1, end);
  }
  if (rest.startsWith("#")) return mayHoldHash(name) ? unclear() : "";
  const comment = rest.search(/\s#/);
  if (comment === -1) return rest;
  return mayHoldHash(name) ? unclear() : rest.slice(0, comment).trimEnd();
}

/** In a secret a `#` may be meant, and half a secret is one that nobody chose. */
const mayHoldHash = (name: string): boolean => /SECRET|PASSWORD|URI/.test(name) && !name.endsWith("_FILE");
const unclear = (): Error => new Error('has a #: put the value in quotes ("…"), or the comment on a line of its own');
