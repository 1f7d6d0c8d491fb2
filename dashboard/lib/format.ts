const numbers = new Intl.NumberFormat("en");
export const count = (value: number): string => numbers.format(value);

/** `1 event`, `2 events`. */
export const many = (value: number, one: string, more = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : more}`;

export const shortHash = (hash: string): string => (hash === "" ? "none" : `${hash.slice(0, 8)}…`);

/** How long something takes or took. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** The same of what took some seconds: to a tenth of one. */
export const lasting = (ms: number): string =>
  ms < 1_000 || ms >= 10_000 ? duration(ms) : `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;

export const ago = (ms: number): string => (ms < 1_000 ? "just now" : `${duration(ms)} ago`);

/** What turns the order of the letters around it: anybody may have put one into a text. */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Such characters are written as JSON writes them, and not obeyed. */
export const unturned = (text: string): string =>
  text.replace(TURNING, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A text of a direction of its own within a line; nothing in it reaches beyond it. */
export const isolated = (text: string): string => `\u2068${unturned(text)}\u2069`;
