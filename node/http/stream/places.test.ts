import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Door, get, openDoor, SSE, WEB_SOCKET } from "../../../test/doubles/door.js";
import { ProblemError } from "../../problems.js";

let door: Door;
beforeEach(async () => {
  door = await openDoor();
});
afterEach(() => door.close());

const PATHS = ["/api/event-logs/stream", "/api/v1/stream"];

describe("HEAD of a stream", () => {
  it.each(PATHS)("is answered with the headers at once, and takes no place: %s", async (path) => {
    const head = (query = "", headers = SSE): string => get(path + query, headers).replace("GET", "HEAD");
    const client = door.open().send(head()).send(head("?after=5")).send(head("", ""));
    await expect.poll(() => client.statuses).toEqual([200, 200, 426]);
    expect(client.answer).toContain("Content-Type: text/event-stream");
    expect(client.answer).not.toContain("retry:");
    expect(door.streams.clientCount).toBe(0);
  });
});

describe("a node that is stopping", () => {
  it.each([SSE, WEB_SOCKET])("says so to who asks for a stream, and to ask again: %s", async (headers) => {
    await door.streams.close();
    for (const path of ["/api/event-logs/stream", "/api/v1/stream"]) {
      const client = door.open().send(get(path, headers));
      await expect.poll(() => client.statuses).toEqual([503]);
      await expect.poll(() => client.answer).toContain('"detail":"This node is stopping. Try another."');
      expect(client.problem).toMatchObject({ code: "not_ready", retryable: true });
    }
  });
});

describe("a place of a stream", () => {
  it.each([
    ["/api/v1/stream?after=0", SSE],
    ["/api/v1/stream?after=0", WEB_SOCKET],
    ["/api/event-logs/stream", `${SSE}Last-Event-ID: 0\r\n`],
    ["/api/event-logs/stream", WEB_SOCKET],
    ["/", WEB_SOCKET],
  ])("is not taken by a client that left while it waited: %s %s", async (path, headers) => {
    let go = (): void => {};
    door.log.readable = () =>
      new Promise((resolve) => {
        go = resolve;
      });
    for (const leave of ["destroy", "resetAndDestroy", "end"] as const) {
      const client = door.open().send(get(path, headers));
      await sleep(50);
      client.socket[leave]();
      await sleep(50);
      go();
      await sleep(20);
      door.log.store();
      await sleep(100);
      expect([leave, door.streams.clientCount]).toEqual([leave, 0]);
      expect(door.streams.taken).toBe(0);
    }
  });

  it("is given back by a client that left while it waited for the event after which it goes on", async () => {
    for (let i = 0; i < 3; i++) {
      const size = door.log.logSize;
      const clients = [SSE, WEB_SOCKET].map((headers) =>
        door.open().send(get(`/api/v1/stream?after=${size}`, headers)),
      );
      await sleep(100);
      for (const { socket } of clients) socket.destroy();
      await sleep(20);
      door.log.store();
      await sleep(100);
      expect([door.streams.clientCount, door.streams.taken]).toEqual([0, 0]);
    }
  });

  it("is given back by every stream of a connection that is gone, also by those that never came to be answered", async () => {
    const client = door.open().send(PATHS.map((path) => get(path, SSE)).join("") + get("/api/v1/stream?after=-1", SSE));
    await expect.poll(() => door.streams.taken).toBe(3);
    client.socket.destroy();
    await expect.poll(() => door.streams.taken).toBe(0);
  });

  it("is taken by a client that stays", async () => {
    const waiting = [SSE, WEB_SOCKET].map((headers) => door.open().send(get("/api/v1/stream?after=0", headers)));
    await sleep(100);
    door.log.store();
    door.log.store();
    await expect.poll(() => waiting.every(({ answer }) => /"sequence":1\D/.test(answer))).toBe(true);
    expect(door.streams.taken).toBe(2);
  });
});

describe("a place beyond this node's log", () => {
  const statusOf = async (headers: string): Promise<number | undefined> => {
    const client = door.open().send(get("/api/v1/stream?after=7", headers));
    await expect.poll(() => client.statuses.length).toBe(1);
    return client.statuses[0];
  };

  it("is said to be none only once the leader has confirmed how long the log is", async () => {
    expect(await Promise.all([SSE, WEB_SOCKET].map(statusOf))).toEqual([400, 400]);
    const noLeader = new ProblemError("no_quorum", "No leader confirms how far the log goes.");
    door.log.readable = () => Promise.reject(noLeader);
    expect(await Promise.all([SSE, WEB_SOCKET].map(statusOf))).toEqual([503, 503]);
  });
});

describe("what a client asks of a stream", () => {
  const shows = async (path: string, headers: string, wanted: string[], unwanted: string[]): Promise<void> => {
    const client = door.open().send(get(path, headers));
    await expect.poll(() => wanted.every((text) => client.answer.includes(text))).toBe(true);
    for (const text of unwanted) expect([path, client.answer.includes(text)]).toEqual([path, false]);
  };
  beforeEach(() => {
    for (const [i, eventType] of ["first", "second", "third", "rare"].entries())
      door.log.store({ eventType, timestamp: `2026-05-0${i + 1}T12:00:00Z`, sourceAppId: `app${i % 2}` });
  });

  it.each([
    ["?lastEventId=1", ""],
    ["?after=1", ""],
    ["?last-event-id=1", ""],
    ["?Last-Event-ID=1", ""],
    ["", "Last-Event-ID: 1\r\n"],
    ["?after=0&lastEventId=1", ""],
    ["?lastEventId=0", "Last-Event-ID: 1\r\n"],
    ["?after=1&lastEventId=", ""],
  ])("is where it goes on, in each way that clients say it: %s %s", async (query, header) => {
    const wanted = ['"third"', '"rare"'];
    const unwanted = ['"first"', '"second"'];
    for (const path of PATHS)
      for (const how of [SSE, WEB_SOCKET]) await shows(path + query, how + header, wanted, unwanted);
    await shows(`/${query}`, WEB_SOCKET + header, wanted, unwanted);
  });

  it("is what it wants to see", async () => {
    for (const [path, how] of [
      ...PATHS.flatMap((p) => [
        [p, SSE],
        [p, WEB_SOCKET],
      ]),
      ["/", WEB_SOCKET],
    ] as [string, string][]) {
      await shows(`${path}?after=-1&eventType=third`, how, ['"third"'], ['"first"', '"rare"']);
      await shows(`${path}?after=-1&sourceAppId=app1`, how, ['"second"', '"rare"'], ['"first"', '"third"']);
    }
  });

  it("is a time on the stream of reference API A, for what was and for what comes", async () => {
    for (const how of [SSE, WEB_SOCKET]) {
      const client = door.open().send(get("/api/event-logs/stream?startDate=2027-01-01&endDate=2027-01-02", how));
      await expect.poll(() => client.statuses.length, { timeout: 15_000 }).toBe(1);
      door.log.store({ eventType: "early", timestamp: "2026-12-31T23:59:59.999Z" });
      door.log.store({ eventType: "within", timestamp: "2027-01-02T23:59:59.999Z" });
      door.log.store({ eventType: "late", timestamp: "2027-01-03T00:00:00Z" });
      door.log.store({ eventType: "unknown", timestamp: "2027-01-02T00:00:00Z" });
      await expect.poll(() => client.answer, { timeout: 15_000 }).toContain("unknown");
      expect(client.answer).toContain("within");
      expect(client.answer).not.toMatch(/early|late"/);
    }
  });

  it("is refused where it is wrong, and on our own stream also where it is unknown", async () => {
    const statusOf = async (path: string, how: string): Promise<number | undefined> => {
      const client = door.open().send(get(path, how));
      await expect.poll(() => client.statuses.length).toBe(1);
      return client.statuses[0];
    };
    for (const how of [SSE, WEB_SOCKET]) {
      expect(await statusOf("/api/v1/stream?colour=red", how)).toBe(400);
      expect(await statusOf("/api/event-logs/stream?colour=red", how)).toBe(how === SSE ? 200 : 101);
      for (const path of PATHS)
        for (const query of [
          "?after=x",
          "?lastEventId=-2",
          "?lastEventId=1&lastEventId=2",
          "?eventType=",
          "?after=1.5",
        ])
          expect([path + query, await statusOf(path + query, how)]).toEqual([path + query, 400]);
      expect(await statusOf("/api/event-logs/stream?startDate=tomorrow", how)).toBe(400);
    }
  });

  it("moves its place past what a filter leaves out, so that it never reads that again", async () => {
    const client = door.open().send(get("/api/event-logs/stream?after=-1&eventType=first", SSE));
    await expect.poll(() => client.answer).toContain("id: 0\n");
    for (let i = 0; i < 1_000; i++) door.log.store();
    await expect.poll(() => client.answer).toMatch(/id: 1\d\d\d\n\n/);
  });
});
