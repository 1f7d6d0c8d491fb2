import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, it, onTestFinished } from "vitest";
import type { WebhookTarget } from "../host/setting-values.js";
import { isPrivateAddress, postOnce, type publicLookup, signedHeaders } from "./webhook-post.js";

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A receiver; what came, and where it is reached. */
async function receiver(
  status: number,
): Promise<{ port: number; got: { headers: IncomingMessage["headers"]; body: string }[] }> {
  const got: { headers: IncomingMessage["headers"]; body: string }[] = [];
  server = createServer(async (incoming, answer) => {
    got.push({ headers: incoming.headers, body: await text(incoming) });
    // A redirect leads back here: one that was followed would be seen.
    answer.writeHead(status, { Location: "/elsewhere" }).end("x");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, got };
}

const target = (url: string, allowsPrivate: boolean): WebhookTarget => ({
  url,
  secret: new Uint8Array(32),
  allowsPrivate,
});
const message = { id: "msg_1", body: '{"type":"test"}' };
const now = { atMs: 1_614_265_330_999, signal: new AbortController().signal };

it("signs as Standard Webhooks does: its own example", () => {
  const secret = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
  const example = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
  expect(signedHeaders(example, secret, 1_614_265_330_999)).toEqual({
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

it("delivers body and signature where private addresses are allowed", async () => {
  const { port, got } = await receiver(204);
  expect(await postOnce(target(`http://localhost:${port}/in`, true), message, now)).toBeNull();
  expect(got).toMatchObject([{ body: message.body, headers: signedHeaders(message, new Uint8Array(32), now.atMs) }]);
});

it("follows no redirect, and takes nothing but 2xx for a delivery", async () => {
  const redirecting = await receiver(307);
  const fault = await postOnce(target(`http://127.0.0.1:${redirecting.port}/`, true), message, now);
  expect(fault).toBe("answered 307: a redirect is not followed");
  expect(redirecting.got).toHaveLength(1);
  server?.close();
  const failing = await receiver(500);
  expect(await postOnce(target(`http://127.0.0.1:${failing.port}/`, true), message, now)).toBe("answered 500");
});

it("ends with a reason where a receiver switches protocols, and where no address of a name answers", async () => {
  const raw = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
    );
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void raw.close());
  await once(raw, "listening");
  const { port } = raw.address() as AddressInfo;
  expect(await postOnce(target(`http://127.0.0.1:${port}/`, true), message, now)).toMatch(/without an answer|hang up/);
  const refused = new AggregateError([
    new Error("connect ECONNREFUSED ::1:1"),
    new Error("connect ECONNREFUSED 127.0.0.1:1"),
  ]);
  const resolve: Parameters<typeof publicLookup>[0] = (_, then) => then(refused, []);
  const fault = await postOnce(target("http://twice.example/", false), message, { ...now, resolve });
  expect(fault).toBe("connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1");
});

it("reaches no private address, by whatever name or form, unless that is allowed", async () => {
  const { port, got } = await receiver(204);
  for (const host of ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"])
    expect(await postOnce(target(`http://${host}:${port}/`, false), message, now), host).toContain("private address");
  expect(got).toEqual([]);
});

it("judges the address that is connected to: a name that leads elsewhere the next time gains nothing", async () => {
  const { port, got } = await receiver(204);
  const answers = ["127.0.0.1", "93.184.215.14"];
  const asked: string[] = [];
  const resolve: Parameters<typeof publicLookup>[0] = (host, then) => {
    asked.push(host);
    then(null, [{ address: answers[asked.length - 1] as string, family: 4 }]);
  };
  const fault = await postOnce(target(`http://rebinding.example:${port}/`, false), message, { ...now, resolve });
  expect(fault).toContain("rebinding.example leads to 127.0.0.1, which is a private address");
  expect([asked, got]).toEqual([["rebinding.example"], []]);
});

it("knows what is private, and what is not", () => {
  const ours = ["10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255"];
  const ours6 = [
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2001:db8::1",
  ];
  for (const address of [...ours, ...ours6, "no address"]) expect(isPrivateAddress(address), address).toBe(true);
  for (const address of ["93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450::8"])
    expect(isPrivateAddress(address), address).toBe(false);
});
