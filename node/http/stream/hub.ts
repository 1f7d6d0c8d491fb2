import type { Logger } from "pino";
import type { ShownEvent } from "../../../shared/log/event.js";
import type { LogService, StreamNotice } from "../../service/log-port.js";
import { formOf, isOwnForm, noticeOf, type OwnForm, type StreamForm } from "./forms.js";

/** One connected client, as the hub sees it. Its methods neither throw nor wait. */
export interface StreamClient {
  readonly form: StreamForm;
  /** Whose it is. */
  readonly address: string;
  wants(event: Pick<ShownEvent, "eventType" | "sourceAppId" | "timestamp">): boolean;
  /** Hands bytes to the connection, which queues what the client does not take yet; an event's come with its place. */
  send(bytes: Buffer, sequence?: number): void;
  /** So many events, `sequence` the last of them, came that it does not want. */
  passed(sequence: number, count: number): void;
  /** What waits in that queue. */
  readonly bufferedBytes: number;
  /** Ends the stream, naming the first event that the client did not get. */
  closeSlow(from: number): void;
  closeForRestart(): void;
}

/** A client with more than this waiting gets nothing more until it has taken some. */
export const CLIENT_BUFFER_BYTES_MAX = 1024 * 1024;
/** One large block can fill the buffer of a healthy client in a single turn; a slow one is still over the bound after this. */
const CLIENT_HELD_MS_MAX = 500;
export const CLIENTS_MAX_DEFAULT = 1_000;
/** Beyond these, for addresses that have no stream. */
const CLIENTS_SPARE = 100;
/** Serialised events that some client has not been handed yet. */
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
/** Sends in one turn of the event loop: with many clients a large block must not hold up heartbeats. */
const SENDS_PER_TURN = 1_000;
const HELD_LOOK_MS = 20;
const UNKNOWN = -1;

interface Pending {
  readonly sequence: number;
  readonly eventType: string;
  readonly sourceAppId: string;
  readonly timestamp: string;
  readonly bytes: number;
  readonly forms: ReadonlyMap<StreamForm, Buffer>;
}

interface Place {
  /** The sequence that the client gets next; UNKNOWN until the first event after this node's start. */
  readonly next: number;
  /**
   * `live`: fed from `next`. `pinned`: still reads what came before `next`; what comes is kept for it, but not yet fed.
   * `reading`: reads older events, and nothing is kept for it.
   */
  readonly mode: "live" | "pinned" | "reading";
  /** Since when its buffer is over the bound; null when it is not. */
  readonly heldSince: number | null;
}

/**
 * Fans committed events out: each is serialised once a form, and handed to every client once, in order, from the
 * moment of its connecting. A client that cannot follow is closed with the place where its gap starts.
 */
export class StreamHub {
  /** In the order in which they are served: whoever was served goes to the end. */
  private readonly clients = new Map<StreamClient, Place>();
  /** Told to go, and still holding their buffers: they count until their connections are closed. */
  private readonly leaving = new Set<StreamClient>();
  private pending: Pending[] = [];
  private pendingBytes = 0;
  /** The sequence after the newest event seen; null before the first. */
  private next: number | null = null;
  private planned: NodeJS.Timeout | NodeJS.Immediate | null = null;
  private isClosed = false;
  private readonly unsubscribers: readonly (() => void)[];

  constructor(
    { reads, status }: Pick<LogService, "reads" | "status">,
    private readonly options: { readonly logger: Logger; readonly clientsMax: number },
  ) {
    this.unsubscribers = [
      reads.subscribe(
        (events) => this.push(events),
        (first, next) => this.passBy(first, next),
      ),
      status.subscribeNotices((notice) => this.tell(notice)),
    ];
  }

  get clientCount(): number {
    return this.clients.size;
  }

  /** With those that were told to go. */
  get placesTaken(): number {
    return this.clients.size + this.leaving.size;
  }

  get isOpen(): boolean {
    return !this.isClosed;
  }

  /** False when the node serves as many as it can, or is stopping. */
  canAdd(address: string): boolean {
    const { clientsMax } = this.options;
    if (this.isClosed || this.placesTaken >= clientsMax + CLIENTS_SPARE) return false;
    const isIts = (client: StreamClient): boolean => client.address === address;
    return this.placesTaken < clientsMax || ![...this.clients.keys(), ...this.leaving].some(isIts);
  }

  add(client: StreamClient): void {
    this.clients.set(client, { next: this.next ?? UNKNOWN, mode: "live", heldSince: null });
  }

  /** Counts a client that reads older events. */
  read(client: StreamClient): void {
    this.clients.set(client, { next: UNKNOWN, mode: "reading", heldSince: null });
  }

  /** Keeps every event from now on for a client that first reads older ones; it is fed after `release`. */
  pin(client: StreamClient): void {
    this.clients.set(client, { next: this.next ?? UNKNOWN, mode: "pinned", heldSince: null });
  }

  /** From where events are kept for a pinned client: null while that is not known; undefined if they are not any more. */
  pinnedAt(client: StreamClient): number | null | undefined {
    const place = this.clients.get(client);
    if (place?.mode !== "pinned") return undefined;
    return place.next === UNKNOWN ? null : place.next;
  }

  /** The client has all before `next`: it is fed from there. */
  release(client: StreamClient, next: number): void {
    if (!this.clients.has(client)) return;
    this.clients.set(client, { next, mode: "live", heldSince: null });
    this.turn();
  }

  /** Its connection is closed. */
  remove(client: StreamClient): void {
    this.clients.delete(client);
    this.leaving.delete(client);
  }

  /** Tells every client that the node restarts. Clients that come from now on are refused. */
  close(): void {
    this.isClosed = true;
    for (const unsubscribe of this.unsubscribers) unsubscribe();
    for (const client of this.clients.keys()) client.closeForRestart();
    this.clients.clear();
    this.dropPending(this.pending.length);
  }

  /** Without clients nothing of the events is wanted but where they end. */
  private passBy(first: number, next: number): boolean {
    if (this.clients.size > 0 || this.pending.length > 0) return false;
    if (this.next !== null && first > this.next) this.closeAllAt(this.next);
    this.next = Math.max(this.next ?? 0, next);
    return true;
  }

  private push(events: readonly ShownEvent[]): void {
    const [first] = events;
    if (first === undefined) return;
    if (this.next === null) {
      this.next = first.sequence;
      for (const [client, place] of this.clients)
        if (place.next === UNKNOWN && place.mode !== "reading")
          this.clients.set(client, { ...place, next: first.sequence });
    }
    const forms = new Set([...this.clients.keys()].map((client) => client.form));
    for (const event of events) {
      if (event.sequence < this.next) continue;
      if (event.sequence > this.next) this.closeAllAt(this.next);
      this.next = event.sequence + 1;
      if (this.clients.size === 0) continue;
      const pending = serialise(event, forms);
      this.pending.push(pending);
      this.pendingBytes += pending.bytes;
    }
    this.turn();
  }

  /** The feed promises to have no gaps. Should it break that, nobody is silently skipped. */
  private closeAllAt(from: number): void {
    this.options.logger.error({ from }, "the committed events have a gap: all streams are closed");
    for (const client of [...this.clients.keys()]) this.closeSlow(client, from);
    this.dropPending(this.pending.length);
  }

  /** Alerts and elections go to the clients of our own stream at once: they have no place in the log's order. */
  private tell(notice: StreamNotice): void {
    const forms = new Map<OwnForm, Buffer>();
    for (const client of this.clients.keys()) {
      const { form } = client;
      if (!isOwnForm(form)) continue;
      const bytes = forms.get(form) ?? noticeOf(notice, form);
      forms.set(form, bytes);
      client.send(bytes);
    }
  }

  private turn(): void {
    let left = SENDS_PER_TURN;
    for (const [client, place] of [...this.clients]) {
      if (left <= 0) break;
      left -= this.feed(client, place, left);
    }
    this.forget();
    if (this.pending.length > 0) this.planTurn(left <= 0);
  }

  private planTurn(isBusy: boolean): void {
    if (this.planned !== null) return;
    const run = (): void => {
      this.planned = null;
      if (!this.isClosed) this.turn();
    };
    this.planned = isBusy ? setImmediate(run) : setTimeout(run, HELD_LOOK_MS);
  }

  /** Hands a client what it lacks, at most `sendsMax` events; returns how many it was handed. */
  private feed(client: StreamClient, place: Place, sendsMax: number): number {
    const first = this.pending[0];
    if (place.mode === "reading" || first === undefined || place.next > (this.pending.at(-1) as Pending).sequence)
      return 0;
    if (place.next < first.sequence && place.mode === "pinned") {
      // Too much came while it read: it reads on, and is pinned again later.
      this.read(client);
      return 0;
    }
    if (place.next < first.sequence) {
      this.closeSlow(client, place.next);
      return 0;
    }
    if (place.mode === "pinned") return 0;
    const start = place.next - first.sequence;
    const end = Math.min(this.pending.length, start + sendsMax);
    let at = start;
    for (; at < end && client.bufferedBytes <= CLIENT_BUFFER_BYTES_MAX; at++) {
      const event = this.pending[at] as Pending;
      // Every form that a client has when an event comes is made then, and who comes later starts later.
      if (client.wants(event)) client.send(event.forms.get(client.form) as Buffer, event.sequence);
      else client.passed(event.sequence, 1);
    }
    const now = performance.now();
    const heldSince = at < end ? (at > start ? now : (place.heldSince ?? now)) : null;
    if (heldSince !== null && now - heldSince > CLIENT_HELD_MS_MAX) {
      this.closeSlow(client, first.sequence + at);
    } else if (this.clients.delete(client)) {
      this.clients.set(client, { next: first.sequence + at, mode: "live", heldSince });
    }
    return at - start;
  }

  closeSlow(client: StreamClient, from: number): void {
    this.clients.delete(client);
    this.leaving.add(client);
    client.closeSlow(from);
  }

  /** Forgets what every client was handed, and the oldest of the rest when that grows too large. */
  private forget(): void {
    let oldest = this.next ?? 0;
    for (const { next, mode } of this.clients.values()) if (mode !== "reading") oldest = Math.min(oldest, next);
    let drop = 0;
    let bytes = this.pendingBytes;
    for (const { sequence, bytes: size } of this.pending) {
      if (sequence >= oldest && bytes <= PENDING_BYTES_MAX) break;
      bytes -= size;
      drop++;
    }
    this.dropPending(drop);
  }

  private dropPending(count: number): void {
    for (const { bytes } of this.pending.splice(0, count)) this.pendingBytes -= bytes;
  }
}

function serialise(event: ShownEvent, wanted: ReadonlySet<StreamForm>): Pending {
  const forms = new Map([...wanted].map((form) => [form, formOf(event, form)]));
  let bytes = 0;
  for (const buffer of forms.values()) bytes += buffer.length;
  const { sequence, eventType, sourceAppId, timestamp } = event;
  return { sequence, eventType, sourceAppId, timestamp, bytes, forms };
}
