import { setTimeout as delay } from "node:timers/promises";
import type { EventView } from "../../shared/event.js";
import type { LogService } from "../service.js";
import { CLIENT_BUFFER_BYTES_MAX, formOf, type StreamClient, type StreamHub } from "./hub.js";

const PAGE_EVENTS = 100;
const LOOK_MS = 20;
/** How long a client may leave its buffer full, and how long the projection may take to show what is committed. */
const WAIT_MS_MAX = 10_000;

/**
 * Feeds a client what it missed, read from the log, and then hands it over to the hub without a gap or a double:
 * near the end the hub starts to keep new events for it, and the reading goes on up to there.
 */
export async function resume(
  client: StreamClient & { readonly isOpen: boolean },
  from: number,
  { hub, service }: { hub: StreamHub; service: LogService },
): Promise<void> {
  let next = from;
  let isPinned = false;
  let deadline = performance.now() + WAIT_MS_MAX;
  while (client.isOpen && hub.isOpen) {
    const target = isPinned ? hub.pinnedAt(client) : null;
    // It fell behind what the hub can keep, and was told so.
    if (target === undefined) return;
    if (target !== null && next >= target) return hub.release(client, target);
    // What the hub cannot know (nothing was committed since this node started), the log's size tells.
    if (isPinned && target === null && next >= service.logSize) return hub.release(client, next);
    const page = isFull(client) ? [] : await readFrom(service, next);
    const start = next;
    for (const event of page) {
      if (event.sequence !== next || isFull(client) || (target !== null && next >= target)) break;
      client.send(formOf(event, client.form));
      next++;
    }
    if (!isPinned && !isFull(client) && page.length < PAGE_EVENTS) {
      hub.pin(client);
      isPinned = true;
    } else if (next > start) deadline = performance.now() + WAIT_MS_MAX;
    else if (performance.now() > deadline) {
      return hub.closeSlow(client, next);
    } else await delay(LOOK_MS);
  }
  if (client.isOpen) client.closeForRestart();
}

const isFull = (client: StreamClient): boolean => client.bufferedBytes > CLIENT_BUFFER_BYTES_MAX;

const readFrom = (service: LogService, next: number): Promise<EventView[]> =>
  service.list({}, { order: "asc", limit: PAGE_EVENTS, after: next - 1 });
