import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, openNodes, postJson, type TestNodes, uniqueSource } from "./api-support.js";

let nodes: TestNodes;
beforeAll(async () => {
  nodes = await openNodes();
});
afterAll(() => nodes?.stop());

const HASH = /^[0-9a-f]{64}$/;
/** Each test runs on each node: followers answer as the leader does. */
const onEachNode = (name: string, run: (url: string) => Promise<void>): void => {
  it.each([0, 1, 2])(`${name} (node %i)`, (i) => run(nodes.urls[i] as string));
};

describe("reference API A", () => {
  onEachNode("logs an event and answers with it, hash-chained", async (url) => {
    const sourceAppId = uniqueSource();
    const sent = {
      eventType: "ERROR",
      timestamp: "2026-05-01T12:00:00+02:00",
      sourceAppId,
      dataPayload: { b: [1], a: {} },
    };
    const { status, body } = await postJson(`${url}/api/event-logs`, sent);
    expect(status).toBe(201);
    expect(Object.keys(body)).toEqual([
      "_id",
      "eventType",
      "timestamp",
      "sourceAppId",
      "dataPayload",
      "previousHash",
      "hash",
      "sequence",
    ]);
    expect(body).toMatchObject(sent);
    expect(body._id).toMatch(/^[0-9a-f]{24}$/);
    expect(body.hash).toMatch(HASH);
    for (const other of nodes.urls) {
      const read = await call(`${other}/api/event-logs?sourceAppId=${sourceAppId}`);
      expect(read.body.data.length).toBeLessThanOrEqual(1);
    }
    // The node that acknowledged shows it at once.
    const read = await call(`${url}/api/event-logs?sourceAppId=${sourceAppId}`);
    expect(read.body).toEqual({ data: [body], page: 1, limit: 10, total: 1, totalPages: 1 });
    expect(Number(read.headers.get("x-log-size"))).toBeGreaterThan(body.sequence);
  });

  onEachNode("fills the timestamp in, and takes a condition on the head", async (url) => {
    const event = { eventType: "INFO", sourceAppId: uniqueSource(), dataPayload: {} };
    const first = await postJson(`${url}/api/event-logs`, event);
    expect(Math.abs(Date.parse(first.body.timestamp) - Date.now())).toBeLessThan(60_000);
    const second = await postJson(`${url}/api/event-logs`, { ...event, previousHash: first.body.hash });
    expect(second.status).toBe(201);
    expect(second.body.previousHash).toBe(first.body.hash);
    const stale = await postJson(`${url}/api/event-logs`, { ...event, previousHash: first.body.hash });
    expect(stale).toMatchObject({ status: 409, body: { code: "hash_chain_conflict" } });
    const read = await call(`${url}/api/event-logs?sourceAppId=${event.sourceAppId}`);
    expect(read.body.total).toBe(2);
  });

  onEachNode("tells all invalid and missing fields with 400", async (url) => {
    const { status, headers, body } = await postJson(`${url}/api/event-logs`, {
      eventType: 1,
      timestamp: "x",
      colour: "red",
    });
    expect(status).toBe(400);
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(body.errors.map((error: { pointer: string }) => error.pointer).sort()).toEqual([
      "#/colour",
      "#/dataPayload",
      "#/eventType",
      "#/sourceAppId",
      "#/timestamp",
    ]);
    expect(body.message).toBe(body.detail);
    expect(body.error).toBe(body.title);
    expect(body.detail).toContain("sourceAppId: is required");
    expect(JSON.stringify(body)).not.toMatch(/\.[jt]s:\d+/);
  });

  onEachNode("filters by type, source and time, inclusive at both ends, and pages", async (url) => {
    const sourceAppId = uniqueSource();
    const stamps = [
      "2026-03-01T00:00:00Z",
      "2026-03-01T23:59:59.999Z",
      "2026-03-02T00:00:00Z",
      "2026-03-02T02:00:00+02:00",
      "2026-03-03T10:00:00",
    ];
    for (const [i, timestamp] of stamps.entries())
      await postJson(`${url}/api/event-logs`, {
        eventType: i % 2 === 0 ? "EVEN" : "ODD",
        timestamp,
        sourceAppId,
        dataPayload: { i },
      });
    const found = async (query: string): Promise<number[]> => {
      const { status, body } = await call(`${url}/api/event-logs?sourceAppId=${sourceAppId}&${query}`);
      expect(status).toBe(200);
      return body.data.map((event: { dataPayload: { i: number } }) => event.dataPayload.i);
    };
    expect(await found("")).toEqual([0, 1, 2, 3, 4]);
    expect(await found("order=desc")).toEqual([4, 3, 2, 1, 0]);
    expect(await found("eventType=ODD")).toEqual([1, 3]);
    expect(await found("startDate=2026-03-01&endDate=2026-03-01")).toEqual([0, 1]);
    expect(await found("startDate=2026-03-02T00:00:00Z&endDate=2026-03-02T00:00:00Z")).toEqual([2, 3]);
    expect(await found("startDate=2026-03-02T02:00:00+02:00&endDate=2026-03-02")).toEqual([2, 3]);
    expect(await found("startDate=2026-03-03T10:00:00")).toEqual([4]);
    expect(await found("page=2&limit=2")).toEqual([2, 3]);
    expect(await found("page=4&limit=2&unknown=ignored")).toEqual([]);
    const { body } = await call(`${url}/api/event-logs?sourceAppId=${sourceAppId}&limit=2&page=3`);
    expect(body).toMatchObject({ page: 3, limit: 2, total: 5, totalPages: 3 });
  });

  onEachNode("pages the whole log in order without filters", async (url) => {
    const { body } = await call(`${url}/api/event-logs?limit=1000`);
    const sequences = body.data.map((event: { sequence: number }) => event.sequence);
    expect(sequences).toEqual(sequences.map((_: number, i: number) => i));
    for (let i = 1; i < body.data.length; i++) expect(body.data[i].previousHash).toBe(body.data[i - 1].hash);
    expect(body.data[0].previousHash).toBe("");
    const last = await call(`${url}/api/event-logs?limit=1&order=desc`);
    expect(last.body.data[0].sequence).toBe(last.body.total - 1);
    const second = await call(`${url}/api/event-logs?limit=1&page=2`);
    expect(second.body.data).toEqual([body.data[1]]);
  });

  onEachNode("refuses wrong queries with 400 and names every parameter", async (url) => {
    const wrong = [
      "page=0",
      "page=-1",
      "page=1.5",
      "page=x",
      "page=",
      "limit=0",
      "limit=1001",
      "order=up",
      "startDate=x",
      "endDate=2026-02-30",
      "startDate=2026-05-02&endDate=2026-05-01",
      "page=1&page=2",
      "eventType=",
      "sourceAppId=a%00b",
      `eventType=${"x".repeat(257)}`,
    ];
    for (const query of wrong) {
      const { status, body } = await call(`${url}/api/event-logs?${query}`);
      expect([query, status, body.code]).toEqual([query, 400, "invalid_parameter"]);
    }
    const { body } = await call(`${url}/api/event-logs?page=0&limit=0&endDate=x`);
    expect(body.errors).toHaveLength(3);
    expect((await call(`${url}/api/event-logs?limit=1000`)).status).toBe(200);
  });
});

describe("reference API B", () => {
  onEachNode("logs an event and answers with its document's words and shape", async (url) => {
    const sourceAppId = uniqueSource();
    const { status, body } = await postJson(`${url}/events`, {
      eventType: "Login",
      sourceAppId,
      dataPayload: { user: "u" },
    });
    expect(status).toBe(201);
    expect(Object.keys(body)).toEqual(["message", "event"]);
    expect(body.message).toBe("Event logged successfully");
    expect(Object.keys(body.event)).toEqual([
      "_id",
      "eventType",
      "sourceAppId",
      "dataPayload",
      "timestamp",
      "previousHash",
      "currentHash",
    ]);
    expect(body.event.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body.event.currentHash).toMatch(HASH);
    const { body: a } = await call(`${url}/api/event-logs?sourceAppId=${sourceAppId}`);
    expect(a.data[0]).toMatchObject({ _id: body.event._id, hash: body.event.currentHash });
  });

  onEachNode("shows timestamps in UTC with milliseconds, however they came", async (url) => {
    const sourceAppId = uniqueSource();
    const timestamp = "2024-11-22T10:02:05.3914+01:30";
    await postJson(`${url}/api/event-logs`, { eventType: "A", sourceAppId, timestamp, dataPayload: {} });
    const { body: posted } = await postJson(`${url}/events`, {
      eventType: "B",
      sourceAppId,
      timestamp,
      dataPayload: {},
    });
    expect(posted.event.timestamp).toBe("2024-11-22T08:32:05.391Z");
    const total = (await call(`${url}/api/event-logs?limit=1`)).body.total;
    const { body } = await call(`${url}/events?limit=1000&page=${Math.ceil(total / 1000)}`);
    const mine = body.filter((event: { sourceAppId: string }) => event.sourceAppId === sourceAppId);
    expect(mine.map((event: { timestamp: string }) => event.timestamp)).toContain("2024-11-22T08:32:05.391Z");
  });

  onEachNode("lists a bare array, oldest first, 100 unless told otherwise", async (url) => {
    const { body } = await call(`${url}/events`);
    expect(Array.isArray(body)).toBe(true);
    expect(body.length).toBeLessThanOrEqual(100);
    expect(body[0].previousHash).toBe("");
    const page = await call(`${url}/events?page=2&limit=1`);
    expect(page.body).toEqual([body[1]]);
    for (const query of ["page=0", "limit=1001", "limit=x"])
      expect((await call(`${url}/events?${query}`)).status).toBe(400);
  });

  onEachNode("refuses unknown and missing fields with 400", async (url) => {
    const { status, body } = await postJson(`${url}/events`, { eventType: "X", previousHash: "", dataPayload: {} });
    expect(status).toBe(400);
    expect(body.errors).toHaveLength(2);
  });
});

describe("all three APIs", () => {
  onEachNode("refuse every change of an event with 405", async (url) => {
    const paths = [
      "/api/event-logs",
      "/api/event-logs/1",
      "/api/event-logs/stream",
      "/events",
      "/events/64fdc8e5a835b1c4d6c5693f",
      "/api/v1/events",
      "/api/v1/events/0",
      "/api/v1/events/0/nodes",
    ];
    for (const path of paths)
      for (const method of ["PUT", "PATCH", "DELETE"]) {
        const { status, headers, body } = await call(url + path, { method });
        expect([path, method, status, body.code]).toEqual([path, method, 405, "append_only"]);
        expect(headers.get("allow")).toContain("GET");
      }
  });
});
