import { describe, expect, it } from "vitest";
import { type EventView, eventView, logEvent, payloadCommitment } from "../../shared/event.js";
import { acknowledgementFaults, chainFaults } from "./check-log.js";

function log(keys: string[]): EventView[] {
  const salt = new Uint8Array(16);
  const payload = new TextEncoder().encode("{}");
  const common = { eventType: "t", sourceAppId: "s", timestamp: "2026-01-01T00:00:00Z", payload, payloadSalt: salt };
  const events: EventView[] = [];
  for (const [sequence, idempotencyKey] of keys.entries()) {
    const id = String(sequence).padStart(24, "0");
    const prepared = { ...common, id, idempotencyKey, payloadHash: payloadCommitment(salt, payload) };
    const at = { recordedAt: "2026-01-01T00:00:00.000Z", previousHash: events.at(-1)?.hash ?? "" };
    events.push(eventView(logEvent(prepared, { sequence: sequence as never, ...at }), { height: 1, term: 1 } as never));
  }
  return events;
}

function acknowledged(events: EventView[]) {
  return new Map(events.map((event) => [event.idempotencyKey as string, event]));
}

describe("the check after the kills", () => {
  it("finds nothing in a log that holds every acknowledged write once, and others besides", () => {
    const events = log(["a", "b", "c"]);
    expect(chainFaults(events)).toEqual([]);
    expect(acknowledgementFaults(events, acknowledged(events.slice(0, 2)))).toEqual([]);
  });

  it("finds a lost, a doubled, a moved and a changed write", () => {
    const promised = acknowledged(log(["a", "b", "c"]));
    expect(acknowledgementFaults(log(["a", "b"]), promised)).toEqual(["the write c, acknowledged at 2, is lost"]);
    expect(acknowledgementFaults(log(["a", "b", "c", "a"]), promised)).toEqual(["the write a is in the log 2 times"]);
    expect(acknowledgementFaults(log(["a", "c", "b"]), promised)).toContain(
      "the write b, acknowledged at 1, has moved",
    );
    const changed = log(["a", "b", "c"]).map((event) => ({ ...event, id: "f".repeat(24) }));
    expect(acknowledgementFaults(changed, promised)).toContain("the write a at 0 was changed");
  });

  it("finds a forged payload and a broken link", () => {
    const forged = log(["a", "b"]).map((event) => ({ ...event, dataPayload: { forged: true } }));
    expect(chainFaults(forged)[0]).toBe("event 0 has a wrong payloadHash");
    expect(chainFaults(log(["a", "b"]).slice(1))).toContain("event 1 does not link");
  });
});
