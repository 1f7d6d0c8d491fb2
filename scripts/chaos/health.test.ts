import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { alertsSince } from "./health.js";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const BEGUN = new Date("2026-01-01T00:00:00.000Z");
const alert = (kind: string, status: string, second: number) => ({
  ...{ kind, status, node: "n1", detail: "d" },
  openedAt: new Date(BEGUN.getTime() + second * 1_000).toISOString(),
});
const ALERTS = [
  alert("missing", "open", 1),
  alert("watch_down", "ended", 2),
  alert("fork", "resolved", 3),
  alert("bad_hash", "resolved", -1),
];

/** A node that lists alerts as the API does: by default only those that nobody has resolved. */
async function nodeWith(more: number): Promise<string> {
  const server = createServer((req, res) => {
    const isAll = new URL(req.url ?? "", "http://n1").searchParams.get("status") === "all";
    const alerts = isAll ? ALERTS : ALERTS.filter(({ status }) => status === "open");
    res.setHeader("Content-Type", "application/json");
    res.end(JSON.stringify({ alerts, more, unreachable: [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("counts alerts of every status: one that is over was an alarm all the same", async () => {
  expect(await alertsSince(await nodeWith(0), BEGUN, new Set())).toEqual([
    "missing by n1: d",
    "watch_down by n1: d",
    "fork by n1: d",
  ]);
});

it("does not count that a node whose state was altered on purpose says so, and counts it of any other", async () => {
  ALERTS.push(alert("state_altered", "open", 4));
  expect(await alertsSince(await nodeWith(0), BEGUN, new Set(["n1"]))).toHaveLength(3);
  expect(await alertsSince(await nodeWith(0), BEGUN, new Set(["n2"]))).toHaveLength(4);
});
