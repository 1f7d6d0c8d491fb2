import { canonicalText } from "../../shared/canonical.js";
import type { EventView } from "../../shared/log/event.js";
import { type Answer, ask } from "../api/client.js";
import type { EventPage } from "../api/types.js";

export const FORMATS = ["ndjson", "csv"] as const;
export type Format = (typeof FORMATS)[number];
export const FORMAT_WORDS: Readonly<Record<Format, string>> = {
  ndjson: "NDJSON: one event a line, whole; the Verify page checks it without a node",
  csv: "CSV: for a spreadsheet, with the hashes",
};
export const MEDIA_TYPES: Readonly<Record<Format, string>> = { ndjson: "application/x-ndjson", csv: "text/csv" };

/** A browser holds all of it. */
export const EXPORTED_MAX = 100_000;
const PAGE = 500;

const COLUMNS = [
  "sequence",
  "id",
  "recordedAt",
  "timestamp",
  "eventType",
  "sourceAppId",
  "dataPayload",
  "idempotencyKey",
  "height",
  "term",
  "payloadSalt",
  "payloadHash",
  "previousHash",
  "hash",
] as const;

export const headOf = (format: Format): string => (format === "csv" ? `${COLUMNS.join(",")}\r\n` : "");

export function lineOf(format: Format, event: EventView): string {
  if (format === "ndjson") return `${JSON.stringify(event)}\n`;
  return `${COLUMNS.map((name) => cell(name === "dataPayload" ? canonicalText(event.dataPayload) : event[name])).join(",")}\r\n`;
}

/** By RFC 4180. A text that a spreadsheet would take for a formula begins with an apostrophe instead. */
function cell(value: string | number | undefined): string {
  if (typeof value !== "string") return value === undefined ? "" : String(value);
  const inert = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

export interface Exported {
  readonly parts: readonly string[];
  readonly count: number;
  /** There were more than may be exported at once. */
  readonly isCut: boolean;
}

interface ExportOptions {
  readonly format: Format;
  /** The conditions, as the API takes them. */
  readonly query: string;
  readonly signal: AbortSignal;
  readonly onProgress: (count: number) => void;
  readonly countMax?: number;
  readonly read?: (path: string, init: RequestInit) => Promise<Answer<EventPage>>;
}

/** The events that meet the conditions, the oldest first, page by page. What comes meanwhile is not among them. */
export async function exportEvents(options: ExportOptions): Promise<Exported> {
  const { format, query, signal, onProgress, countMax = EXPORTED_MAX, read = ask<EventPage> } = options;
  const parts = [headOf(format)];
  let count = 0;
  let end: number | null = null;
  let place = "";
  for (;;) {
    const path = `api/v1/events?order=asc&limit=${PAGE}${place}${query === "" ? "" : `&${query}`}`;
    const { body, logSize } = await read(path, { signal });
    end ??= logSize ?? Number.POSITIVE_INFINITY;
    const before = end;
    const wanted = body.events.filter(({ sequence }) => sequence < before).slice(0, countMax - count);
    parts.push(wanted.map((event) => lineOf(format, event)).join(""));
    count += wanted.length;
    onProgress(count);
    const isOver = body.next === undefined || (body.events.at(-1)?.sequence ?? -1) >= before - 1;
    if (isOver || count >= countMax) return { parts, count, isCut: !isOver };
    place = `&after=${body.next}`;
  }
}
