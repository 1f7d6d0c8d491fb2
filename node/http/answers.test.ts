import { afterEach, beforeEach, expect, it } from "vitest";
import { type Door, get, openDoor, post, type RawSocket } from "../../test/doubles/door.js";
import { ProblemError } from "../problems.js";
import { type AlertRecord, StoreError } from "../storage/port.js";

let door: Door;
beforeEach(async () => {
  door = await openDoor();
});
afterEach(() => door.close());

async function answerTo(text: string): Promise<RawSocket> {
  const client = door.open().send(text);
  await expect.poll(() => client.statuses.length).toBe(1);
  return client;
}

it("an event's copies are denied only once the leader has confirmed that the log is shorter", async () => {
  door.log.store();
  const notConfirmed = new ProblemError("no_quorum", "no leader confirms");
  door.log.readable = async (condition) => {
    if (condition?.isLinearizable === true) throw notConfirmed;
  };
  const path = "/api/v1/events/1/nodes";
  expect((await answerTo(get(path))).problem).toMatchObject({ status: 503, code: "no_quorum" });
  door.log.readable = async () => {};
  const absent = await answerTo(get(path));
  expect(absent.problem).toMatchObject({
    status: 404,
    detail: 'There is no event "1": the log has the sequences 0 to 0.',
  });
});

it("an event is denied with the log's size as it was confirmed", async () => {
  door.log.store();
  // The leader confirms one more event than this node had when the read began.
  door.log.get = async () => {
    door.log.store();
    return null;
  };
  const { problem } = await answerTo(get("/api/v1/events/7"));
  expect(problem.detail).toBe('There is no event "7": the log has the sequences 0 to 1.');
});

it("a failed read of the database is not called a database that does not answer", async () => {
  door.log.readable = async () => {
    throw new StoreError("conflict", "another process changed the state");
  };
  const { problem } = await answerTo(get("/api/v1/events/0"));
  expect(problem).toMatchObject({
    code: "not_ready",
    detail: expect.stringMatching(/^This node could not read its database/),
  });
});

it("that nobody leads is not said where only no leader is known", async () => {
  door.log.leaderId = null;
  const { answer } = await answerTo(get("/readyz?verbose&role=leader"));
  expect(answer).toMatch(/role failed: no leader is known/);
});

it("a block is denied only once the leader has confirmed that the log ends below it", async () => {
  door.log.block = async () => null;
  door.log.readable = async (condition) => {
    if (condition?.isLinearizable === true) throw new ProblemError("no_quorum", "no leader confirms");
  };
  const path = "/api/v1/blocks/7";
  expect((await answerTo(get(path))).problem).toMatchObject({ status: 503, code: "no_quorum" });
  door.log.readable = async () => {};
  expect((await answerTo(get(path))).problem).toMatchObject({
    status: 404,
    detail: 'There is no block "7": the log ends below it.',
  });
  // What is no height stands nowhere, whatever any leader says.
  door.log.readable = async () => {
    throw new ProblemError("no_quorum", "no leader confirms");
  };
  for (const height of ["0", "-1", "x", "1.5"])
    expect((await answerTo(get(`/api/v1/blocks/${height}`))).problem).toMatchObject({ status: 404 });
});

it("answers that are always the same share their bytes, however many clients take their time", async () => {
  const sent: unknown[] = [];
  door.server.prependListener("request", (_req, res) => {
    const end = res.end.bind(res) as (...args: unknown[]) => typeof res;
    res.end = ((...args: unknown[]) => {
      sent.push(args[0]);
      return end(...args);
    }) as typeof res.end;
  });
  for (let i = 0; i < 2; i++) await answerTo(get("/openapi.json"));
  expect(sent[0]).toBeInstanceOf(Buffer);
  expect(sent[1]).toBe(sent[0]);
});

const ALERT: AlertRecord = {
  ...{ id: "0".repeat(24), kind: "missing", severity: "critical", node: "n1", accused: "n1", detail: "d" },
  ...{ openedAt: "2026-05-01T12:00:00.000Z", lastSeenAt: "2026-05-01T12:00:00.000Z", occurrences: 1, status: "open" },
};
const decision = (ifMatch: string): string =>
  post('{"actor":"a","reason":"r"}', `If-Match: ${ifMatch}\r\n`, `/api/v1/alerts/${ALERT.id}/dismiss`);

it("of an ETag that is none nothing is said but that; of another one no more than that it is another", async () => {
  let asked = 0;
  door.log.alerts.decide = async () => {
    asked++;
    return { kind: "stale", alert: ALERT };
  };
  for (const etag of ["*", '"x"', `W/"${"a".repeat(64)}"`, `"${"a".repeat(64)}", "${"b".repeat(64)}"`]) {
    const { problem } = await answerTo(decision(etag));
    expect([etag, problem]).toMatchObject([etag, { status: 400, code: "invalid_header" }]);
  }
  expect(asked).toBe(0);
  const { problem } = await answerTo(decision(`"${"a".repeat(64)}"`));
  expect(problem).toMatchObject({ status: 412, code: "stale_alert", alert: ALERT });
  expect(problem.detail).toBe("Nothing was decided: its ETag is another one now; the alert is open.");
});

it("the answer to a decision leaves out differences that are long, and says what was decided in any case", async () => {
  const stored = "x".repeat(80_000);
  const alert: AlertRecord = { ...ALERT, status: "repairing", differences: [{ height: 1, field: "a", stored }] };
  for (const [kind, status] of [
    ["taken", 202],
    ["stale", 412],
  ] as const) {
    door.log.alerts.decide = async () => ({ kind, alert });
    const client = await answerTo(decision(`"${"a".repeat(64)}"`));
    expect(client.statuses).toEqual([status]);
    const told = (kind === "taken" ? client.problem : client.problem.alert) as AlertRecord;
    expect([told.id, told.status, told.differences]).toEqual([ALERT.id, "repairing", undefined]);
  }
});

it.each([
  ["a HEAD", "HEAD", "1.1"],
  ["HTTP/1.0", "GET", "1.0"],
  ["a GET", "GET", "1.1"],
])(
  "a list of several parts is answered to %s on both reference APIs, and the node goes on",
  async (_, method, version) => {
    for (let i = 0; i < 250; i++) door.log.store();
    const page = door.log.page.bind(door.log);
    door.log.page = (request) => page({ ...request, limit: Math.min(100, request.limit) });
    for (const path of ["/events?limit=1000", "/api/event-logs?limit=1000"]) {
      const client = door.open().send(`${method} ${path} HTTP/${version}\r\nHost: localhost\r\n\r\n`);
      await expect.poll(() => client.statuses.length, { timeout: 10_000 }).toBe(1);
      expect(client.statuses).toEqual([200]);
    }
    expect((await answerTo(get("/livez"))).statuses).toEqual([200]);
  },
);
