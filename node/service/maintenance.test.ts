import { expect, it } from "vitest";
import type { Input } from "../../cluster/types.js";
import type { Maintenance } from "../../shared/log/control.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { PeerError } from "../peers/peer-client.js";
import { MaintenanceDesk } from "./maintenance.js";
import type { Parts, PeerReply } from "./parts.js";

const SAID: Maintenance = {
  ...{ node: "n2", from: "2030-01-01T10:00:00.000Z", until: "2030-01-01T12:00:00.000Z" },
  ...{ actor: "ada", reason: "mongod is upgraded" },
};
const WINDOW: MaintenanceWindow = { ...SAID, height: 7, recordedAt: "2030-01-01T09:00:00.000Z" };
const members = [{ id: "n1" }, { id: "n2" }, { id: "n3" }];
const LEADER = { role: "leader", leaderId: "n1", members };
const FOLLOWER = { role: "follower", leaderId: "n2", members };

/** n1, whose log commits what it is given, unless told otherwise. */
function deskOf(view: object | null, of: { reply?: PeerReply<"maintenance">; known?: true; isStuck?: true } = {}) {
  const known: MaintenanceWindow[] = of.known === true ? [WINDOW] : [];
  const submitted: Input[] = [];
  const desk = new MaintenanceDesk({
    ...{ config: { nodeId: "n1" }, clock: hastyClock() },
    driver: {
      view: () => view,
      submit: (input: Input) => {
        submitted.push(input);
        if (of.isStuck !== true) known.push(WINDOW);
      },
    },
    peers: {
      handle: () => undefined,
      request: async () => {
        if (of.reply === undefined) throw new PeerError("n2", "timeout", "no answer in time", true);
        return of.reply;
      },
    },
    incidents: () => ({ windows: { all: known, find: () => known[0] ?? null } }),
  } as unknown as Parts);
  return { desk, submitted };
}

it("is recorded by the leader once, and answered with its block once that is committed", async () => {
  const { desk, submitted } = deskOf(LEADER);
  expect(await desk.record(SAID)).toEqual(WINDOW);
  expect(submitted).toMatchObject([{ kind: "log_maintenance", window: SAID }]);
  const again = deskOf(LEADER, { known: true });
  expect([await again.desk.record(SAID), again.submitted, again.desk.windows(10)]).toEqual([WINDOW, [], [WINDOW]]);
  expect(again.desk.windows(0)).toEqual([]);
  expect(await deskOf(FOLLOWER, { reply: { kind: "answered", answer: { window: WINDOW } } }).desk.record(SAID)).toEqual(
    WINDOW,
  );
});

it("is refused for who is no member, and the leader's reason is passed on", async () => {
  const { desk, submitted } = deskOf(LEADER);
  await expect(desk.record({ ...SAID, node: "n9" })).rejects.toMatchObject({
    code: "maintenance_conflict",
    detail: "n9 is not a member of this cluster. No maintenance was recorded.",
  });
  expect(submitted).toEqual([]);
  const refused = deskOf(FOLLOWER, { reply: { kind: "refused", detail: "n2 does not lead." } }).desk.record(SAID);
  await expect(refused).rejects.toMatchObject({ code: "maintenance_conflict", detail: "n2 does not lead." });
});

it("is neither recorded nor refused where no leader says so", async () => {
  const noWord = { code: "no_quorum", detail: expect.stringMatching(/^The leader n[12] has not said that the main/) };
  await expect(deskOf(FOLLOWER).desk.record(SAID)).rejects.toMatchObject(noWord);
  await expect(deskOf(FOLLOWER, { reply: { kind: "none" } }).desk.record(SAID)).rejects.toMatchObject(noWord);
  await expect(deskOf(LEADER, { isStuck: true }).desk.record(SAID)).rejects.toMatchObject(noWord);
  await expect(deskOf({ ...FOLLOWER, leaderId: null }).desk.record(SAID)).rejects.toMatchObject({
    detail: expect.stringMatching(/^No leader is known/),
  });
  // Whose log is not open knows nothing of leaders.
  await expect(deskOf(null).desk.record(SAID)).rejects.toMatchObject({
    ...{ code: "not_ready", detail: expect.stringMatching(/^This node's log is not open/) },
  });
});
