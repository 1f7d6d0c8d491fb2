/** Size of an event as compact JSON. */
export const EVENT_BYTES = 256;
const EVENT_TYPES = 20;
const APPS = 50;

/** What a client sends, to every system alike. */
export interface BenchEvent {
  eventType: string;
  timestamp: string;
  sourceAppId: string;
  dataPayload: { number: number; text: string };
}

/** The n-th event: 20 types, 50 applications, 256 bytes as compact JSON. */
export function benchEvent(n: number): BenchEvent {
  const event: BenchEvent = {
    eventType: `type-${String(n % EVENT_TYPES).padStart(2, "0")}`,
    timestamp: new Date().toISOString(),
    sourceAppId: appName(n % APPS),
    dataPayload: { number: n, text: "" },
  };
  event.dataPayload.text = "x".repeat(Math.max(0, EVENT_BYTES - JSON.stringify(event).length));
  return event;
}

export function benchEvents(from: number, count: number): BenchEvent[] {
  return Array.from({ length: count }, (_, index) => benchEvent(from + index));
}

export const randomApp = (): string => appName(Math.floor(Math.random() * APPS));

const appName = (app: number): string => `app-${String(app).padStart(2, "0")}`;
