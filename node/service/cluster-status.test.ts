import { expect, it } from "vitest";
import type { ReplicaView } from "../../cluster/types.js";
import { clusterStatus, type OwnStatus } from "./cluster-status.js";

const own: OwnStatus = {
  id: "n1",
  clock: "2026-01-01T00:00:00.000Z",
  version: "1",
  address: "http://127.0.0.1:3000",
  clusterId: "",
  role: "follower",
  health: "sound",
  term: 1,
  leaderId: "n2",
  lastHeight: 1,
  commitHeight: 1,
  committedSize: 0,
  headHash: "",
  index: { isWhole: true, paths: [], through: 1 },
  stableSince: null,
  electionWait: null,
  watch: "live",
  verifiedThrough: -1,
  lastPassAt: null,
  oldestVerifiedAt: null,
  passHeight: null,
  passBlocksPerSecond: null,
};

it("names members whose clocks are off, and how far each is from the node that was asked", () => {
  const view = { members: [], peers: [], hasQuorum: true, clocksOff: [{ node: "n3", offMs: -7_200_000 }] };
  const { warnings, nodes } = clusterStatus({
    own,
    others: [{ id: "n3", status: { ...own, id: "n3", skewMs: -7_200_000 }, wasAsked: true }],
    configured: ["n1", "n3"].map((id) => ({ id, address: "", priority: 1 })),
    view: view as unknown as ReplicaView,
    hasAlerts: false,
  });
  expect(warnings).toEqual(["the clock of n3 is 7200 s behind the members' median: set it right"]);
  expect(nodes.map(({ clockSkewMs }) => clockSkewMs)).toEqual([0, -7_200_000]);
});

it("names nodes whose webhooks take no messages, and why", () => {
  const status = (webhookFault?: string) =>
    clusterStatus({
      ...{ own, hasAlerts: false, view: null },
      others: [
        {
          ...{ id: "n3", wasAsked: true },
          status: { ...own, id: "n3", skewMs: 0, ...(webhookFault === undefined ? {} : { webhookFault }) },
        },
      ],
      configured: ["n1", "n3"].map((id) => ({ id, address: "", priority: 1 })),
    });
  expect(status("answered 503").warnings).toEqual([
    "the webhook of n3 does not take its messages (answered 503): nobody is told of its alerts there",
  ]);
  expect(status().warnings).toEqual([]);
});

it("says that anybody can write and decide where other machines reach the node", () => {
  const status = (isOpen: boolean) =>
    clusterStatus({
      ...{ own, others: [], configured: [{ id: "n1", address: "", priority: 1 }], view: null },
      ...{ hasAlerts: false, isOpen },
    });
  expect(status(true).warnings).toEqual([expect.stringMatching(/no API keys yet: .* resolve alerts under any name/)]);
  expect(status(false).warnings).toEqual([]);
});

it("says on a follower too when the leader heard each node", () => {
  const contacts = [{ node: "n1", ms: 40 }];
  const leader = { ...own, id: "n2", role: "leader" as const, contacts, skewMs: 0 };
  const { nodes } = clusterStatus({
    ...{ own, hasAlerts: false, view: null },
    others: [{ id: "n2", status: leader, wasAsked: true }],
    configured: ["n1", "n2"].map((id) => ({ id, address: "", priority: 1 })),
  });
  expect(nodes.map(({ lastContactMs }) => lastContactMs)).toEqual([40, null]);
});
