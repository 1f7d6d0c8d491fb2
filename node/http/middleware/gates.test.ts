import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Door, get, openDoor, post, SSE } from "../../../test/doubles/door.js";
import { OPERATIONS } from "../openapi/document.js";
import { type ReadGate, readGates } from "./read-gate.js";

/**
 * What each route of the API's description passes where its answer is large or takes other nodes. `stream` is a place among
 * the streams. The others need none: appends are bounded as bodies and as writes; what is left is small, is in memory, and
 * is asked of other nodes once for all who ask.
 */
const PASSES: Readonly<Record<string, string>> = {
  listEventsA: "lists",
  listEventsB: "lists",
  listEvents: "lists",
  histogram: "histograms",
  readEvent: "singles",
  readCopies: "questions singles",
  readChain: "questions singles",
  readBlock: "questions singles",
  listElections: "questions singles",
  listAlerts: "questions singles",
  readAlert: "questions singles",
  listMaintenance: "singles",
  readEvidence: "evidence questions",
  readChaos: "questions",
  streamA: "stream",
  stream: "stream",
  ...Object.fromEntries(
    "admitNode stepDown recordMaintenance makeFault testWebhook acknowledgeAlert repairAlert rebuildAlert dismissAlert"
      .split(" ")
      .map((id) => [id, "decisions"]),
  ),
  ...Object.fromEntries(
    "logEventA logEventB appendEvent appendBatch readCluster isAlive isReady home asset docs openapi problem"
      .split(" ")
      .map((id) => [id, ""]),
  ),
};

/** What examples say of times to come lies in the past. */
const PAST = /(?<="until":")[^"]+/;
const SOON = new Date(Date.now() + 3_600_000).toISOString();

it("each route of the API's description is named here", () => {
  expect(OPERATIONS.map(({ id }) => id).sort()).toEqual(Object.keys(PASSES).sort());
});

describe("what a route passes", () => {
  const seen: string[] = [];
  let door: Door;
  beforeAll(async () => {
    const gates = readGates();
    for (const [name, gate] of Object.entries(gates) as [string, ReadGate][]) {
      const run = gate.run.bind(gate);
      gate.run = (...asked: Parameters<typeof run>) => {
        seen.push(name);
        return run(...asked);
      };
    }
    // Too large to go past the gate of large answers.
    const large = async (): Promise<never> =>
      ({ kind: "taken", alert: {}, nodes: [], record: [], text: "x".repeat(100_000) }) as never;
    door = await openDoor({ gates, chaos: { state: large, strike: large } });
    const { log } = door;
    log.store();
    log.stored[0] = { ...log.store(), sequence: 0, dataPayload: { text: "x".repeat(100_000) } };
    Object.assign(log, { copies: large, block: large, chain: large, elections: large, clusterStatus: large });
    Object.assign(log.maintenance, { windows: () => ["x".repeat(100_000)], record: large });
    Object.assign(log, { admit: large, stepDown: large, histogram: async () => ({ edges: [], counts: [], from: [] }) });
    for (const name of ["alerts", "alert", "evidence", "decide", "testWebhook"] as const)
      Object.assign(log.alerts, { [name]: large });
  });
  afterAll(() => door?.close());

  it.each(OPERATIONS.map(({ id, method, path, body }) => ({ id, method, path, body })))(
    "$id",
    async ({ id, method, path, body }) => {
      const isStream = PASSES[id] === "stream";
      const places = { sequence: "0", height: "1", id: "0".repeat(24), file: "none.js", name: "overloaded" };
      const target = path.replaceAll(/\{(\w+)\}/g, (_, name: keyof typeof places) => places[name]);
      seen.length = 0;
      const ifMatch = `If-Match: "${"a".repeat(64)}"\r\n`;
      const text =
        method === "post"
          ? post(
              JSON.stringify(body?.example).replace(PAST, () => SOON),
              ifMatch,
              target,
            )
          : get(target, isStream ? SSE : "");
      const client = door.open().send(text);
      await expect.poll(() => client.statuses.length).toBe(1);
      expect(client.statuses[0]).toBeLessThan(500);
      expect([id, seen.join(" ") || (door.streams.taken > 0 ? "stream" : "")]).toEqual([id, PASSES[id]]);
      client.socket.destroy();
      await expect.poll(() => door.streams.taken).toBe(0);
    },
  );
});
