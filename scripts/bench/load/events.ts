import { below, randomOf } from "./random.js";

/** About so many bytes has an event as compact JSON. */
export const EVENT_BYTES = 250;
/** The largest that a load sends. */
export const LARGE_EVENT_BYTES = 20_000;
const TYPES = 20;
const APPS = 50;
/** An event without the values of its payload. */
const FRAME_BYTES =
  JSON.stringify({
    eventType: "type-00",
    timestamp: new Date(0).toISOString(),
    sourceAppId: "app-00",
    dataPayload: { number: 0, user: "", city: "", amount: 0, items: 0, note: "" },
  }).length - "000".length;
/** Events of so many types and applications: only where their numbers are equal modulo this, the two ever meet. */
const MEET_MODULO = 10;
/** Clocks of clients differ, and what they send is on its way for some time. */
const JITTER_MS = 4_000;

const FIRST_NAMES =
  "Ada Alan Barbara Claude Donald Edsger Frances Grace Hedy Ivan Joan Ken Leslie Margaret Niklaus".split(" ");
const LAST_NAMES =
  "Abara Berg Castillo Dubois Eriksen Fischer Garcia Haddad Ito Jansen Kowalski Lindqvist Moreau Novak Okafor".split(
    " ",
  );
const CITIES = "Accra Bergen Cusco Dakar Essen Faro Ghent Hanoi Izmir Jaipur Kyoto Lagos Lima Malmo Nairobi".split(" ");
const WORDS = (
  "account added after again amount answer approved archive arrived balance before billing branch cancelled card " +
  "change charged checked client closed code confirmed contract copy credit customer daily data deleted delivered " +
  "device different document draft due email entry error expired failed file final first follow found four from " +
  "group handed held import index invoice item joined kept label late ledger letter limit line list local locked " +
  "manager meeting message missing monthly moved named never next note notice number offer office old opened order " +
  "other owner paid partner password payment pending period phone place plan posted price printed process project " +
  "queue quick reached read reason received record refund region rejected released reminder removed renewed report " +
  "request reset retry returned review role sale saved schedule second sent service session shared shipped short " +
  "signed size sold started status still stock stopped store street sum support table task team ten terms ticket " +
  "time token total transfer two under until update user valid value version visit waiting warehouse week with year"
).split(" ");

export interface BenchPayload {
  number: number;
  user: string;
  city: string;
  amount: number;
  items: number;
  note: string;
}

/** What a client sends, to every system alike. */
export interface BenchEvent {
  eventType: string;
  timestamp: string;
  sourceAppId: string;
  dataPayload: BenchPayload;
}

/** Timestamps of a log that was written from `startMs` on for `spanMs`, by so many events. */
export interface Spread {
  readonly startMs: number;
  readonly spanMs: number;
  readonly events: number;
}

export interface EventShape {
  readonly bytes?: number;
  /** Without it, timestamps are of now. */
  readonly spread?: Spread | undefined;
}

/** The n-th event. Its number decides everything but a timestamp of now. */
export function benchEvent(n: number, { bytes = EVENT_BYTES, spread }: EventShape = {}): BenchEvent {
  const random = randomOf(n);
  const one = (list: readonly string[]): string => list[below(list.length, random)] as string;
  const event: BenchEvent = {
    eventType: typeName(n),
    timestamp: new Date(spread === undefined ? Date.now() : timeOf(n, spread, random)).toISOString(),
    sourceAppId: appName(n),
    dataPayload: {
      number: n,
      user: `${one(FIRST_NAMES)} ${one(LAST_NAMES)}`,
      city: one(CITIES),
      amount: below(1_000_000, random) / 100,
      items: below(40, random),
      note: "",
    },
  };
  const { user, city, amount, items } = event.dataPayload;
  // Counted and not written out: the client must cost little. Words are whole, so sizes vary by some bytes.
  let left = bytes - FRAME_BYTES - `${n}${user}${city}${amount}${items}`.length;
  let note = "";
  while (left > 4) {
    const word = one(WORDS);
    note = note === "" ? word : `${note} ${word}`;
    left -= word.length + 1;
  }
  event.dataPayload.note = note;
  return event;
}

export function benchEvents(from: number, count: number, shape?: EventShape): BenchEvent[] {
  return Array.from({ length: count }, (_, index) => benchEvent(from + index, shape));
}

function timeOf(n: number, { startMs, spanMs, events }: Spread, random: () => number): number {
  const atMs = (n / events) * spanMs + (random() - 0.5) * JITTER_MS;
  return Math.floor(startMs + Math.min(Math.max(0, atMs), spanMs - 1));
}

export interface Names {
  readonly eventType: string;
  readonly sourceAppId: string;
}

/** A type and an application that meet in one of a hundred events, or in none. */
export function drawnNames(random: () => number, { meet }: { meet: boolean }): Names {
  const type = below(TYPES, random);
  const sameModulo = below(APPS / MEET_MODULO, random) * MEET_MODULO + (type % MEET_MODULO);
  return { eventType: typeName(type), sourceAppId: appName(meet ? sameModulo : sameModulo + 1) };
}

const typeName = (n: number): string => `type-${String(n % TYPES).padStart(2, "0")}`;
const appName = (n: number): string => `app-${String(n % APPS).padStart(2, "0")}`;
