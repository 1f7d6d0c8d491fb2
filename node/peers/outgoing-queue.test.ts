import { expect, it } from "vitest";
import { OutgoingQueue } from "./outgoing-queue.js";

function setup(waitMsMax = 60_000) {
  const sent: string[] = [];
  const done: (() => void)[] = [];
  const queue = new OutgoingQueue({
    inFlightMax: 2,
    queueMax: 3,
    waitMsMax,
    transmit: (body) => {
      sent.push(body.toString());
      return new Promise((resolve) => done.push(resolve));
    },
  });
  const push = (name: string, isHeartbeat = false) => queue.push({ isHeartbeat, body: Buffer.from(name) });
  /** Ends the oldest exchange and lets the queue go on. */
  const finish = async () => {
    done.shift()?.();
    await new Promise(setImmediate);
  };
  return { queue, sent, push, finish };
}

it("sends in order, only so many at once, and keeps only so many waiting", async () => {
  const { queue, sent, push, finish } = setup();
  for (const name of ["a", "b", "c", "d", "e"]) push(name);
  expect(sent).toEqual(["a", "b"]);
  expect(queue.length).toBe(3);
  push("f");
  expect(queue.length).toBe(3);
  expect(queue.dropped).toBe(1);
  for (let i = 0; i < 3; i++) await finish();
  expect(sent).toEqual(["a", "b", "d", "e", "f"]);
});

it("drops heartbeats before votes", async () => {
  const { sent, push, finish } = setup();
  for (const name of ["a", "b", "vote 1"]) push(name);
  push("heartbeat", true);
  for (const name of ["vote 2", "vote 3"]) push(name);
  for (let i = 0; i < 3; i++) await finish();
  expect(sent).toEqual(["a", "b", "vote 1", "vote 2", "vote 3"]);
});

it("does not send what has waited too long", async () => {
  const { queue, sent, push, finish } = setup(-1);
  // With a patience below zero everything is too old at once.
  push("a");
  await finish();
  expect(sent).toEqual([]);
  expect(queue.dropped).toBe(1);
});

it("forgets what waits when it is cleared", async () => {
  const { queue, sent, push, finish } = setup();
  for (const name of ["a", "b", "c"]) push(name);
  queue.clear();
  await finish();
  expect(sent).toEqual(["a", "b"]);
});
