import { expect, it } from "vitest";
import { height, sequence, term } from "../ids.js";
import { eventView, logEvent, payloadCommitment } from "../log/event.js";
import { PEER_REQUESTS } from "./requests.js";

const payload = new TextEncoder().encode('{"a":1}');
const payloadSalt = new Uint8Array(16);
const logged = logEvent(
  {
    ...{
      id: "0".repeat(24),
      eventType: "t",
      timestamp: "2026-01-01T00:00:00Z",
      sourceAppId: "s",
      payload,
      payloadSalt,
    },
    ...{ payloadHash: payloadCommitment(payloadSalt, payload), idempotencyKey: "k", batch: [0, 2] },
  },
  { sequence: sequence(0), recordedAt: "2026-01-01T00:00:00.000Z", previousHash: "" },
);
const view = eventView(logged, { height: height(2), term: term(1) });

it("brings an event over as it was, its members in their order: a client sees the same through any node", () => {
  const { answer } = PEER_REQUESTS.copy;
  const copy = { node: "n1", hash: logged.hash, event: view };
  expect(JSON.stringify(answer.parse(JSON.parse(JSON.stringify(copy))))).toBe(JSON.stringify(copy));
});

it.each([
  ["copy", { node: "n1", hash: null, event: { ...view, dataPayload: [] } }],
  ["copy", { node: "n1", hash: null }],
  ["read-index", { height: -1 }],
  ["append", { answers: [{ n: 1, result: { kind: "committed", acknowledgedBy: [] } }] }],
  ["append", { answers: [{ n: 1, result: { kind: "not_written", reason: "because" } }] }],
  ["append", { answers: [{ result: { kind: "unknown" } }] }],
  ["status", { id: "n1" }],
  ["alerts", { alerts: [] }],
  ["disk", { isLow: "no" }],
  ["step-down", { leaderId: "", term: 1 }],
  ["election-notes", { counts: [-1], messages: [] }],
  ["election-notes", { counts: [], messages: [{ at: "now", kind: "alive", from: "n1", to: "n2" }] }],
] as const)("takes no answer to %s that is not whole: %j", (path, answer) => {
  expect(PEER_REQUESTS[path].answer.safeParse(answer).success).toBe(false);
});
