import type { EventView } from "../../shared/log/event.js";
import { ask } from "./client.js";
import type { EventPage } from "./types.js";

/** Newest events that are kept for a page that opens later than they came. */
const KEPT_MAX = 2_000;
/** Events that came are told together: a burst must not draw the page once an event. */
const TELL_EVERY_MS = 50;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5_000;

export type StreamState = "connecting" | "live" | "lost";

type Message =
  | { readonly kind: "event"; readonly event: EventView }
  | { readonly kind: "alert" | "election" }
  | { readonly kind: "notice"; readonly sequence: number };

export interface StreamListener {
  /** Consecutive events, each once, in the order of the log. */
  onEvents?(events: readonly EventView[]): void;
  onNotice?(kind: "alert" | "election"): void;
  onState?(state: StreamState): void;
}

/**
 * The page's one connection to the node's stream. It begins at a known place and goes on from there after each break:
 * no event is missed and none comes twice.
 */
export class LiveStream {
  state: StreamState = "connecting";
  /** Since when, in milliseconds since 1970. */
  stateAt = Date.now();
  /** Kept and later events have sequences from here on; null until the place is known. */
  keptFrom: number | null = null;
  private kept: EventView[] = [];
  private waiting: EventView[] = [];
  private next = 0;
  private socket: WebSocket | null = null;
  private retryMs = RETRY_MS_MIN;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private teller: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<StreamListener>();

  subscribe(listener: StreamListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Events that came, from a sequence on; null if some of them are not kept any more, or not known yet. */
  since(sequence: number): readonly EventView[] | null {
    if (this.keptFrom === null || sequence < this.keptFrom) return null;
    return this.kept.slice(sequence - this.keptFrom);
  }

  start(): void {
    void this.connect();
  }

  stop(): void {
    clearTimeout(this.timer);
    clearTimeout(this.teller);
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  private async connect(): Promise<void> {
    try {
      if (this.keptFrom === null) {
        const { logSize } = await ask<EventPage>("api/v1/events?limit=1&order=desc");
        this.next = logSize ?? 0;
        this.keptFrom = this.next;
        // Pages that wait for a place can compare theirs with it.
        for (const { onEvents } of this.listeners) onEvents?.([]);
      }
      this.open();
    } catch {
      this.retry();
    }
  }

  private open(): void {
    const url = new URL("api/v1/stream", document.baseURI);
    url.hash = "";
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("after", String(this.next - 1));
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => {
      this.retryMs = RETRY_MS_MIN;
      this.tell("live");
    };
    socket.onmessage = ({ data }) => this.take(JSON.parse(String(data)) as Message);
    socket.onclose = () => {
      if (this.socket === socket) this.retry();
    };
  }

  private retry(): void {
    this.tell("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), this.retryMs);
    this.retryMs = Math.min(RETRY_MS_MAX, 2 * this.retryMs);
  }

  private take(message: Message): void {
    if (message.kind === "alert" || message.kind === "election") {
      for (const { onNotice } of this.listeners) onNotice?.(message.kind);
    } else if (message.kind === "event" && message.event.sequence === this.next) {
      this.next += 1;
      this.waiting.push(message.event);
      this.teller ??= setTimeout(() => this.tellEvents(), TELL_EVERY_MS);
    }
  }

  private tellEvents(): void {
    this.teller = undefined;
    const events = this.waiting;
    this.waiting = [];
    this.kept.push(...events);
    const drop = this.kept.length - KEPT_MAX;
    if (drop > 0) {
      this.kept.splice(0, drop);
      this.keptFrom = (this.keptFrom ?? 0) + drop;
    }
    for (const { onEvents } of this.listeners) onEvents?.(events);
  }

  private tell(state: StreamState): void {
    if (state === this.state) return;
    this.state = state;
    this.stateAt = Date.now();
    for (const { onState } of this.listeners) onState?.(state);
  }
}

export const stream = new LiveStream();
