import { afterEach, expect, it, vi } from "vitest";
import { ApiError, ask, NoAnswer } from "./client.js";

afterEach(() => void vi.unstubAllGlobals());

const answering = (body: string, init: ResponseInit = {}): void =>
  void vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, init)));

it("an answer that was cut on its way is no answer: nothing of it is shown", async () => {
  answering('{"nodes":[{"id":"n');
  await expect(ask("api/v1/cluster")).rejects.toBeInstanceOf(NoAnswer);
});

it("who gave up waiting is told that, and not that the node is silent", async () => {
  const control = new AbortController();
  vi.stubGlobal("fetch", () => {
    control.abort();
    return Promise.resolve(new Response("{"));
  });
  await expect(ask("api/v1/cluster", { signal: control.signal })).rejects.toBeInstanceOf(SyntaxError);
});

it("an error says what it is, with and without a document of ours", async () => {
  answering(JSON.stringify({ title: "Not ready", code: "not_ready", requestId: "r-1" }), { status: 503 });
  await expect(ask("api/v1/cluster")).rejects.toMatchObject({ problem: { title: "Not ready", code: "not_ready" } });
  answering("<html>a proxy</html>", { status: 502 });
  const error = await ask("api/v1/cluster").catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(ApiError);
  expect((error as ApiError).problem).toMatchObject({ title: "HTTP 502", status: 502 });
});

it("an answer says on whose copies it rests", async () => {
  answering("{}", { headers: { "X-Served-By": "n2", "X-Answered-From": "n1, n3" } });
  expect(await ask("api/v1/events/7")).toMatchObject({ servedBy: "n2", answeredFrom: ["n1", "n3"] });
  answering("{}");
  expect(await ask("api/v1/events/7")).toMatchObject({ servedBy: "", answeredFrom: [] });
});
