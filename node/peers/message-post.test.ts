import { once } from "node:events";
import { Agent, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { ExchangeError, postMessage } from "./message-post.js";

it("a message that waits for a socket is given up as soon as its sender says so, and never sent", async () => {
  const seen: string[] = [];
  let answer = (): void => {};
  const server = createServer((req, res) => {
    seen.push(String(req.headers["x-name"]));
    answer = () => res.end("whole");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const post = (name: string, { signal }: AbortController) =>
    postMessage({
      ...{ url, path: "/", agent, signal, onProgress: () => {}, answerBytesMax: 100 },
      ...{ body: Buffer.from("body"), headers: { "x-name": name } },
    });
  try {
    const first = post("first", new AbortController());
    await expect.poll(() => seen).toEqual(["first"]);
    const giveUp = new AbortController();
    const outcome = post("second", giveUp).catch((error: unknown) => error);
    giveUp.abort();
    // The first one has the only socket, and nobody answers it yet.
    const given = await outcome;
    expect(given).toBeInstanceOf(ExchangeError);
    expect(given).toMatchObject({ code: "aborted" });
    answer();
    expect(String((await first).body)).toBe("whole");
    const third = post("third", new AbortController());
    await expect.poll(() => seen.at(-1)).toBe("third");
    answer();
    await third;
    expect(seen).toEqual(["first", "third"]);
  } finally {
    agent.destroy();
    server.close();
    server.closeAllConnections();
  }
});
