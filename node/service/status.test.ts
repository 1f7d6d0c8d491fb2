import { expect, it } from "vitest";
import type { AlertRecord } from "../storage/port.js";
import type { Parts } from "./parts.js";
import { Status } from "./status.js";

const alert = (node: string, day: number): AlertRecord =>
  ({ id: `${node}${day}`, node, openedAt: `2026-01-0${day}T00:00:00.000Z` }) as AlertRecord;

it("says how many open alerts of all nodes a list leaves out, and who did not tell", async () => {
  const others: Record<string, unknown> = {
    n2: { alerts: [alert("n2", 3)], count: 40 },
    n3: { alerts: [alert("n3", 1)] },
  };
  const answers = [...Object.entries(others).map(([peer, answer]) => ({ peer, answer })), { peer: "n4", answer: null }];
  const parts = {
    config: { nodeId: "n1" },
    storage: { alerts: { list: async (limit: number) => [alert("n1", 2)].slice(0, limit), count: async () => 7 } },
    peers: { handle: () => {}, askAll: async () => answers },
  };
  const status = new Status(parts as unknown as Parts, {} as never);
  const told = await status.alerts(2);
  expect(told.alerts.map(({ id }) => id)).toEqual(["n23", "n12"]);
  expect(told).toMatchObject({ more: 40 + 1 + 7 - 2, unreachable: ["n4"] });
});
