import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { openApiDocument } from "../../node/http/openapi/document.js";
import { readAnswers } from "./answers.js";
import { type Conversation, converse, makeConversation, type Outcome } from "./conversation.js";
import { judge } from "./judge.js";
import { ODD_PATHS, placesOf, readRequest } from "./others.js";
import { Random } from "./random.js";
import { type Request, WRITE_PATHS } from "./requests.js";

const ASKED = { authority: "127.0.0.1:3000", places: ODD_PATHS };

const PROBLEM = '{"status":400,"code":"malformed_json","detail":"no"}';
const answer = (status: number, body: string, headers = ""): string =>
  `HTTP/1.1 ${status} Any\r\n${headers}Content-Type: application/${status < 400 ? "json" : "problem+json"}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe("answers", () => {
  it("are told apart by their lengths, their chunks and their requests' methods", () => {
    const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    const text = `${answer(201, "{}")}HTTP/1.1 100 Continue\r\n\r\n${chunked}HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n${answer(400, PROBLEM)}`;
    const { answers, open, rest } = readAnswers(text, ["POST", "POST", "HEAD", "POST"]);
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [201, "{}"],
      [200, "abcde"],
      [200, ""],
      [400, PROBLEM],
    ]);
    expect([open, rest]).toEqual([null, ""]);
  });

  it("that have begun, and what is none, are kept apart", () => {
    expect(readAnswers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", ["GET"])).toMatchObject({
      answers: [],
      open: { status: 200 },
    });
    expect(readAnswers(`${answer(201, "{}")}xHTTP/1.1 400`, ["POST"]).rest).toBe("xHTTP/1.1 400");
    expect(readAnswers("HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00", ["GET"]).answers[0]?.isLast).toBe(true);
  });
});

const request = (meant: Request["meant"], source: string, events = 1): Request => {
  return { name: meant, meant, method: "POST", text: "x".repeat(10), source, events };
};
function outcome(requests: Request[], text: string, changes: Partial<Conversation> = {}, isLate = false): Outcome {
  const sentBytes = 10 * requests.length;
  const conversation: Conversation = { id: "c", requests, pieces: [], sentBytes, end: "answers", ...changes };
  const methods = requests.map(({ method }) => method);
  return { conversation, ...readAnswers(text, methods), isLate };
}
const found = (one: Outcome, stored: Record<string, number>): readonly string[] =>
  judge([one], new Map(Object.entries(stored))).anomalies;

describe("the judge", () => {
  const written = request("written", "a");
  it("has nothing against a log that holds what its clients were told", () => {
    expect(found(outcome([written], answer(201, "{}")), { a: 1 })).toEqual([]);
    expect(found(outcome([request("refused", "a")], answer(400, PROBLEM)), {})).toEqual([]);
    expect(found(outcome([written], answer(408, PROBLEM.replace("400", "408"))), {})).toEqual([]);
    expect(found(outcome([written], answer(408, PROBLEM.replace("400", "408"))), { a: 1 })).toHaveLength(1);
    const unknown = answer(504, PROBLEM.replace("400", "504"));
    for (const stored of [{}, { a: 1 }]) expect(found(outcome([written], unknown), stored)).toEqual([]);
    const inProgress = answer(409, '{"status":409,"code":"in_progress","detail":"wait"}');
    for (const stored of [{}, { a: 1 }])
      expect(found(outcome([written, written], unknown + inProgress), stored)).toEqual([]);
    const left = { end: "reset" } as const;
    for (const stored of [{}, { a: 1 }]) expect(found(outcome([written], "", left), stored)).toEqual([]);
  });

  it("takes what a probe is told for what it is: a list of what is missing", () => {
    const probe = { ...request("read", "a", 0), name: "GET /readyz?verbose", method: "GET" };
    const notReady = answer(503, "[-]quorum failed");
    expect(found(outcome([probe], notReady), {})).toEqual([]);
    expect(found(outcome([{ ...probe, name: "GET /events" }], notReady), {})).toHaveLength(1);
  });

  it.each<[string, Outcome, Record<string, number>]>([
    ["acknowledged and not stored", outcome([written], answer(201, "{}")), {}],
    ["told that it is not", outcome([written], answer(400, PROBLEM)), { a: 1 }],
    ["nobody may store", outcome([request("refused", "a")], answer(400, PROBLEM)), { a: 1 }],
    ["nobody may store", outcome([written], "", { end: "reset", sentBytes: 9 }), { a: 1 }],
    ["2 of 1 events", outcome([written, written], answer(201, "{}").repeat(2)), { a: 2 }],
    ["1 of 3 events", outcome([request("written", "a", 3)], answer(201, "{}")), { a: 1 }],
    ["nobody sent it", outcome([written], answer(201, "{}")), { a: 1, b: 1 }],
    ["a write was answered 404", outcome([written], answer(404, PROBLEM.replace("400", "404"))), {}],
    ["a write was answered 409", outcome([written], answer(409, PROBLEM.replace("400", "409"))), {}],
    ["must be refused was answered 201", outcome([request("refused", "a")], answer(201, "{}")), {}],
    ["500", outcome([request("read", "a", 0)], answer(500, "")), {}],
    [
      "without a problem document",
      outcome([request("refused", "a")], "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"),
      {},
    ],
    ["says otherwise", outcome([request("refused", "a")], answer(422, PROBLEM)), {}],
    ["to nothing", outcome([written], answer(201, "{}").repeat(2)), { a: 1 }],
    ["is no answer", outcome([written], `${answer(201, "{}")}{`), { a: 1 }],
    ["no answer in time", outcome([written], "", {}, true), {}],
    ["the connection ended", outcome([written, request("read", "b", 0)], answer(201, "{}")), { a: 1 }],
    ["before it was sent", outcome([written], answer(201, "{}"), { sentBytes: 9 }), {}],
  ])("names what is %s", (words, one, stored) => {
    expect(found(one, stored).join()).toContain(words);
  });
});

describe("a conversation", () => {
  let server: Server | undefined;
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server?.close();
  });

  it("is the same for the same seed, and each kind of request is among the first thousand", () => {
    const made = (seed: number) =>
      Array.from({ length: 1_000 }, (_, i) => makeConversation(`c${i}`, new Random(seed + i), ASKED));
    const one = made(7);
    expect(made(7)).toEqual(one);
    const meant = new Set(one.flatMap(({ requests }) => requests.map((request) => request.meant)));
    expect([...meant].sort()).toEqual(["broken", "either", "read", "refused", "stream", "written"]);
    expect(new Set(one.map(({ end }) => end)).size).toBe(4);
  });

  it("asks every place that the API describes, with many methods; a POST there is no write", () => {
    const described = placesOf(Object.keys(openApiDocument("0").paths));
    expect(described).toEqual(
      expect.arrayContaining(["/api/v1/chaos", "/api/v1/blocks/1", `/api/v1/alerts/${"0".repeat(24)}/repair`]),
    );
    expect(described.join()).not.toMatch(/[{}]/);
    const asked = { ...ASKED, places: described };
    const made = Array.from({ length: 20_000 }, (_, i) => readRequest(new Random(i), "a", asked));
    const writes = new Set<string>(WRITE_PATHS);
    for (const place of described) {
      const methods = new Set(made.filter(({ name }) => name.endsWith(` ${place}`)).map(({ method }) => method));
      expect([place, methods.size > 20]).toEqual([place, true]);
      expect([place, methods.has("POST")]).toEqual([place, !writes.has(place)]);
    }
  });

  it("is had byte by byte as it was made, and ends with the answers", async () => {
    let received = "";
    server = createServer((socket) => {
      sockets.push(socket);
      socket.setEncoding("latin1").on("data", (text: string) => {
        received += text;
        if (received.length === 10) socket.write(answer(201, "{}"));
      });
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const pieces = ["\xff\x00xx", "xxxxxx"].map((text) => ({ text, pauseMs: 5 }));
    const conversation: Conversation = {
      id: "c",
      requests: [request("written", "a")],
      pieces,
      sentBytes: 10,
      end: "answers",
    };
    const { answers, isLate } = await converse(conversation, `http://127.0.0.1:${port}`, () => undefined);
    expect([answers.map(({ status }) => status), isLate]).toEqual([[201], false]);
    expect(received).toBe("\xff\x00xxxxxxxx");
  });
});
