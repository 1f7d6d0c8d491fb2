import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Asking, FairPlaces } from "../../service/fair-places.js";
import type { LogReads } from "../../service/log-port.js";
import type { ConnectedClient } from "./client.js";
import { formOf } from "./forms.js";
import { CLIENT_BUFFER_BYTES_MAX, type StreamHub } from "./hub.js";
import type { StreamFilter } from "./request.js";

const PAGE_EVENTS_MAX = 100;
/** The first page is small: how large the events are is not known yet. */
const PAGE_EVENTS_FIRST = 20;
const PAGE_BYTES = 1024 * 1024;
/** So near the end the hub begins to keep new events for the client. */
const NEAR_EVENTS = 2_000;
const LOOK_MS = 20;
/** How long a client may leave its buffer full, and how long the log may take to be read. */
const WAIT_MS_MAX = 10_000;
/** A page has its place until no more than this of it waits for the client, and for so long at most. */
const LEFT_BYTES = 64 * 1024;
const TAKE_MS_MAX = 30_000;

export interface ResumeParts {
  readonly hub: StreamHub;
  readonly reads: LogReads;
  /** Bounds the pages that are read, and held in memory until clients have taken them, at the same time. */
  readonly past: FairPlaces;
}

/**
 * Feeds a client what it missed, read from the log, and then hands it over to the hub without a gap or a double:
 * near the end the hub starts to keep new events for it, and the reading goes on up to there. If those become too many
 * meanwhile, the hub drops them, and the reading goes on as before.
 */
export async function resume(client: ConnectedClient, from: number, filter: StreamFilter, parts: ResumeParts) {
  const { hub, reads } = parts;
  const reader = new PastReader(client, from, filter, parts);
  hub.read(client);
  let isPinned = false;
  while (client.isOpen && hub.isOpen) {
    const pinnedAt: number | null | undefined = isPinned ? hub.pinnedAt(client) : null;
    isPinned = isPinned && pinnedAt !== undefined;
    const target = pinnedAt ?? null;
    if (target !== null && reader.next >= target) return hub.release(client, target);
    // What the hub cannot know (nothing was committed since this node started), the log's size tells.
    if (isPinned && target === null && reader.next >= reads.logSize) return hub.release(client, reader.next);
    if (!isPinned && reads.logSize - reader.next < NEAR_EVENTS) {
      hub.pin(client);
      isPinned = true;
      continue;
    }
    if (await reader.readUpTo(Math.min(reads.logSize, target ?? Number.POSITIVE_INFINITY))) continue;
    if (reader.isLate) return hub.closeSlow(client, reader.next);
    await sleep(LOOK_MS);
  }
  if (client.isOpen) client.closeForRestart();
}

/** Reads the log for one client, in pages that stay small in bytes. */
class PastReader {
  private limit = PAGE_EVENTS_FIRST;
  private deadline = performance.now() + WAIT_MS_MAX;
  private go = (): void => {};
  private readonly place: Asking;

  constructor(
    private readonly client: ConnectedClient,
    /** The client has, or does not want, everything before. */
    public next: number,
    private readonly filter: StreamFilter,
    private readonly parts: ResumeParts,
  ) {
    this.place = { by: client.address, share: PAGE_BYTES, onEntered: () => this.go() };
  }

  /** The client has taken nothing for too long, or the log could not be read. */
  get isLate(): boolean {
    return performance.now() > this.deadline;
  }

  /** One page of what lies before `end`. True if that brought the client further. */
  async readUpTo(end: number): Promise<boolean> {
    if (this.next >= end || this.isFull) return false;
    const before = this.next;
    const askedAt = performance.now();
    if (!(await this.enter())) return false;
    // Waiting for one's turn is nobody's slowness.
    this.deadline += performance.now() - askedAt;
    try {
      if (this.client.isOpen) await this.page(end);
      if (this.next === before) return false;
      const isTaken = await this.taken();
      this.deadline = performance.now() + (isTaken || this.next >= end ? WAIT_MS_MAX : -1);
      return isTaken;
    } finally {
      this.parts.past.leave(this.place);
    }
  }

  /** False: the client has gone meanwhile. */
  private enter(): Promise<boolean> {
    const { past } = this.parts;
    return new Promise((resolve) => {
      this.go = () => resolve(true);
      this.client.onGone(() => {
        past.withdraw(this.place);
        resolve(false);
      });
      past.ask(this.place);
    });
  }

  /** False: the client takes its time, or nothing at all. */
  private async taken(): Promise<boolean> {
    const { client } = this;
    // What a turn of the event loop does not bring to the system's buffers waits for the client.
    if (client.bufferedBytes > LEFT_BYTES) await turn();
    const deadline = performance.now() + TAKE_MS_MAX;
    while (client.isOpen && client.bufferedBytes > LEFT_BYTES) {
      if (performance.now() > deadline) return false;
      await sleep(LOOK_MS);
    }
    return true;
  }

  private get isFull(): boolean {
    return this.client.bufferedBytes > CLIENT_BUFFER_BYTES_MAX;
  }

  private async page(end: number): Promise<void> {
    const { client, filter } = this;
    const isFiltered = Object.keys(filter).length > 0;
    const request = { by: client.address, filter, order: "asc", low: this.next, high: end, limit: this.limit } as const;
    // A database that does not answer is waited for, as a client is.
    const page = await this.parts.reads.page(request).catch(() => null);
    if (page === null) return;
    let bytes = 0;
    for (const event of page.events) {
      // Without a filter every sequence must be there: a hole is never skipped.
      if ((!isFiltered && event.sequence !== this.next) || this.isFull || !client.isOpen) return;
      const form = formOf(event.shown(), client.form);
      bytes += form.length;
      client.send(form, event.sequence);
      this.next = event.sequence + 1;
    }
    const looked = page.next ?? end;
    if (isFiltered && this.next < looked) {
      client.passed(looked - 1, looked - this.next);
      this.next = looked;
    }
    const fitting = Math.floor((PAGE_BYTES * Math.max(1, page.events.length)) / Math.max(1, bytes));
    this.limit = Math.max(1, Math.min(PAGE_EVENTS_MAX, fitting));
  }
}
