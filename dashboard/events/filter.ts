import type { EventView, ReadEvent } from "../../shared/log/event.js";
import { type EventFilter, matches, payloadTexts } from "../../shared/log/filter.js";
import { instantOf } from "../../shared/timestamp.js";

/** One condition: the API's own name and text, as they stand in the page's URL too. */
export interface Condition {
  readonly name: string;
  readonly text: string;
}

/** How conditions are written in the search box. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  type: "eventType",
  source: "sourceAppId",
  since: "since",
  until: "until",
};
const LONG_NAMES = new Map(Object.entries(SHORT_NAMES).map(([short, long]) => [long, short]));
const PAYLOAD = "payload.";

export const shortName = (name: string): string => LONG_NAMES.get(name) ?? name;

export function conditionsIn(parameters: URLSearchParams): Condition[] {
  return [...parameters]
    .filter(([name]) => LONG_NAMES.has(name) || name.startsWith(PAYLOAD))
    .map(([name, text]) => ({ name, text }));
}

export const queryOf = (conditions: readonly Condition[]): URLSearchParams =>
  new URLSearchParams(conditions.map(({ name, text }): [string, string] => [name, text]));

/** What somebody typed: `type:role.* payload.actor:"Ada L"`. A sentence where it is not understood. */
export function readConditions(text: string, payloadPaths: readonly string[]): readonly Condition[] | string {
  const found: Condition[] = [];
  for (const word of text.match(/[^\s:]+:"[^"]*"|\S+/g) ?? []) {
    const [, short = "", quoted, bare = ""] = /^([^\s:]+):(?:"([^"]*)"|(.+))$/.exec(word) ?? [];
    const value = quoted ?? bare;
    const name = short.startsWith(PAYLOAD) ? short : SHORT_NAMES[short];
    if (name === undefined || value === "")
      return `“${word}” is no condition. Write ${namesToWrite(payloadPaths)} and a value, as in type:invoice.*`;
    if (name.startsWith(PAYLOAD) && !payloadPaths.includes(name.slice(PAYLOAD.length)))
      return payloadPaths.length === 0
        ? "No payload path is indexed: name some in INDEX_PAYLOAD on every node to filter by them."
        : `${name} is not indexed. Indexed are ${payloadPaths.join(", ")}.`;
    if ((name === "since" || name === "until") && instantOf(value) === null)
      return `“${value}” is no time. Write one such as ${name}:2026-05-01T12:00:00Z`;
    found.push({ name, text: value });
  }
  return found;
}

export const namesToWrite = (payloadPaths: readonly string[]): string =>
  ["type:", "source:", "since:", "until:", ...payloadPaths.map((path) => `${PAYLOAD}${path}:`)].join(", ");

/** What the node does with the same conditions, for events that come by the stream. */
export function matcherOf(conditions: readonly Condition[]): (event: EventView) => boolean {
  const filter = eventFilter(conditions);
  // What a filter looks at of an event is in its view.
  return (view) => matches({ record: view, payloadValue: view.dataPayload } as unknown as ReadEvent, filter);
}

function eventFilter(conditions: readonly Condition[]): EventFilter {
  const textOf = (name: string): string | undefined => conditions.find((one) => one.name === name)?.text;
  const instant = (name: string) => instantOf(textOf(name) ?? "") ?? undefined;
  const type = textOf("eventType");
  const source = textOf("sourceAppId");
  const since = instant("since");
  const until = instant("until");
  const payload = conditions
    .filter(({ name }) => name.startsWith(PAYLOAD))
    .map(({ name, text }) => ({ path: name.slice(PAYLOAD.length), texts: payloadTexts(text) }));
  return {
    ...(type === undefined ? {} : typeFilter(type)),
    ...(source === undefined ? {} : { sourceAppId: source }),
    ...(payload.length === 0 ? {} : { payload }),
    ...(since === undefined ? {} : { recordedSince: since }),
    ...(until === undefined ? {} : { recordedUntil: until }),
  };
}

/** `invoice.*` is every type that begins with `invoice.`; a literal star is `\*`. */
function typeFilter(text: string): Pick<EventFilter, "eventType" | "typePrefix"> {
  const isPrefix = text.endsWith(".*");
  const plain = (isPrefix ? text.slice(0, -2) : text).replaceAll("\\*", "*");
  return isPrefix ? { typePrefix: plain } : { eventType: plain };
}
