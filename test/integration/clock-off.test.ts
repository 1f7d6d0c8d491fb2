import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { temporaryFolder } from "../../scripts/mongod/reaper.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const EIGHT_HOURS_MS = 8 * 3_600_000;
/** So far from the members' median a stamp may be; and what a request may take meanwhile. */
const STAMP_MS_MAX = 60_000 + 240_000;

const folder = temporaryFolder("clock-off");
/** A wall clock that shows what a file says more than the machine's; time limits go by another clock. */
const SHIFTED = `
const { readFileSync } = require("node:fs");
let offMs = 0;
const look = () => {
  try { offMs = Number(readFileSync(process.env.TEST_CLOCK_FILE, "utf8")) || 0; } catch {}
};
setInterval(look, 100).unref();
const Real = Date;
globalThis.Date = class extends Real {
  constructor(...parts) {
    if (parts.length === 0) super(Real.now() + offMs);
    else super(...parts);
  }
  static now() {
    return Real.now() + offMs;
  }
};
`;
const clockOf = (id: string): string => join(folder, `${id}.ms`);

let cluster: Cluster;
beforeAll(async () => {
  const preload = join(folder, "clock.cjs");
  writeFileSync(preload, SHIFTED);
  cluster = await startSteadyCluster({
    nodeEnv: (id) => ({ NODE_OPTIONS: `--require ${preload}`, TEST_CLOCK_FILE: clockOf(id) }),
  });
});
afterAll(() => cluster?.stop());

/** How far the stamp of a new event is from what this machine's clock shows. */
async function stampOffMs(url: string): Promise<number> {
  const event = { eventType: "T", sourceAppId: uniqueSource(), dataPayload: {} };
  const { status, body } = await postJson(`${url}/api/v1/events`, event);
  expect(status).toBe(201);
  return Date.parse(body.recordedAt) - Date.now();
}

it("a leader whose clock is eight hours ahead is named by an alert and a warning, and freezes no recordedAt", async () => {
  const { node: leader } = await cluster.leader();
  const other = cluster.nodes.find(({ id }) => id !== leader.id)?.url ?? "";
  expect(Math.abs(await stampOffMs(other))).toBeLessThan(STAMP_MS_MAX);
  writeFileSync(clockOf(leader.id), String(EIGHT_HOURS_MS));

  const named = async (): Promise<boolean> => {
    // Until the node is named, and after: no stamp goes with the clock that is off.
    expect(Math.abs(await stampOffMs(other))).toBeLessThan(STAMP_MS_MAX);
    const { body } = await call(`${other}/api/v1/alerts`);
    return body.alerts.some(
      ({ kind, accused }: { kind: string; accused: string }) => kind === "clock_off" && accused === leader.id,
    );
  };
  await eventually(named, 60_000, "an alert names the leader");
  const warned = async (): Promise<boolean> => {
    const { body } = await call(`${other}/api/v1/cluster`);
    return body.warnings.some(
      (text: string) => text.startsWith(`the clock of ${leader.id} is`) && text.includes("ahead"),
    );
  };
  await eventually(warned, 60_000, "the status warns");

  writeFileSync(clockOf(leader.id), "0");
  await eventually(async () => !(await warned()), 60_000, "the warning goes once the clock is right");
  expect(Math.abs(await stampOffMs(other))).toBeLessThan(STAMP_MS_MAX);
});
