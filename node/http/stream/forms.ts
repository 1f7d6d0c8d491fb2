import { unreachable } from "../../../shared/ids.js";
import type { ShownEvent } from "../../../shared/log/event.js";
import type { StreamNotice } from "../../service/log-port.js";
import { OWN, REFERENCE_A, REFERENCE_B } from "../routes/shapes.js";

/**
 * How things go out: as messages in the shape of reference API A or B, as server-sent events of A, and as messages and
 * server-sent events of our own stream.
 */
export type StreamForm = "a" | "b" | "sse" | OwnForm;
export type OwnForm = "own" | "own_sse";

export const formOf = (event: ShownEvent, form: StreamForm): Buffer => Buffer.from(textOf(event, form));

function textOf(event: ShownEvent, form: StreamForm): string {
  switch (form) {
    case "a":
      return REFERENCE_A.text(event);
    case "b":
      return REFERENCE_B.text(event);
    case "sse":
      // JSON text holds no line break, so one data line carries it whole. Without an event name a browser's `onmessage`
      // sees it, which is what a client of the reference document listens to.
      return `id: ${event.sequence}\ndata: ${REFERENCE_A.text(event)}\n\n`;
    case "own":
      return `{"kind":"event","event":${OWN.text(event)}}`;
    case "own_sse":
      return `id: ${event.sequence}\nevent: event\ndata: ${OWN.text(event)}\n\n`;
    default:
      return unreachable(form);
  }
}

/** On the WebSockets of the reference APIs only events are ever sent. */
export const hasPositions = (form: StreamForm): form is OwnForm | "sse" => form === "sse" || isOwnForm(form);

export const isOwnForm = (form: StreamForm): form is OwnForm => form === "own" || form === "own_sse";

/** Alerts and elections have no place in the log's order, so no id: a client that resumes goes on from its last event. */
export function noticeOf(notice: StreamNotice, form: OwnForm): Buffer {
  if (form === "own") return Buffer.from(JSON.stringify(notice));
  const shown = notice.kind === "alert" ? notice.alert : notice.election;
  return Buffer.from(`event: ${notice.kind}\ndata: ${JSON.stringify(shown)}\n\n`);
}

/**
 * Moves the place from which a client resumes past events that its filter leaves out. As a server-sent event it has no
 * data: a browser keeps the id and tells nobody.
 */
export const positionOf = (sequence: number, form: OwnForm | "sse"): Buffer =>
  Buffer.from(
    form === "own" ? JSON.stringify({ kind: "notice", notice: "position", sequence }) : `id: ${sequence}\n\n`,
  );
