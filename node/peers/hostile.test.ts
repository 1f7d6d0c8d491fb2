import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import axios from "axios";
import { afterEach, describe, expect, it } from "vitest";
import { alive, closeAll, closers, listen, pair, RawPeer } from "../../test/doubles/peer-nodes.js";
import { HEADERS } from "./authentication.js";
import { encodeMessage } from "./codec.js";
import { MESSAGES_PATH } from "./limits.js";

afterEach(closeAll);

describe("what is not authentic is answered 401 and changes nothing", () => {
  async function attacked() {
    const { n2 } = await pair({ holdMs: 1 });
    const raw = new RawPeer(n2);
    await raw.learnSession();
    return { n2, raw };
  }

  it("accepts the same request when nothing is wrong with it", async () => {
    const { n2, raw } = await attacked();
    expect((await raw.post()).status).toBe(204);
    expect(n2.inbox.all).toHaveLength(1);
  });

  it("a wrong secret, in both directions", async () => {
    const { n1, n2 } = await pair({ secret: "another secret that is long enough as well" });
    n1.transport.send(alive("n1", "n2"));
    expect(await n1.rejected.next()).toBe("refused_by_peer");
    expect(n2.rejected.all).toEqual(["bad_signature"]);
    expect(n2.inbox.all).toEqual([]);
    await expect(n1.transport.request("n2", "status", {}, { timeoutMs: 5_000 })).rejects.toMatchObject({
      failure: "refused",
    });
  });

  it("an altered body, path, sender or counter; a wrong recipient; no headers at all", async () => {
    const { n2, raw } = await attacked();
    n2.transport.handle("status", async () => ({ status: 200, body: "never" }));
    const good = raw.sign();
    const body = Buffer.from(good.body);
    body[20] = (body[20] as number) ^ 1;
    const bad = [
      { ...good, body },
      { ...good, path: "/peer/v1/status" },
      { ...good, path: `${MESSAGES_PATH}?a=1` },
      { ...good, headers: { ...good.headers, [HEADERS.from]: "n2" } },
      { ...good, headers: { ...good.headers, [HEADERS.counter]: "99" } },
      raw.sign({ to: "n3" }),
      raw.sign({ from: "n3" }),
      { ...good, headers: {} },
    ];
    for (const request of bad) {
      const { status, headers, data } = await raw.send(request);
      expect(status).toBe(401);
      expect(headers[HEADERS.signature]).toBeUndefined();
      expect(headers["www-authenticate"]).toBe("Quorumlog-HMAC-SHA-256");
      expect(data).toMatchObject({ code: "unauthorized_peer", status: 401 });
    }
    expect(n2.rejected.all).toHaveLength(bad.length);
    expect(n2.inbox.all).toEqual([]);
    expect((await raw.send(good)).status).toBe(204);
  });

  it("a replay, within one process and after the receiver restarted", async () => {
    const { n2, raw } = await attacked();
    const recorded = raw.sign();
    expect((await raw.send(recorded)).status).toBe(204);
    expect((await raw.send(recorded)).status).toBe(401);
    await n2.transport.close();
    n2.boot({ n1: "http://127.0.0.1:9" });
    for (let i = 0; i < 2; i++) expect((await raw.send(recorded)).status).toBe(401);
    expect(n2.rejected.all).toEqual(["replayed", "unknown_boot", "unknown_boot"]);
    expect(n2.inbox.all).toHaveLength(1);
  });

  it("another cluster, once both know theirs", async () => {
    const { n2, raw } = await attacked();
    n2.transport.setClusterId("a".repeat(64));
    expect((await raw.post({ cluster: "b".repeat(64) })).status).toBe(401);
    expect((await raw.post({ cluster: "a".repeat(64) })).status).toBe(204);
    expect((await raw.post()).status).toBe(204);
  });

  it("answers an authentic message that cannot be read, or speaks for another node, with 400", async () => {
    const { n2, raw } = await attacked();
    expect((await raw.send(raw.sign({}, { body: Buffer.from("rubbish") }))).status).toBe(400);
    expect((await raw.send(raw.sign({}, { body: encodeMessage(alive("n3", "n2")) }))).status).toBe(400);
    expect(n2.rejected.all).toEqual(["bad_message", "bad_message"]);
    expect(n2.inbox.all).toEqual([]);
  });

  it("a body above the limit", async () => {
    const { n2, raw } = await attacked();
    const body = Buffer.alloc(13 * 1024 * 1024);
    const outcome = await raw.send({ ...raw.sign(), body }).then(
      (response) => response.status,
      (error: { code?: string }) => error.code,
    );
    expect([413, "ECONNRESET", "EPIPE"]).toContain(outcome);
    expect(n2.inbox.all).toEqual([]);
  });

  it("an answer that somebody altered, or took from another request", async () => {
    const [n1, n2] = [await listen("n1"), await listen("n2")];
    let forge = (answer: { status: number; body: Buffer }): { status: number; body: Buffer } => answer;
    const middle = createServer(async (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await axios.post<Buffer>(`${n2.address}${request.url}`, Buffer.concat(chunks), {
        headers: request.headers as Record<string, string>,
        responseType: "arraybuffer",
        validateStatus: () => true,
        proxy: false,
      });
      const { status, body } = forge({ status: answer.status, body: answer.data });
      for (const name of [HEADERS.signature, HEADERS.session])
        if (answer.headers[name] !== undefined) response.setHeader(name, String(answer.headers[name]));
      response.writeHead(status).end(body);
    });
    middle.listen(0, "127.0.0.1");
    await once(middle, "listening");
    closers.push(
      () => middle.closeAllConnections(),
      () => middle.close(),
    );
    n1.boot({ n2: `http://127.0.0.1:${(middle.address() as AddressInfo).port}` });
    n2.boot({ n1: n1.address });
    n2.transport.handle("echo", async (body) => ({ status: 200, body }));
    const ask = () => n1.transport.request("n2", "echo", { a: 1 }, { timeoutMs: 5_000 });
    expect(await ask()).toMatchObject({ status: 200, body: { a: 1 } });
    forge = (answer) => ({ ...answer, body: Buffer.from('{"a":2}') });
    await expect(ask()).rejects.toMatchObject({ failure: "failed", mayHaveArrived: true });
    forge = (answer) => ({ ...answer, status: 503 });
    await expect(ask()).rejects.toMatchObject({ failure: "failed" });
    expect(n1.rejected.all).toEqual(["bad_answer", "bad_answer"]);
  });
});
