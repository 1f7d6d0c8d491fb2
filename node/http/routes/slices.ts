import { once } from "node:events";
import type { Response } from "express";
import type { EventView } from "../../../shared/log/event.js";
import type { LogService } from "../../service/log-port.js";
import type { EventFilter } from "../../storage/port.js";

/**
 * A page of 1,000 events can be 256 MiB: read and written at once it would hold up heartbeats and fill the memory.
 * A slice is at most a tenth of that, and most pages are one slice.
 */
const SLICE_EVENTS = 100;

export type ListPage = Parameters<LogService["list"]>[1];

/** What `service.list` would give, in parts. */
export async function* slices(service: LogService, filter: EventFilter, page: ListPage): AsyncGenerator<EventView[]> {
  let left = page.limit;
  // What was there when the page began is in all of its parts, or the page breaks off.
  let rest: ListPage = { ...page, through: service.logSize };
  while (left > 0) {
    const limit = Math.min(left, SLICE_EVENTS);
    const slice = await service.list(filter, { ...rest, limit });
    const last = slice.at(-1);
    if (last !== undefined) yield slice;
    if (last === undefined || slice.length < limit) return;
    left -= limit;
    const { skip: _skipped, ...unskipped } = rest;
    rest = { ...unskipped, ...(page.order === "asc" ? { after: last.sequence } : { before: last.sequence }) };
  }
}

/** JSON text around an array whose elements come in parts; sent with its length if it is one part. */
export async function sendArray(
  res: Response,
  parts: AsyncIterable<EventView[]>,
  form: { readonly open: string; readonly shape: (event: EventView) => object; readonly close: string },
): Promise<void> {
  let text = form.open;
  let isFirst = true;
  res.type("json");
  for await (const part of parts) {
    if (!isFirst) {
      // More than one part: what is complete goes out, and waits for the client to take it.
      if (res.destroyed) return;
      if (!res.write(text)) await drained(res);
      text = "";
    }
    text += (isFirst ? "" : ",") + part.map((event) => JSON.stringify(form.shape(event))).join(",");
    isFirst = false;
  }
  if (res.headersSent) res.end(text + form.close);
  else res.send(text + form.close);
}

async function drained(res: Response): Promise<void> {
  if (res.destroyed) return;
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  res.once("close", onClose);
  await once(res, "drain", { signal: gone.signal }).catch(() => undefined);
  res.off("close", onClose);
}
