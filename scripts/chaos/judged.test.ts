import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { hashesOf } from "../judge/canonical.js";
import { HISTORY_FILE, logFileOf } from "../judge/cli.js";
import type { AppendLine, HistoryLine, LogEvent, ReadLine } from "../judge/format.js";
import { judged } from "./judged.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-judged-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const sent = { eventType: "t", sourceAppId: "s", dataPayload: { write: "a" } };
const bare: LogEvent = {
  ...{ v: 1, sequence: 0, id: "0".repeat(24), ...sent, timestamp: "2026-01-01T00:00:00Z", height: 1, term: 1 },
  ...{
    recordedAt: "2026-01-01T00:00:00.000Z",
    payloadSalt: "00".repeat(16),
    previousHash: "",
    payloadHash: "",
    hash: "",
  },
};
const { payloadHash } = hashesOf(bare);
const event: LogEvent = { ...bare, payloadHash, hash: hashesOf({ ...bare, payloadHash }).hash };
const { sequence, id, hash } = event;

const call = { client: "c", node: "n1", start: 0, end: 1 };
const write: AppendLine = {
  type: "append",
  ...call,
  status: 201,
  events: [sent],
  outcome: "ok",
  places: [{ sequence, id, hash }],
};
const read: ReadLine = {
  ...{ type: "read", ...call, start: 2, end: 3, status: 200, isLinearizable: true, sequence, outcome: "ok" },
  event: { sequence, id, hash, write: "a" },
};
const unanswered: HistoryLine[] = [
  { type: "append", ...call, status: 503, code: "no_leader", events: [sent], outcome: "refused" },
  { type: "read", ...call, status: 0, code: "ECONNREFUSED", isLinearizable: true, sequence, outcome: "failed" },
];

function judge(history: HistoryLine[], log: LogEvent[]): ReturnType<typeof judged> {
  const ndjson = (lines: readonly unknown[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  writeFileSync(join(folder, HISTORY_FILE), ndjson(history));
  writeFileSync(join(folder, logFileOf("n1")), ndjson(log));
  return judged(folder, [], undefined);
}

it("finds no anomaly in a run in which a write was acknowledged and a linearizable read answered", async () => {
  const { lines, exitCode } = await judge([...unanswered, write, read], [event]);
  expect(lines.at(-1)).toBe("No anomaly.");
  expect(exitCode).toBe(0);
});

it.each([
  ["nothing was answered", unanswered, [], "no write was acknowledged, and no linearizable read was answered"],
  [
    "no write was acknowledged",
    [...unanswered, { ...read, outcome: "absent", event: undefined }],
    [],
    "no write was acknowledged",
  ],
  ["no read was answered", [...unanswered, write], [event], "no linearizable read was answered"],
  [
    "only reads that may be old were",
    [write, { ...read, isLinearizable: false }],
    [event],
    "no linearizable read was answered",
  ],
] as const)("fails a run that proves nothing: %s", async (_, history, log, why) => {
  const { lines, exitCode } = await judge([...history] as HistoryLine[], [...log]);
  expect(lines).toContain(`This proves nothing: ${why}.`);
  expect(lines).not.toContain("No anomaly.");
  expect(exitCode).toBe(1);
});
