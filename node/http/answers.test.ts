import { afterEach, beforeEach, expect, it } from "vitest";
import { type Door, get, openDoor, type RawSocket } from "../../test/doubles/door.js";
import { ProblemError } from "../problems.js";
import { StoreError } from "../storage/port.js";

let door: Door;
beforeEach(async () => {
  door = await openDoor();
});
afterEach(() => door.close());

async function answerTo(text: string): Promise<RawSocket> {
  const client = door.open().send(text);
  await expect.poll(() => client.statuses.length).toBe(1);
  return client;
}

it("an event's copies are denied only once the leader has confirmed that the log is shorter", async () => {
  door.log.store();
  const notConfirmed = new ProblemError("no_quorum", "no leader confirms");
  door.log.readable = async (condition) => {
    if (condition?.isLinearizable === true) throw notConfirmed;
  };
  const path = "/api/v1/events/1/nodes";
  expect((await answerTo(get(path))).problem).toMatchObject({ status: 503, code: "no_quorum" });
  door.log.readable = async () => {};
  const absent = await answerTo(get(path));
  expect(absent.problem).toMatchObject({
    status: 404,
    detail: 'There is no event "1": the log has the sequences 0 to 0.',
  });
});

it("an event is denied with the log's size as it was confirmed", async () => {
  door.log.store();
  // The leader confirms one more event than this node had when the read began.
  door.log.get = async () => {
    door.log.store();
    return null;
  };
  const { problem } = await answerTo(get("/api/v1/events/7"));
  expect(problem.detail).toBe('There is no event "7": the log has the sequences 0 to 1.');
});

it("a failed read of the database is not called a database that does not answer", async () => {
  door.log.readable = async () => {
    throw new StoreError("conflict", "another process changed the state");
  };
  const { problem } = await answerTo(get("/api/v1/events/0"));
  expect(problem).toMatchObject({
    code: "not_ready",
    detail: expect.stringMatching(/^This node could not read its database/),
  });
});

it("that nobody leads is not said where only no leader is known", async () => {
  door.log.leaderId = null;
  const { answer } = await answerTo(get("/readyz?verbose&role=leader"));
  expect(answer).toMatch(/role failed: no leader is known/);
});
