import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, expect, it } from "vitest";
import { type ReadBody, readBody } from "./read-body.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Sends `lines` raw to a server that reads bodies of at most 10 bytes; resolves with what it made of the body. */
async function sent(lines: string, { hangsUp = false } = {}): Promise<ReadBody> {
  let said = 0;
  const server = createServer();
  const read = new Promise<ReadBody>((resolve, reject) => {
    server.on("request", (request) => {
      readBody(request, 10, (outcome) => {
        if (++said > 1) reject(new Error("it said twice how the body ended"));
        resolve(outcome);
      });
      if (hangsUp) request.once("data", () => socket.destroy());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  closers.push(() => {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${lines}`);
  return read;
}

it("collects a body up to its limit, with a length and in chunks", async () => {
  const whole = { ok: true, body: Buffer.from("0123456789") };
  expect(await sent("Content-Length: 10\r\n\r\n0123456789")).toEqual(whole);
  expect(await sent("Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n")).toEqual(whole);
  expect(await sent("Content-Length: 0\r\n\r\n")).toEqual({ ok: true, body: Buffer.alloc(0) });
});

it("refuses a longer one, whether its length was told or not", async () => {
  const tooLarge = { ok: false, reason: "too_large" };
  expect(await sent("Content-Length: 11\r\n\r\n0")).toEqual(tooLarge);
  expect(await sent("Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n678901\r\n0\r\n\r\n")).toEqual(tooLarge);
});

it("says that a body broke off, and why", async () => {
  const broken = await sent("Content-Length: 10\r\n\r\n0123", { hangsUp: true });
  expect(broken).toMatchObject({ ok: false, reason: "broken", error: { code: "ECONNRESET" } });
});
