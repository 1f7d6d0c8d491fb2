import type { EventView } from "../../../shared/log/event.js";
import { isInTimes } from "../../../shared/log/filter.js";
import { hasPositions, positionOf, type StreamForm } from "./forms.js";
import type { StreamClient } from "./hub.js";
import type { StreamFilter } from "./request.js";

/** After so many events that a filter left out, the client is told how far the stream has come; and now and then. */
const POSITION_EVERY_EVENTS = 1_000;
const POSITION_EVERY_MS = 15_000;

/** The connection of a client, whatever carries it. */
export interface Connection {
  /** Whose it is. */
  readonly address: string;
  readonly isOpen: boolean;
  readonly bufferedBytes: number;
  send(bytes: Buffer): void;
  closeSlow(from: number): void;
  closeForRestart(): void;
}

export interface ConnectedClient extends StreamClient {
  readonly isOpen: boolean;
  /** The connection is closed. */
  forget(): void;
  /** What is done once it is closed; the last one that was named. */
  onGone(listener: () => void): void;
}

/** A client with its filter. What the filter leaves out still moves the place from which the client resumes. */
export function connectClient(connection: Connection, form: StreamForm, filter: StreamFilter = {}): ConnectedClient {
  const { eventType, sourceAppId } = filter;
  let skipped = 0;
  let place = 0;
  let gone = (): void => {};
  const tellPlace = (): void => {
    if (skipped === 0 || !hasPositions(form) || !connection.isOpen) return;
    skipped = 0;
    connection.send(positionOf(place, form));
  };
  const isFiltered = Object.keys(filter).length > 0;
  const timer = isFiltered ? setInterval(tellPlace, POSITION_EVERY_MS).unref() : null;
  return {
    form,
    address: connection.address,
    get isOpen() {
      return connection.isOpen;
    },
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    wants: (event: Pick<EventView, "eventType" | "sourceAppId" | "timestamp">) =>
      (eventType === undefined || event.eventType === eventType) &&
      (sourceAppId === undefined || event.sourceAppId === sourceAppId) &&
      isInTimes(event.timestamp, filter),
    send(bytes: Buffer, sequence?: number) {
      // An event carries its own place: one from before it must not follow.
      if (sequence !== undefined) skipped = 0;
      connection.send(bytes);
    },
    passed(sequence: number, count: number) {
      skipped += count;
      place = sequence;
      if (skipped >= POSITION_EVERY_EVENTS) tellPlace();
    },
    closeSlow: (from: number) => connection.closeSlow(from),
    closeForRestart: () => connection.closeForRestart(),
    forget: () => {
      if (timer !== null) clearInterval(timer);
      gone();
    },
    onGone(listener) {
      gone = listener;
    },
  };
}
