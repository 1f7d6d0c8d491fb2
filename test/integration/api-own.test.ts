import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkEventView, type EventView } from "../../shared/log/event.js";
import { eventually } from "../support/eventually.js";
import { call, openNodes, postJson, postText, readLog, type TestNodes, uniqueSource } from "./api-support.js";

let nodes: TestNodes;
beforeAll(async () => {
  nodes = await openNodes();
});
afterAll(() => nodes?.stop());

const onEachNode = (name: string, run: (url: string) => Promise<void>): void => {
  it.each([0, 1, 2])(`${name} (node %i)`, (i) => run(nodes.urls[i] as string));
};
const event = (sourceAppId: string, dataPayload: object = {}) => ({ eventType: "T", sourceAppId, dataPayload });

describe("writing", () => {
  onEachNode("is answered alike by the short way of single appends and by the app's route", async (url) => {
    const input = event(uniqueSource(), { n: 1 });
    const [straight, routed] = [
      await postJson(`${url}/api/v1/events`, input),
      // A query, even an empty one, takes the way through the app.
      await postJson(`${url}/api/v1/events?`, input),
    ];
    expect([straight.status, routed.status]).toEqual([201, 201]);
    const names = ({ headers }: { headers: Headers }) => [...headers.keys()].sort();
    expect(names(straight)).toEqual(names(routed));
    const differing = ["date", "etag", "location", "x-request-id", "content-length"];
    for (const name of names(straight))
      if (!differing.includes(name)) expect(straight.headers.get(name), name).toBe(routed.headers.get(name));
    expect(Object.keys(straight.body)).toEqual(Object.keys(routed.body));
    const refused = [
      await postText(`${url}/api/v1/events`, "{", { "X-Request-Id": "refused-straight" }),
      await postText(`${url}/api/v1/events?`, "{", { "X-Request-Id": "refused-straight" }),
    ];
    expect(refused[0]?.status).toBe(400);
    expect(refused[0]?.body).toEqual(refused[1]?.body);
  });

  onEachNode(
    "answers 201 with place, hash and who acknowledged; the event is there and both hashes hold",
    async (url) => {
      const { status, headers, body } = await postJson(
        `${url}/api/v1/events`,
        event(uniqueSource(), { n: 1.5, s: "é" }),
      );
      expect(status).toBe(201);
      expect(Object.keys(body).sort()).toEqual([
        "acknowledgedBy",
        "hash",
        "height",
        "id",
        "previousHash",
        "recordedAt",
        "sequence",
        "term",
      ]);
      expect(body.acknowledgedBy.length).toBeGreaterThanOrEqual(2);
      expect(headers.get("location")).toBe(`/api/v1/events/${body.sequence}`);
      expect(headers.get("etag")).toBe(`"${body.hash}"`);
      const read = await call(url + headers.get("location"));
      expect(read.body).toMatchObject({ sequence: body.sequence, hash: body.hash, dataPayload: { n: 1.5, s: "é" } });
      expect(checkEventView(read.body as EventView)).toBeNull();
      expect(read.headers.get("cache-control")).toBe("private, no-cache");
      const unchanged = await call(url + headers.get("location"), { headers: { "If-None-Match": `"${body.hash}"` } });
      expect(unchanged).toMatchObject({ status: 304, body: "" });
    },
  );

  onEachNode("writes a batch all or nothing, in one block, in the order sent", async (url) => {
    const source = uniqueSource();
    const events = Array.from({ length: 5 }, (_, i) => event(source, { i }));
    const { status, body } = await postJson(`${url}/api/v1/events:batch`, { events });
    expect(status).toBe(201);
    const [first] = body.events;
    expect(body.events.map((e: { sequence: number }) => e.sequence - first.sequence)).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(body.events.map((e: { height: number }) => e.height)).size).toBe(1);
    const bad = await postJson(`${url}/api/v1/events:batch`, { events: [...events, { eventType: "T" }] });
    expect(bad.status).toBe(422);
    expect(bad.body.errors[0].pointer).toBe("#/events/5/sourceAppId");
    const stored = await readLog(url, `&sourceAppId=${source}`);
    expect(stored.map((e) => (e.dataPayload as { i: number }).i)).toEqual([0, 1, 2, 3, 4]);
    expect(stored.map((e) => e.batch)).toEqual([0, 1, 2, 3, 4].map((i) => [i, 5]));
  });

  onEachNode("takes 1,000 events in a batch and refuses 1,001 with 413", async (url) => {
    const source = uniqueSource();
    const batch = (count: number) => ({ events: Array.from({ length: count }, () => event(source)) });
    expect((await postJson(`${url}/api/v1/events:batch`, batch(1_001))).status).toBe(413);
    expect((await postJson(`${url}/api/v1/events:batch`, batch(1_000))).status).toBe(201);
    const all = await readLog(url, `&sourceAppId=${source}`);
    expect(all).toHaveLength(1_000);
    // The reference APIs' long pages are read and sent in parts; nobody sees where they join.
    for (const [query, expected] of [
      ["limit=1000", all],
      ["limit=300&page=3", all.slice(600, 900)],
      ["limit=250&page=1&order=desc", all.toReversed().slice(0, 250)],
    ] as const) {
      const { body } = await call(`${url}/api/event-logs?sourceAppId=${source}&${query}`);
      expect(body.total).toBe(1_000);
      expect(body.data.map((e: { hash: string }) => e.hash)).toEqual(expected.map((e) => e.hash));
    }
    const from = (all[0]?.sequence as number) / 1_000;
    const { body: b } = await call(`${url}/events?limit=1000&page=${Math.floor(from) + 1}`);
    expect(new Set(b.map((e: { _id: string }) => e._id)).size).toBe(b.length);
  });

  onEachNode("answers an Idempotency-Key's second request with the first one's event, through any API", async (url) => {
    const source = uniqueSource();
    const key = { "Idempotency-Key": '"key \\"1\\""' };
    const first = await postJson(`${url}/api/v1/events`, event(source), key);
    expect(first.status).toBe(201);
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    for (const other of nodes.urls) {
      const again = await postJson(`${other}/api/v1/events`, event(source), { "Idempotency-Key": 'key "1"' });
      expect(again.status).toBe(201);
      expect(again.headers.get("idempotent-replayed")).toBe("true");
      expect(again.body).toMatchObject({ sequence: first.body.sequence, hash: first.body.hash, id: first.body.id });
      const a = await postJson(`${other}/api/event-logs`, event(source), key);
      expect(a.body._id).toBe(first.body.id);
    }
    expect(await readLog(url, `&sourceAppId=${source}`)).toHaveLength(1);
  });

  onEachNode("stores concurrent duplicates of one key once", async (url) => {
    const source = uniqueSource();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        postJson(`${nodes.urls[i % nodes.urls.length] ?? url}/api/v1/events`, event(source), {
          "Idempotency-Key": "same",
        }),
      ),
    );
    for (const { status } of answers) expect([201, 409]).toContain(status);
    expect(new Set(answers.filter((a) => a.status === 201).map((a) => a.body.id)).size).toBe(1);
    expect(await readLog(url, `&sourceAppId=${source}`)).toHaveLength(1);
  });

  onEachNode("refuses keys that are no keys, on batches too, and writes nothing", async (url) => {
    const source = uniqueSource();
    for (const key of ["", "x".repeat(256), '"open', "tab\there", "caf\u00e9"]) {
      const { status, body } = await postJson(`${url}/api/v1/events`, event(source), { "Idempotency-Key": key });
      expect([key, status, body.code]).toEqual([key, 400, "invalid_header"]);
      const batch = await postJson(
        `${url}/api/v1/events:batch`,
        { events: [event(source)] },
        { "Idempotency-Key": key },
      );
      expect([key, batch.status, batch.body.code]).toEqual([key, 400, "invalid_header"]);
    }
    expect((await postJson(`${url}/events`, event(source), { "Idempotency-Key": "x".repeat(255) })).status).toBe(201);
    expect(await readLog(url, `&sourceAppId=${source}`)).toHaveLength(1);
  });
});

describe("reading", () => {
  onEachNode("lists by cursor both ways, in both orders, without a gap or a double", async (url) => {
    const source = uniqueSource();
    await postJson(`${url}/api/v1/events:batch`, { events: Array.from({ length: 7 }, (_, i) => event(source, { i })) });
    const places = (body: { events: { dataPayload: { i: number } }[] }) => body.events.map((e) => e.dataPayload.i);
    for (const order of ["asc", "desc"]) {
      const expected = order === "asc" ? [0, 1, 2, 3, 4, 5, 6] : [6, 5, 4, 3, 2, 1, 0];
      const seen: number[] = [];
      let path: string | undefined = `/api/v1/events?sourceAppId=${source}&order=${order}&limit=3`;
      let last = "";
      while (path !== undefined) {
        last = path;
        const { headers, body } = await call(url + path);
        seen.push(...places(body));
        path = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
      }
      expect(seen).toEqual(expected);
      const back = await call(url + last);
      const previous = /<([^>]+)>; rel="prev"/.exec(back.headers.get("link") ?? "")?.[1] as string;
      expect(places((await call(url + previous)).body)).toEqual(expected.slice(3, 6));
    }
  });

  it("ends a page early where it would grow too large, and loses nothing", async () => {
    const url = nodes.urls[1] as string;
    const source = uniqueSource();
    const events = Array.from({ length: 35 }, () => event(source, { text: "x".repeat(100_000) }));
    for (let batch = 0; batch < 4; batch++)
      expect((await postJson(`${url}/api/v1/events:batch`, { events })).status).toBe(201);
    const first = await call(`${url}/api/v1/events?sourceAppId=${source}&limit=500`);
    expect(first.body.events.length).toBeLessThan(140);
    expect(first.body.next).toBeDefined();
    expect(await readLog(url, `&sourceAppId=${source}`)).toHaveLength(140);
    const a = await call(`${url}/api/event-logs?sourceAppId=${source}&limit=1000`);
    expect(a.body.data).toHaveLength(140);
    expect(a.headers.get("content-length")).toBeNull();
  });

  onEachNode("counts events over time as a scan does, with the list's filters", async (url) => {
    const source = uniqueSource();
    for (let i = 0; i < 3; i++) {
      const events = Array.from({ length: 3 + i }, (_, n) => ({
        ...event(source),
        eventType: n === 0 ? "T.x" : "T.y",
      }));
      expect((await postJson(`${url}/api/v1/events:batch`, { events })).status).toBe(201);
    }
    type Bucket = { since: string; until: string; count: number };
    for (const query of [`sourceAppId=${source}`, `sourceAppId=${source}&eventType=T.y`, "eventType=T.*", ""]) {
      const { status, body } = await call(`${url}/api/v1/events/histogram?buckets=7&${query}`);
      expect(status).toBe(200);
      const { since, until, total, buckets } = body as {
        since: string;
        until: string;
        total: number;
        buckets: Bucket[];
      };
      const scanned = await readLog(url, `&${query}&since=${since}&until=${until}`);
      const dueIn = (bucket: Bucket): number =>
        scanned.filter(({ recordedAt }) => String(recordedAt) >= bucket.since && String(recordedAt) < bucket.until)
          .length;
      expect(buckets.map(({ count }) => count)).toEqual(buckets.map(dueIn));
      expect(total).toBe(scanned.length);
      expect([buckets[0]?.since, buckets.at(-1)?.until]).toEqual([since, until]);
    }
    expect((await call(`${url}/api/v1/events/histogram?sourceAppId=${source}`)).body.total).toBe(12);
    for (const query of ["buckets=201", "buckets=0", "order=asc", "since=yesterday", "payload.secret=1"])
      expect([query, (await call(`${url}/api/v1/events/histogram?${query}`)).status]).toEqual([query, 400]);
  });

  onEachNode("reads by recordedAt, since inclusive and until exclusive", async (url) => {
    const source = uniqueSource();
    const { body } = await postJson(`${url}/api/v1/events`, event(source));
    const count = async (query: string) => (await readLog(url, `&sourceAppId=${source}&${query}`)).length;
    expect(await count(`since=${body.recordedAt}`)).toBe(1);
    expect(await count(`until=${body.recordedAt}`)).toBe(0);
    expect(await count(`since=${new Date(Date.parse(body.recordedAt) + 1).toISOString()}`)).toBe(0);
  });

  onEachNode("refuses unknown parameters, bad cursors and limits above 500", async (url) => {
    for (const query of [
      "colour=red",
      "limit=501",
      "limit=0",
      "after=x",
      "after=czEuMQ&before=czEuMQ",
      "since=2026-01-01",
      "since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z",
      "order=random",
    ]) {
      const { status, body } = await call(`${url}/api/v1/events?${query}`);
      expect([query, status, body.code]).toEqual([query, 400, "invalid_parameter"]);
    }
    expect((await call(`${url}/api/v1/events?limit=500`)).status).toBe(200);
  });

  onEachNode("says 404 for events that are not there", async (url) => {
    for (const place of ["999999999", "-1", "1.5", "abc", "007", "99999999999999999999", "%2e%2e%2fetc"])
      expect([place, (await call(`${url}/api/v1/events/${place}`)).status]).toEqual([place, 404]);
  });

  onEachNode("shows each node's copy of an event", async (url) => {
    const { body } = await postJson(`${url}/api/v1/events`, event(uniqueSource()));
    const isShown = async (): Promise<boolean> => {
      const copies = await call(`${url}/api/v1/events/${body.sequence}/nodes`);
      expect(copies.body.nodes).toHaveLength(nodes.urls.length);
      const hashes = copies.body.nodes.flatMap(({ hash }: { hash: string | null }) => (hash === null ? [] : [hash]));
      expect(new Set(hashes)).toEqual(new Set([body.hash]));
      return hashes.length >= 2;
    };
    // Followers hear of the commit a moment after the client does.
    await eventually(isShown, 30_000, "a majority shows the event");
  });
});

describe("every answer", () => {
  onEachNode("names its node, the leader, the term and the request", async (url) => {
    const answers = [
      await call(`${url}/api/v1/events`, { headers: { "X-Request-Id": "my-request_1" } }),
      await call(`${url}/nowhere`, { headers: { "X-Request-Id": "my-request_1" } }),
      await postJson(`${url}/events`, event(uniqueSource()), { "X-Request-Id": "my-request_1" }),
    ];
    for (const { headers } of answers) {
      expect(headers.get("x-request-id")).toBe("my-request_1");
      expect(headers.get("x-served-by")).toMatch(/\S/);
      expect(headers.get("x-leader")).toMatch(/\S/);
      expect(Number(headers.get("x-term"))).toBeGreaterThanOrEqual(1);
    }
    const made = await call(`${url}/livez`, { headers: { "X-Request-Id": "bad id!" } });
    expect(made.headers.get("x-request-id")).toMatch(/^[\w-]{8,128}$/);
  });

  onEachNode("with a problem leads to a page about it", async (url) => {
    const { status, body } = await call(`${url}/nowhere`);
    expect(status).toBe(404);
    const page = await call(body.type, { headers: { Accept: "text/html" } });
    expect(page.status).toBe(200);
    expect(page.body).toContain(body.title);
    expect(page.body).not.toContain("<script");
    expect((await call(body.type)).body).toMatchObject({ code: "not_found", status: 404 });
    for (const name of ["__proto__", "constructor", "%3Cb%3E"])
      expect((await call(`${url}/problems/${name}`)).status).toBe(404);
  });

  onEachNode("is what the routes promise: home, health, cluster, alerts", async (url) => {
    const html = await call(`${url}/`, { headers: { Accept: "text/html,*/*;q=0.8" } });
    expect(html.headers.get("content-type")).toContain("text/html");
    const { apis } = (await call(`${url}/`)).body;
    expect(apis).toHaveLength(3);
    for (const path of ["/api/event-logs", "/events", "/api/v1/events"]) expect(JSON.stringify(apis)).toContain(path);
    expect((await call(`${url}/livez`)).status).toBe(200);
    await eventually(async () => (await call(`${url}/readyz`)).status === 200, 30_000, "it is ready");
    expect((await call(`${url}/readyz?verbose`)).body).toContain("[+]mongodb ok");
    expect((await call(`${url}/api/v1/cluster`)).body.state).toBeDefined();
    expect((await call(`${url}/api/v1/alerts`)).body.alerts).toBeInstanceOf(Array);
    expect((await call(`${url}/api/v1/cluster`, { method: "DELETE" })).body.code).toBe("method_not_allowed");
    const isOne = async (): Promise<boolean> => {
      const asked = nodes.urls.map((node) => call(`${node}/readyz?role=leader`));
      return (await Promise.all(asked)).filter(({ status }) => status === 200).length === 1;
    };
    await eventually(isOne, 30_000, "one node leads");
    expect((await postText(`${url}/api/v1/cluster/admit`, "{}")).body.errors).toHaveLength(3);
  });

  onEachNode("is described, too, where it is the description, its page, or a file of the dashboard", async (url) => {
    expect((await call(`${url}/openapi.json`)).body.openapi).toMatch(/^3\.1\./);
    // Followed, it would be the answer of another route.
    const docs = await call(`${url}/docs`, { redirect: "manual" });
    expect([docs.status, docs.headers.get("location")]).toEqual([302, "./#/docs"]);
    const html = String((await call(`${url}/`, { headers: { Accept: "text/html" } })).body);
    const files = [...html.matchAll(/assets\/[\w.-]+/g)];
    expect(files.length).toBeGreaterThan(0);
    for (const [file] of files) expect((await call(`${url}/${file}`)).status).toBe(200);
    expect((await call(`${url}/assets/none.js`)).status).toBe(404);
  });
});
