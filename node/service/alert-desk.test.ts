import { expect, it } from "vitest";
import type { AlertRecord } from "../storage/port.js";
import { AlertDesk } from "./alert-desk.js";
import type { Parts } from "./parts.js";

const alertOf = (node: string, more: Partial<AlertRecord> = {}): AlertRecord => ({
  ...{ id: "a".repeat(24), kind: "missing", severity: "critical", node, accused: node, detail: node },
  ...{ openedAt: "2030-01-01T00:00:00.000Z", lastSeenAt: "2030-01-01T00:00:00.000Z", occurrences: 1, status: "open" },
  ...more,
});

/** n1; of n2 and n3 come these answers. */
function deskOf(of: {
  own?: AlertRecord[];
  count?: number;
  peers?: Record<string, AlertRecord[]>;
  logged?: AlertRecord[];
}) {
  const { own = [], count = own.length, peers = {}, logged = [] } = of;
  const answers = Object.entries(peers);
  return new AlertDesk({
    config: { nodeId: "n1" },
    storage: {
      alerts: {
        list: async () => own,
        count: async () => count,
        get: async (id: string) => own.find((alert) => alert.id === id) ?? null,
      },
    },
    peers: {
      handle: () => undefined,
      ask: async () => null,
      askAll: async (path: string) =>
        answers.map(([peer, alerts]) => ({
          peer,
          answer: path === "alerts" ? { alerts, count: alerts.length } : { alert: alerts[0] ?? null },
        })),
    },
    incidents: () => ({
      logged: {
        all: logged,
        find: (id: string, node?: string) =>
          logged.find((one) => one.id === id && (node === undefined || one.node === node)) ?? null,
        placeOf: () => undefined,
      },
    }),
  } as unknown as Parts);
}

it("shows what the log has of an alert whose document was altered, which is counted and not believed", async () => {
  const { alerts } = await deskOf({ own: [], count: 1, logged: [alertOf("n1")] }).alerts(100);
  expect(alerts).toMatchObject([{ node: "n1" }]);
});

it("takes no node's word for another's alert, nor its record in the log", async () => {
  const open = alertOf("n2");
  const resolved = alertOf("n2", { status: "resolved", history: [{ n: 9, action: "dismissed", at: open.openedAt }] });
  const foreign = deskOf({ peers: { n3: [resolved], n2: [open] } });
  expect(await foreign.alert(open.id)).toMatchObject({ node: "n2", status: "open" });
  expect((await foreign.alerts(100)).alerts).toMatchObject([{ node: "n2", status: "open" }]);
  const logged = deskOf({ peers: { n2: [open] }, logged: [{ ...resolved, node: "n3" }] });
  expect(await logged.alert(open.id)).toMatchObject({ node: "n2", status: "open" });
});
