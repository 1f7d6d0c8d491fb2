import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { demoEvents, fillForDemo } from "./demo.js";

const NOW = Date.parse("2026-05-01T12:00:00.000Z");

it("the demonstration has some hundred events of many kinds, in the order of their times, the same at each start", () => {
  const events = demoEvents(NOW);
  expect(events).toHaveLength(300);
  expect(new Set(events.map(({ eventType }) => eventType)).size).toBeGreaterThanOrEqual(8);
  expect(new Set(events.map(({ sourceAppId }) => sourceAppId)).size).toBeGreaterThanOrEqual(4);
  const times = events.map(({ timestamp }) => timestamp);
  expect(times).toEqual([...times].sort());
  expect(Date.parse(times.at(-1) as string)).toBeLessThanOrEqual(NOW);
  expect(demoEvents(NOW)).toEqual(events);
});

/** A node that answers so, in turn; the last answer again and again. null: it closes the connection. */
async function nodeThat(...answers: ([status: number, body: object] | null)[]): Promise<string> {
  const server = createServer((req, res) => {
    req.resume();
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === null || answer === undefined) return void res.destroy();
    res.writeHead(answer[0], { "Content-Type": "application/json" }).end(JSON.stringify(answer[1]));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("says what it has logged, and of a batch without an answer not that it is not there", async () => {
  const empty: [number, object] = [200, { events: [] }];
  const written: [number, object] = [201, {}];
  expect(await fillForDemo(await nodeThat(empty, written), NOW)).toMatch(/^300 events/);
  expect(await fillForDemo(await nodeThat([200, { events: [{}] }]), NOW)).toMatch(/has events already/);
  expect(await fillForDemo(await nodeThat([503, {}]), NOW)).toBe(
    "The log could not be looked at (the node answered 503): --demo adds nothing.",
  );
  for (const [end, why] of [
    [null, /socket hang up/],
    [[504, {}] as [number, object], /the node answered 504/],
  ] as const) {
    const told = await fillForDemo(await nodeThat(empty, written, written, end), NOW);
    expect(told).toMatch(/^At least 40 of --demo's 300 events are in the log/);
    expect(told).toMatch(why);
  }
});
