import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loopback } from "./loopback.js";
import { projectRoot } from "./project.js";

async function serve(port = 0): Promise<string> {
  const server = createServer((incoming, answer) => {
    if (incoming.url === "/silent") return;
    answer.setHeader("x-method", incoming.method ?? "");
    incoming.pipe(answer.writeHead(incoming.url === "/refused" ? 409 : 200));
  }).listen(port, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("answers as fetch does", async () => {
  const url = await serve();
  const answer = await loopback(`${url}/refused`, { method: "POST", body: '{"a":1}' });
  expect([answer.ok, answer.status, answer.headers.get("x-method")]).toEqual([false, 409, "POST"]);
  expect(await answer.json()).toEqual({ a: 1 });
});

it("reaches a port that fetch refuses", async () => {
  const url = await serve(6000).catch(() => serve(6566));
  await expect(fetch(url)).rejects.toThrow();
  expect((await loopback(url)).status).toBe(200);
});

it("fails with the cause, and at its deadline", async () => {
  await expect(loopback("http://127.0.0.1:1/")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const silent = loopback(`${await serve()}/silent`, { signal: AbortSignal.timeout(50) });
  await expect(silent).rejects.toMatchObject({ name: "TimeoutError" });
});

it("is what every script uses", () => {
  const files = readdirSync(join(projectRoot(), "scripts"), { recursive: true }).map(String);
  const sources = files.filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith(".test.ts"));
  const using = sources.filter((file) =>
    /(?<![\w.])fetch\(/.test(readFileSync(join(projectRoot(), "scripts", file), "utf8")),
  );
  expect(using).toEqual([]);
});
