import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemClock } from "../clock.js";
import { PeerError } from "../peers/peer-client.js";
import type { AlertRecord } from "../storage/port.js";
import { Admissions } from "./admissions.js";
import { AlertDesk } from "./alert-desk.js";
import { HandOver } from "./leadership.js";
import { type Parts, PeerDesk } from "./parts.js";
import { Status } from "./status.js";

const alert = (node: string, day: number): AlertRecord =>
  ({ id: `${node}${day}`, node, openedAt: `2026-01-0${day}T00:00:00.000Z` }) as AlertRecord;

it("says how many open alerts of all nodes a list leaves out, and who did not tell", async () => {
  const others: Record<string, unknown> = {
    n2: { alerts: [alert("n2", 3)], count: 40 },
    n3: { alerts: [alert("n3", 1)], count: 1 },
  };
  const answers = [...Object.entries(others).map(([peer, answer]) => ({ peer, answer })), { peer: "n4", answer: null }];
  const parts = {
    config: { nodeId: "n1" },
    storage: {
      alerts: { list: async (limit: number) => [alert("n1", 2), alert("n1", 0)].slice(0, limit), count: async () => 7 },
    },
    peers: { handle: () => {}, askAll: async () => answers },
    clock: systemClock,
  };
  const told = await new AlertDesk(parts as unknown as Parts).alerts(2);
  expect(told.alerts.map(({ id }) => id)).toEqual(["n23", "n12"]);
  expect(told).toMatchObject({ more: 40 + 1 + 7 - 2, unreachable: ["n4"] });
});

type Answered = { status: number; body: unknown } | PeerError;

/** A node n1 of three; `answer` is what each peer says to everything. */
function nodeWith(
  view: unknown,
  answer: (peer: string) => Answered = () => ({ status: 200, body: {} }),
  onSubmit: (count: number) => void = () => {},
  more: object = {},
) {
  const asked: string[] = [];
  const submitted: unknown[] = [];
  const transport = {
    handle: () => {},
    request: async (peer: string) => {
      asked.push(peer);
      await sleep(5);
      const given = answer(peer);
      if (given instanceof PeerError) throw given;
      return given;
    },
  };
  const members = ["n1", "n2", "n3"].map((id, i) => ({ id, address: `http://${id}`, priority: i }));
  const config = { nodeId: "n1", electionTimeoutMs: 100, members, self: members[0] };
  const index = { isWhole: true, indexedPaths: [], progress: { through: 0, of: 0 } };
  const driver = { view: () => view, log: { index }, submit: (input: unknown) => onSubmit(submitted.push(input)) };
  const storage = { alerts: { list: async () => [], count: async () => 0 } };
  const disk = { isLow: false, describe: () => "" };
  const peers = new PeerDesk({ config, transport, clock: systemClock } as never);
  const integrity = () => ({ ...INTEGRITY, ...more });
  const shared = { config, driver, storage, disk, integrity, peers, version: "1", clock: systemClock };
  const parts = shared as unknown as Parts;
  const status = new Status(parts, { hasConfirmation: true } as never, new AlertDesk(parts));
  return { status, admissions: new Admissions(parts), handOver: new HandOver(parts), asked, submitted, members };
}

const INTEGRITY = {
  watch: "live",
  verifiedThrough: 0,
  lastPassAt: null,
  oldestVerifiedAt: null,
  passHeight: null,
  passBlocksPerSecond: null,
};
const DECISION = { node: "n2", actor: "a", reason: "r" };
const overloaded = new PeerError("n2", "overloaded", "256 requests are waiting", false);
const silent = new PeerError("n2", "timeout", "no answer in time", true);

describe("what a decision is answered", () => {
  const members = [{ id: "n1" }, { id: "n2" }, { id: "n3" }];
  const asks = { id: "n2", wantsAdmission: true };
  const admit = (view: unknown, answer?: (peer: string) => Answered) =>
    nodeWith(view, answer)
      .admissions.admit(DECISION)
      .then(
        () => "admitted",
        (problem: unknown) => problem,
      );

  it("says that nobody was admitted where this node no longer leads, and that a member is none only where it is none", async () => {
    const follower = nodeWith({ role: "follower", leaderId: "n1", members, peers: [asks] });
    await expect(follower.admissions.admit(DECISION)).rejects.toThrow(/does not lead: nobody was admitted/);
    expect(follower.submitted).toEqual([]);
    const leader = { role: "leader", leaderId: "n1", members, peers: [asks] };
    const self = nodeWith(leader).admissions.admit({ ...DECISION, node: "n1" });
    await expect(self).rejects.toThrow(/n1 does not ask to be admitted/);
    await expect(nodeWith(leader).admissions.admit({ ...DECISION, node: "n9" })).rejects.toThrow(/n9 is not a member/);
  });

  it("says that a node is admitted once it counts, and before that only that nobody has said so", async () => {
    const peer = { ...asks, isVoter: false };
    const view = { role: "leader", leaderId: "n1", members, peers: [peer] };
    const counts = (): void => {
      setTimeout(() => Object.assign(peer, { isVoter: true, wantsAdmission: false }), 100);
    };
    const admitting = nodeWith(view, undefined, counts).admissions.admit(DECISION);
    await expect(Promise.race([admitting, sleep(50, "not yet")])).resolves.toBe("not yet");
    await admitting;
    Object.assign(peer, { isVoter: false, wantsAdmission: true });
    const detail = expect.stringMatching(/^The leader n1 has not said that n2 is admitted/);
    expect(await admit(view)).toMatchObject({ code: "no_quorum", detail });
  });

  it.each([
    ["no answer", silent],
    ["was not asked", overloaded],
    ["an answer that says nothing", { status: 503, body: { code: "overloaded" } }],
    ["an error", { status: 500, body: null }],
  ] as [string, Answered][])("does not say that the leader refused, or was asked, on %s", async (_, answer) => {
    const view = { role: "follower", leaderId: "n2", members, peers: [] };
    const noWord = {
      code: "no_quorum",
      detail: expect.stringMatching(/^The leader n2 has not said (?:that n2 is admitted|whether it steps down)/),
    };
    expect(await admit(view, () => answer)).toMatchObject(noWord);
    const { handOver } = nodeWith(view, () => answer);
    await expect(handOver.stepDown({ actor: "a", reason: "r" })).rejects.toMatchObject(noWord);
  });

  it("passes on why the leader refused", async () => {
    const view = { role: "follower", leaderId: "n2", members, peers: [] };
    const refused = { status: 409, body: { detail: "n2 is level already." } };
    expect(await admit(view, () => refused)).toMatchObject({ code: "admission_conflict", detail: refused.body.detail });
    const { handOver } = nodeWith(view, () => refused);
    const asked = handOver.stepDown({ actor: "a", reason: "r" });
    await expect(asked).rejects.toMatchObject({ code: "step_down_conflict", detail: refused.body.detail });
  });
});

describe("the status of the cluster", () => {
  const view = {
    role: "leader",
    leaderId: "n1",
    hasQuorum: true,
    isStalled: false,
    isLearner: false,
    members: [{ id: "n1" }, { id: "n2" }, { id: "n3" }],
    peers: [],
  };
  const sound = (id: string): Answered => ({
    status: 200,
    body: {
      ...{ id, clock: "2026-01-01T00:00:00Z", version: "1", address: "", clusterId: "", role: "follower" },
      ...{ health: "sound", term: 1, leaderId: "n1", lastHeight: 0, commitHeight: 0, committedSize: 0, headHash: "" },
      ...{
        index: { isWhole: true, paths: [], through: 0 },
        stableSince: null,
        electionWait: null,
        ...INTEGRITY,
        alerts: [],
        count: 0,
      },
    },
  });

  it("is not degraded by a node that this one could not ask, and by one that gave no answer it is", async () => {
    const ofN3 = (given: Answered) =>
      nodeWith(view, (peer) => (peer === "n3" ? given : sound(peer))).status.clusterStatus();
    expect(await ofN3(sound("n3"))).toMatchObject({ state: "available", failureTolerance: 1 });
    const notAsked = await ofN3(overloaded);
    expect(notAsked).toMatchObject({ state: "available", failureTolerance: 0 });
    expect(notAsked.nodes[2]).toMatchObject({ health: "unknown", detail: expect.stringMatching(/could not ask it/) });
    const lost = await ofN3(silent);
    expect(lost.state).toBe("degraded");
    expect(lost.nodes[2]?.detail).toBe("this node got no answer from it");
  });

  it("has a leader where a majority of the others follows one, though this node hears none", async () => {
    const deaf = { ...view, role: "follower", leaderId: null, hasQuorum: false };
    const led = (id: string): Answered => {
      const { status, body } = sound(id) as { status: number; body: object };
      return { status, body: { ...body, role: id === "n2" ? "leader" : "follower", term: 2, leaderId: "n2" } };
    };
    const seen = await nodeWith(deaf, led).status.clusterStatus();
    expect(seen).toMatchObject({ state: "degraded", leaderId: null });
    const oneAnswers = (peer: string) => (peer === "n2" ? led(peer) : silent);
    expect(await nodeWith(deaf, oneAnswers).status.clusterStatus()).toMatchObject({ state: "no_quorum" });
  });

  it("is asked for once, however many want it", async () => {
    const { status, asked } = nodeWith(view, sound);
    await Promise.all(Array.from({ length: 400 }, () => status.clusterStatus()));
    // Two runs of two questions to two peers each: one under way, and one for all who came meanwhile.
    expect(asked).toHaveLength(8);
  });
});

it("readiness says what is known of the database, and of a majority", () => {
  const detailOf = (name: string, view: unknown) =>
    nodeWith(view)
      .status.readiness()
      .find((check) => check.name === name)?.detail;
  expect(detailOf("mongodb", null)).toBe("the log is not open");
  expect(detailOf("membership", null)).toBe("unknown while the log is not open");
  expect(detailOf("mongodb", { isStalled: true, hasQuorum: true })).toBe("a write to it takes too long");
  expect(detailOf("quorum", { hasQuorum: true })).toBe("a leader is heard, and none leads on without a majority");
});

it("is not ready while what was changed during its absence is being looked at, and where nothing is watched it is", () => {
  const checkOf = (watch: string) => {
    const { status } = nodeWith({ role: "follower", leaderId: "n2", members: [] }, undefined, undefined, { watch });
    const { isOk, isAdvisory = false } = status.readiness().find(({ name }) => name === "watch") ?? {};
    return { isOk, isAdvisory };
  };
  expect(checkOf("starting")).toEqual({ isOk: false, isAdvisory: false });
  expect(checkOf("live")).toEqual({ isOk: true, isAdvisory: false });
  expect(checkOf("down")).toEqual({ isOk: false, isAdvisory: true });
  expect(checkOf("unsupported")).toEqual({ isOk: true, isAdvisory: false });
});

it("a damaged node says so, is not ready, and votes all the same; a pending verification makes none unready", async () => {
  const view = {
    ...{ role: "follower", leaderId: "n2", hasQuorum: true, isStalled: false, isLearner: false, peers: [] },
    members: [{ id: "n1" }, { id: "n2" }, { id: "n3" }],
  };
  const others = (id: string): Answered => ({
    status: 200,
    body: {
      ...{ id, clock: "2026-01-01T00:00:00Z", version: "1", address: "", clusterId: "", role: "follower", term: 1 },
      ...{ health: "sound", leaderId: "n2", lastHeight: 0, commitHeight: 0, committedSize: 0, headHash: "" },
      ...{
        index: { isWhole: true, paths: [], through: 0 },
        stableSince: null,
        electionWait: null,
        ...INTEGRITY,
        alerts: [],
        count: 0,
      },
    },
  });
  const seen = async (more: object) => {
    const { status } = nodeWith(view, others, undefined, more);
    const failing = status.readiness().filter(({ isOk }) => !isOk);
    const { nodes, failureTolerance } = await status.clusterStatus();
    const [own] = nodes;
    const details = failing.map(({ detail }) => detail);
    return {
      failing: failing.map(({ name, isAdvisory }) => [name, isAdvisory === true]),
      details,
      own,
      failureTolerance,
    };
  };
  expect(await seen({})).toMatchObject({ failing: [], own: { health: "sound", verification: "fresh" } });
  expect(await seen({ isDamaged: true })).toMatchObject({
    failing: [["integrity", false]],
    own: { health: "damaged", healthy: false },
    failureTolerance: 1,
  });
  const unread = await seen({ isVerificationPending: true, isUnread: true, watch: "starting" });
  expect(unread.failing.map(([name]) => name)).toEqual(["watch", "verification"]);
  expect(unread.details).toEqual([expect.stringMatching(/`alerts`/), expect.stringMatching(/`alerts`/)]);
  expect(await seen({ isVerificationPending: true })).toMatchObject({
    failing: [["verification", true]],
    own: { health: "sound", verification: "pending", healthy: true },
  });
});
