import type { EventView } from "../../shared/log/event.js";
import type { BlockView } from "../../shared/protocol/http.js";

const PAGE = 500;
/** Each brings a block with the one before it; a node answers four such questions at a time. */
const BLOCKS_AT_ONCE = 4;

export interface RangeParts {
  onEvents(events: readonly EventView[]): void;
  onBlock(block: BlockView): Promise<void>;
  isStopped(): boolean;
}

async function read<T>(url: string): Promise<T> {
  const response = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => {
    throw new Error("This node does not answer. What has been loaded as a file can be checked without it.");
  });
  const body = (await response.json().catch(() => ({}))) as T & { detail?: string };
  if (!response.ok) throw new Error(body.detail ?? `The node answered ${response.status}.`);
  return body;
}

/** Events from one sequence to another and, each after its events, the blocks that they stand in and those between. */
export async function fetchRange(base: string, from: number, to: number, parts: RangeParts): Promise<void> {
  const api = (path: string): string => new URL(`api/v1/${path}`, base).href;
  const first = await read<EventView>(api(`events/${from}`));
  let height = first.height;
  const blocksUpTo = async (last: number): Promise<void> => {
    for (; height <= last && !parts.isStopped(); height += BLOCKS_AT_ONCE) {
      const count = Math.min(BLOCKS_AT_ONCE, last - height + 1);
      const urls = Array.from({ length: count }, (_, i) => api(`blocks/${height + i}`));
      for (const block of await Promise.all(urls.map((url) => read<BlockView>(url)))) await parts.onBlock(block);
    }
    height = last + 1;
  };
  // A cursor is the node's own: the first page is found by time, and what stands before the range is passed over.
  let query = `since=${encodeURIComponent(first.recordedAt)}`;
  let last = first;
  while (!parts.isStopped()) {
    const page = await read<{ events: EventView[]; next?: string }>(api(`events?limit=${PAGE}&${query}`));
    const wanted = page.events.filter(({ sequence }) => sequence >= from && sequence <= to);
    parts.onEvents(wanted);
    last = wanted.at(-1) ?? last;
    const isOver = page.next === undefined || (page.events.at(-1)?.sequence ?? -1) >= to;
    // The block of the newest event may go on in the next page.
    await blocksUpTo(isOver ? last.height : last.height - 1);
    if (isOver) return;
    query = `after=${page.next}`;
  }
}
