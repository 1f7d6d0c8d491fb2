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
