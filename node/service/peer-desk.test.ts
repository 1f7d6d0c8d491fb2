import { expect, it } from "vitest";
import { systemClock } from "../clock.js";
import type { PeerHandler } from "../peers/peer-server.js";
import { ProblemError } from "../problems.js";
import { PeerDesk } from "./parts.js";

/** A desk whose one peer answers with what the test says, and the handlers that were given to its transport. */
function desk(answer: { status: number; body: unknown }) {
  const handlers = new Map<string, PeerHandler>();
  const transport = {
    handle: (path: string, handler: PeerHandler) => handlers.set(path, handler),
    request: async () => answer,
  };
  const config = { nodeId: "n1", members: [{ id: "n1" }, { id: "n2" }] };
  const called = (path: string, body: unknown) =>
    (handlers.get(path) as PeerHandler)(body, { from: "n2", requestId: "", signal: new AbortController().signal });
  return { peers: new PeerDesk({ config, transport, clock: systemClock } as never), called };
}

it.each([
  ["an answer of no known form", 200, { isLow: 1 }],
  ["no JSON object", 200, null],
  ["an error", 500, { code: "internal_error" }],
  ["a refusal that says nothing", 409, {}],
])("takes %s for none", async (_, status, body) => {
  const { peers } = desk({ status, body });
  expect(await peers.request("n2", "disk", {}, { timeoutMs: 1 })).toEqual({ kind: "none" });
  expect(await peers.ask("n2", "disk", {})).toBeNull();
});

it("tells an answer from a refusal", async () => {
  const options = { timeoutMs: 1 };
  const { peers } = desk({ status: 200, body: { isLow: true } });
  const answered = { kind: "answered", answer: { isLow: true } };
  expect(await peers.request("n2", "disk", {}, options)).toEqual(answered);
  expect(await peers.askAll("disk", {})).toMatchObject([{ peer: "n2", answer: { isLow: true }, wasAsked: true }]);
  const refusing = desk({ status: 409, body: { detail: "It is not so." } });
  expect(await refusing.peers.request("n2", "disk", {}, options)).toEqual({ kind: "refused", detail: "It is not so." });
});

it("answers a question of no known form with 400, and asks nobody", async () => {
  const { peers, called } = desk({ status: 200, body: {} });
  let asked = 0;
  peers.handle("alerts", async () => ({ alerts: [], count: ++asked }));
  expect(await called("alerts", { limit: "all" })).toEqual({ status: 400, body: { code: "bad_question" } });
  expect(asked).toBe(0);
  expect(await called("alerts", { limit: 5 })).toEqual({ status: 200, body: { alerts: [], count: 1 } });
});

it("tells a conflict to the one who asks, and no other failure", async () => {
  const { peers, called } = desk({ status: 200, body: {} });
  const admit = { node: "n2", actor: "a", reason: "r" };
  peers.handle("admit", async ({ node }) => {
    throw new ProblemError(node === "n2" ? "admission_conflict" : "no_quorum", "It is not so.");
  });
  expect(await called("admit", admit)).toEqual({ status: 409, body: { detail: "It is not so." } });
  await expect(called("admit", { ...admit, node: "n3" })).rejects.toMatchObject({ code: "no_quorum" });
});
