import { expect, it } from "vitest";
import { utf8 } from "../../shared/bytes.js";
import { sequence } from "../../shared/ids.js";
import { eventView, type LoggedEvent, logEvent, type PreparedEvent } from "../../shared/log/event.js";
import { LoggedRequests } from "../replica/logged-requests.js";
import { bodyOfLogged, bodyOfView, earlierRequest, isSameBody } from "./same-write.js";

let made = 0;
const prepared = (change: Partial<PreparedEvent> = {}): PreparedEvent => ({
  id: String(made++).padStart(24, "0"),
  eventType: "T",
  timestamp: "2026-05-01T12:00:00Z",
  sourceAppId: "a",
  payload: utf8('{"a":1,"b":2}'),
  payloadSalt: new Uint8Array(16),
  payloadHash: "0".repeat(64),
  idempotencyKey: "k",
  ...change,
});
const logged = (event: PreparedEvent, at = 0): LoggedEvent =>
  logEvent(event, { sequence: sequence(at), recordedAt: "2026-05-01T12:00:01.000Z", previousHash: "" });

it("compares type, source, payload, and the timestamp where the repetition brings one", () => {
  const first = logged(prepared());
  const view = eventView(first, { height: 1 as never, term: 1 as never });
  for (const earlier of [bodyOfLogged(first), bodyOfView(view)]) {
    const isSame = (change: Partial<PreparedEvent>): boolean => isSameBody([prepared(change)], [earlier]);
    expect(isSame({})).toBe(true);
    expect(isSame({ timestamp: "2026-05-01T12:00:09Z", isStampedHere: true })).toBe(true);
    expect(isSame({ timestamp: "2026-05-01T12:00:09Z" })).toBe(false);
    expect(isSame({ eventType: "U" })).toBe(false);
    expect(isSame({ sourceAppId: "b" })).toBe(false);
    expect(isSame({ payload: utf8('{"a":1,"b":3}') })).toBe(false);
    expect(isSameBody([prepared(), prepared()], [earlier])).toBe(false);
    expect(isSameBody([prepared()], [earlier, earlier])).toBe(false);
  }
});

it("finds an earlier request whole, by its key in any of its sources", () => {
  const single = prepared({ idempotencyKey: "other" });
  const batch = ["a", "b", "a"].map((sourceAppId, i) => prepared({ sourceAppId, batch: [i, 3] }));
  const events = [single, ...batch, prepared({ sourceAppId: "c" })].map(logged);
  const found = (change: Partial<PreparedEvent>): string[] =>
    earlierRequest([prepared(change)], LoggedRequests.of(events)).map(({ record }) => record.id);
  const ids = batch.map(({ id }) => id);
  expect(found({ sourceAppId: "a" })).toEqual(ids);
  expect(found({ sourceAppId: "b" })).toEqual(ids);
  expect(found({ idempotencyKey: "other" })).toEqual([single.id]);
  expect(found({ sourceAppId: "d" })).toEqual([]);
});
