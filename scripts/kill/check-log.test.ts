import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type EventView, eventView, logEvent, payloadCommitment } from "../../shared/log/event.js";
import { chainFaults, LogAudit } from "./check-log.js";

function log(writes: string[], batch?: (place: number) => [number, number] | undefined): EventView[] {
  const salt = new Uint8Array(16);
  const common = { eventType: "t", sourceAppId: "s", timestamp: "2026-01-01T00:00:00Z", payloadSalt: salt };
  const events: EventView[] = [];
  for (const [sequence, write] of writes.entries()) {
    const payload = new TextEncoder().encode(JSON.stringify({ write }));
    const part = batch?.(sequence);
    const id = String(sequence).padStart(24, "0");
    const payloadHash = payloadCommitment(salt, payload);
    const prepared = { ...common, id, payload, payloadHash, ...(part === undefined ? {} : { batch: part }) };
    const at = { recordedAt: "2026-01-01T00:00:00.000Z", previousHash: events.at(-1)?.hash ?? "" };
    events.push(eventView(logEvent(prepared, { sequence: sequence as never, ...at }), { height: 1, term: 1 } as never));
  }
  return events;
}

function promises(acknowledged: EventView[], refused: string[] = []) {
  return {
    acknowledged: new Map(acknowledged.map((event) => [event.dataPayload.write as string, event])),
    refused: new Set(refused),
  };
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A node that lists what it is told to, two events a page. */
async function node(events: EventView[]): Promise<string> {
  const server = createServer((request, response) => {
    const after = Number(new URL(request.url ?? "", "http://x").searchParams.get("after") ?? -1);
    const page = events.filter(({ sequence }) => sequence > after).slice(0, 2);
    const last = page.at(-1)?.sequence ?? -1;
    response.end(JSON.stringify({ events: page, ...(last < events.length - 1 ? { next: String(last) } : {}) }));
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((listening) => server.once("listening", listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the check after the kills", () => {
  it("finds nothing in logs that hold every acknowledged write once, and others besides", async () => {
    const events = log(["a", "b", "c", "d", "e"]);
    const audit = new LogAudit([await node(events), await node(events)]);
    const report = await audit.checkToEnd(promises(events.slice(0, 2)), 4);
    expect(report).toEqual({ events: 5, head: events[4]?.hash, faults: [] });
  });

  it("goes on where it ended, and still notices that what it has seen has changed", async () => {
    const events = log(["a", "b", "c"]);
    const audit = new LogAudit([await node(events)]);
    expect((await audit.check(promises(events), 2)).faults).toEqual([]);
    events.push(...log(["a", "b", "c", "d"]).slice(3));
    expect(await audit.checkToEnd(promises(events), 3)).toMatchObject({ events: 4, faults: [] });
    events.splice(2, 2, ...log(["a", "b", "x", "y", "z"]).slice(2));
    expect((await audit.check(promises([]), 4)).faults.join()).toContain("holds another event");
  });

  it.each([
    ["lost", ["a", "b", "x"], "the write c, acknowledged at 2, is lost"],
    ["doubled", ["a", "b", "c", "a"], "the write a is in the log twice, at 0 and 3"],
    ["moved", ["a", "c", "b"], "the write b, acknowledged at 1, stands at 2"],
  ])("finds a %s write", async (_, writes, fault) => {
    const url = await node(log(writes));
    const { faults } = await new LogAudit([url]).check(promises(log(["a", "b", "c"])), writes.length - 1);
    expect(faults).toContain(fault);
  });

  it("finds a changed write, and one that was refused", async () => {
    const events = log(["a", "b"]);
    const changed = events.slice(0, 1).map((event) => ({ ...event, hash: "f".repeat(64) }));
    const { faults } = await new LogAudit([await node(events)]).check(promises(changed, ["b"]), 1);
    expect(faults).toEqual(["the write a at 0 was changed", "the write b was refused, and is in the log at 1"]);
  });

  it("finds nodes whose logs differ", async () => {
    const urls = [await node(log(["a", "b"])), await node(log(["a", "x"]))];
    const { faults } = await new LogAudit(urls).checkToEnd(promises([]), 1);
    expect(faults.some((fault) => fault.includes("holds another event 1"))).toBe(true);
    expect(faults.some((fault) => fault.includes("its head is"))).toBe(true);
  });

  it("finds a forged payload, a broken link and a torn batch", () => {
    const forged = log(["a", "b"]).map((event) => ({ ...event, dataPayload: { forged: true } }));
    expect(chainFaults(forged)[0]).toBe("event 0 has a wrong payloadHash");
    expect(chainFaults(log(["a", "b"]).slice(1))).toContain("event 1 does not link");
    const torn = log(["a", "b", "c"], (place) => (place < 2 ? [place, 3] : undefined));
    expect(chainFaults(torn)).toEqual(["event 2 comes where a batch is torn"]);
  });
});
