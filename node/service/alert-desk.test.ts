import { expect, it } from "vitest";
import { type AlertRecord, StoreError } from "../storage/port.js";
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
  /** null: it gives no answer. */
  peers?: Record<string, AlertRecord[] | null>;
  logged?: AlertRecord[];
  isUnreadable?: boolean;
  decide?: () => Promise<never>;
}) {
  const { own = [], count = own.length, peers = {}, logged = [], isUnreadable = false, decide } = of;
  const answers = Object.entries(peers);
  return new AlertDesk({
    config: { nodeId: "n1" },
    storage: {
      alerts: {
        list: async () => own,
        count: async () => count,
        get: async (id: string) => {
          if (isUnreadable) throw new StoreError("unknown", "it is away");
          return own.find((alert) => alert.id === id) ?? null;
        },
      },
    },
    peers: {
      handle: () => undefined,
      ask: async () => null,
      askAll: async (path: string) =>
        answers.map(([peer, alerts]) => ({
          peer,
          answer:
            alerts &&
            (path === "alerts" ? { alerts, count: alerts.length } : { alert: alerts[0] ?? null, bundle: null }),
        })),
      request: async () => ({ kind: "answered", answer: { bundle: null } }),
    },
    incidents: () => ({
      decide,
      logged: {
        all: logged,
        find: (id: string, node?: string) =>
          logged.find((one) => one.id === id && (node === undefined || one.node === node)) ?? null,
        placeOf: () => undefined,
      },
      windows: { annotated: (alert: AlertRecord) => alert },
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

it("denies an alert only once every node has said that it is not its own", async () => {
  const id = "b".repeat(24);
  const decision = { id, action: "dismiss", version: "a".repeat(64), actor: "a", reason: "r" } as const;
  const silent = deskOf({ peers: { n2: [], n3: null } });
  const unreadable = deskOf({ peers: { n2: [], n3: [] }, isUnreadable: true });
  for (const [desk, named] of [
    [silent, /; n3 gave no answer/],
    [unreadable, /; n1 gave no answer/],
  ] as const)
    for (const asked of [desk.alert(id), desk.evidence(id), desk.decide(decision)])
      await expect(asked).rejects.toMatchObject({ code: "not_ready", detail: expect.stringMatching(named) });
  const all = deskOf({ peers: { n2: [], n3: [] } });
  expect([await all.alert(id), await all.evidence(id), await all.decide(decision)]).toEqual([null, null, null]);
  // What the log has is there, whoever is silent.
  const logged = deskOf({ peers: { n2: [], n3: null }, logged: [alertOf("n3")] });
  expect(await logged.alert("a".repeat(24))).toMatchObject({ node: "n3" });
});

it("an alert that its node shows no record of is not called unknown where its evidence is asked for", async () => {
  for (const node of ["n1", "n2"]) {
    const desk = deskOf({ peers: { n2: [] }, logged: [alertOf(node)] });
    await expect(desk.evidence("a".repeat(24))).rejects.toMatchObject({
      code: "not_found",
      detail: `The log has this alert; ${node} shows no record of its own of it, and so no evidence.`,
    });
  }
});

it("a decision that the node's own database did not confirm is called neither taken nor a fault of the node", async () => {
  const own = alertOf("n1");
  const decision = { id: own.id, action: "dismiss", version: "a".repeat(64), actor: "a", reason: "r" } as const;
  const away = deskOf({ own: [own], decide: () => Promise.reject(new StoreError("unknown", "no answer")) });
  await expect(away.decide(decision)).rejects.toMatchObject({
    code: "not_ready",
    detail: expect.stringMatching(/^It is not known whether n1 has taken the decision/),
  });
  const broken = deskOf({ own: [own], decide: () => Promise.reject(new TypeError("a fault")) });
  await expect(broken.decide(decision)).rejects.toThrow(TypeError);
});
