import { canonicalText } from "../../../shared/canonical.js";
import type { EventView, ShownEvent } from "../../../shared/log/event.js";
import { EventBytes } from "../../../shared/log/proved-body.js";
import { type FoundEvent, StoredEvent } from "../../../shared/log/stored-event.js";
import { millisText, timestampMillis } from "../../../shared/timestamp.js";
import type { JsonBytes } from "./json-bytes.js";
import { KeptTexts } from "./kept-texts.js";

/** A member's value: as text of an event that is decoded, and as the same bytes from those of its block. */
interface Member {
  readonly text: (event: ShownEvent) => string;
  readonly write: (out: JsonBytes, at: EventBytes, event: StoredEvent) => void;
}

/** What a write was answered with, in the form that shapes take. */
export function shownView({ dataPayload, ...event }: EventView): ShownEvent {
  return { ...event, payload: canonicalText(dataPayload) };
}

const quoted = JSON.stringify as (text: string) => string;

const sequence: Member = {
  text: (event) => `${event.sequence}`,
  write: (out, _at, event) => out.ascii(`${event.sequence}`),
};
const id: Member = {
  text: (event) => `"${event.id}"`,
  write: (out, { records, id: from, type }) => {
    out.ascii('"');
    out.hex(records, from, type - 2);
    out.ascii('"');
  },
};
const eventType: Member = {
  text: (event) => quoted(event.eventType),
  write: (out, { records, type, typeEnd }) => out.quoted(records, type, typeEnd),
};
const sourceAppId: Member = {
  text: (event) => quoted(event.sourceAppId),
  write: (out, { records, source, sourceEnd }) => out.quoted(records, source, sourceEnd),
};
const timestamp: Member = {
  text: (event) => quoted(event.timestamp),
  write: (out, at) => {
    if (at.isMillis) writeMillis(out, at);
    else out.quoted(at.records, at.time, at.timeEnd);
  },
};
/** In UTC with milliseconds. */
const utcTimestamp: Member = {
  text: (event) => quoted(utcMillis(event.timestamp)),
  write: (out, at, event) => {
    if (at.isMillis) writeMillis(out, at);
    else out.text(utcTimestamp.text(event.shown()));
  },
};
/** A payload is canonical JSON already: it is put in as it is, not parsed and written again. */
const dataPayload: Member = {
  text: (event) => event.payload,
  write: (out, { payloads, payload, payloadEnd, isErased }) => {
    if (!isErased) out.copy(payloads, payload, payloadEnd);
  },
};
const payloadSalt: Member = {
  text: (event) => `"${event.payloadSalt}"`,
  write: (out, { payloads, salt, payload }) => {
    out.ascii('"');
    out.hex(payloads, salt, payload);
    out.ascii('"');
  },
};
const payloadHash: Member = {
  text: (event) => `"${event.payloadHash}"`,
  write: (out, at) => out.ascii(`"${at.payloadHash}"`),
};
const recordedAt: Member = {
  text: (event) => `"${event.recordedAt}"`,
  write: (out, _at, event) => out.ascii(`"${event.block.sealedAt}"`),
};
/** The two that an event may lack, each with its name and a comma. */
const optional: Member = {
  text: ({ idempotencyKey: key, batch }) =>
    (key === undefined ? "" : `"idempotencyKey":${quoted(key)},`) +
    (batch === undefined ? "" : `"batch":[${batch[0]},${batch[1]}],`),
  write: (out, at, event) => {
    if (at.hasKey || at.hasBatch) out.text(optional.text(event.shown()));
  },
};
const previousHash: Member = {
  text: (event) => `"${event.previousHash}"`,
  write: (out, { records, previousHash: from }, event) => {
    out.ascii('"');
    if (from < 0) out.ascii(event.previousHash);
    else out.hex(records, from, from + HASH_BYTES);
    out.ascii('"');
  },
};
const hash: Member = {
  text: (event) => `"${event.hash}"`,
  write: (out, { records, hash: from }) => {
    out.ascii('"');
    out.hex(records, from, from + HASH_BYTES);
    out.ascii('"');
  },
};
const height: Member = {
  text: (event) => `${event.height}`,
  write: (out, _at, event) => out.ascii(`${event.block.height}`),
};
const term: Member = {
  text: (event) => `${event.term}`,
  write: (out, _at, event) => out.ascii(`${event.block.term}`),
};

const HASH_BYTES = 32;

function writeMillis(out: JsonBytes, { records, time }: EventBytes): void {
  out.ascii('"');
  out.millis(records, time);
  out.ascii('"');
}

/** Text that stands for no instant, or for one outside of the years 0000 to 9999, is shown as it is rather than hidden. */
function utcMillis(timestamp: string): string {
  const millis = timestampMillis(timestamp);
  return (millis === null ? null : millisText(millis)) ?? timestamp;
}

/** How events are shown: the text between the members, and the members. */
export class Shape {
  private readonly between: readonly Buffer[];
  private readonly place = new EventBytes();

  constructor(
    private readonly texts: readonly string[],
    private readonly members: readonly Member[],
    private readonly kept: KeptTexts | null = null,
  ) {
    this.between = texts.map((text) => Buffer.from(text));
  }

  text(event: ShownEvent): string {
    let text = this.texts[0] as string;
    for (const [i, member] of this.members.entries()) text += member.text(event) + this.texts[i + 1];
    return text;
  }

  /** The same text as bytes. */
  write(out: JsonBytes, event: FoundEvent): void {
    if (!(event instanceof StoredEvent)) return out.text(this.text(event.shown()));
    const { place, between, members, kept } = this;
    const known = kept?.of(event.sequence, event.hashBits);
    if (known != null) return out.copy(known, 0, known.length);
    const start = out.length;
    event.locate(place);
    for (let i = 0; i < between.length; i++) {
      const text = between[i] as Buffer;
      out.copy(text, 0, text.length);
      members[i]?.write(out, place, event);
    }
    kept?.keep(event.sequence, event.hashBits, out.since(start));
  }
}

const shape = (texts: TemplateStringsArray, ...members: Member[]): Shape => new Shape(texts, members);
/** The same with the newest texts kept, which hold a hash that has to be computed. */
const keptShape = (texts: TemplateStringsArray, ...members: Member[]): Shape =>
  new Shape(texts, members, new KeptTexts());

/** Our own API: the whole record, with what is needed to recompute its hashes. */
export const OWN = keptShape`{"v":1,"sequence":${sequence},"id":${id},"eventType":${eventType},"timestamp":${timestamp},"sourceAppId":${sourceAppId},"dataPayload":${dataPayload},"payloadSalt":${payloadSalt},"payloadHash":${payloadHash},"recordedAt":${recordedAt},${optional}"previousHash":${previousHash},"hash":${hash},"height":${height},"term":${term}}`;

/** Reference API A. */
export const REFERENCE_A = shape`{"_id":${id},"eventType":${eventType},"timestamp":${timestamp},"sourceAppId":${sourceAppId},"dataPayload":${dataPayload},"previousHash":${previousHash},"hash":${hash},"sequence":${sequence}}`;

/** Reference API B: its timestamp always in UTC with milliseconds. */
export const REFERENCE_B = shape`{"_id":${id},"eventType":${eventType},"sourceAppId":${sourceAppId},"dataPayload":${dataPayload},"timestamp":${utcTimestamp},"previousHash":${previousHash},"currentHash":${hash}}`;
