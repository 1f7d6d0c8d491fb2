import { describe, expect, it } from "vitest";
import { prepare } from "../sim/clients.js";
import { Random } from "../sim/random.js";
import { DEFAULT_TIMING } from "../sim/timing.js";
import { Lab } from "./lab.js";

/** A cluster whose filters of keys are so small that they know of no key that it was never used: each is looked up. */
function asking(): Lab {
  const lab = new Lab({ memory: { keyFilterBytes: 1 } }).form();
  for (let i = 0; i < 10; i++) lab.begin("n1", { key: `filling ${i}` });
  lab.until("the filter is full", () => lab.checkers.ledger.acknowledged > 10, 1_000);
  lab.timeouts(1);
  lab.effects.length = 0;
  return lab;
}

describe("a leader that is stopped, slow or deposed", () => {
  it("does not seal a write whose deadline has passed", () => {
    const lab = new Lab().form();
    const n1 = lab.node("n1");
    n1.store.behaviour.held = ({ kind }) => kind === "store_block";
    const release = lab.drop(({ body }) => body.kind === "append_answer" && body.result === "ok" && body.round % 3 > 0);
    lab.begin("n1");
    lab.run(5);
    const events = prepare(new Random(4), { source: "late" });
    n1.input({
      kind: "propose",
      proposals: [{ proposalId: 9_998, events, deadline: n1.now + 100, sinceHeight: n1.view.commitHeight }],
    });
    lab.run(200);
    n1.store.behaviour.held = () => false;
    n1.store.next();
    release();
    lab.finish();
    expect(lab.checkers.history.sequenceOf(events[0]?.id ?? "")).toBeUndefined();
  });

  it.each([
    ["are looked up", asking],
    ["are known to be new", () => new Lab().form()],
  ])("gives up the lead when its database hangs and all that comes are writes with keys that %s", (_, form) => {
    const lab = form();
    const n1 = lab.node("n1");
    n1.store.behaviour.isStalled = true;
    const write = (i: number): void =>
      n1.write({ events: prepare(new Random(i), { source: "keyed", key: `key ${i}` }) }, () => undefined);
    // Each waits for its key to be looked up, so that nothing is sealed, and no write to the log hangs.
    for (let i = 0; i < 40 && lab.leader?.id === "n1"; i++) {
      write(i);
      lab.run(100);
    }
    expect(lab.leader?.id).not.toBe("n1");
    n1.store.behaviour.isStalled = false;
    n1.store.next();
    lab.finish();
  });

  it("stays while look-ups hang and its log is written, and refuses what it cannot tell about", () => {
    const lab = asking();
    const n1 = lab.node("n1");
    n1.store.behaviour.held = ({ kind }) => kind === "read";
    const keyed = lab.begin("n1", { key: "order-1" });
    const plain = lab.begin("n2");
    lab.timeouts(7);
    expect(plain.outcome()).toMatchObject({ kind: "written" });
    expect(keyed.outcome()).toMatchObject({ kind: "not_written" });
    expect(lab.leaderChanges()).toEqual([]);
    expect(n1.view.isStalled).toBe(false);
    n1.store.behaviour.held = () => false;
    n1.store.next();
    lab.finish();
  });

  it("tries a look-up that fails once more, and refuses the write when that fails too", () => {
    const lab = asking();
    const { behaviour } = lab.node("n1").store;
    const failures: number[] = [];
    const failTimes = (times: number): void => {
      behaviour.failsNext = () => {
        failures.push(lab.scheduler.now);
        if (times > 1) failTimes(times - 1);
      };
    };
    failTimes(1);
    const once = lab.begin("n1", { key: "once" });
    lab.run(100);
    expect(once.outcome()).toMatchObject({ kind: "written" });
    expect(failures).toHaveLength(1);

    lab.effects.length = 0;
    failTimes(2);
    const twice = lab.begin("n1", { key: "twice" });
    lab.run(30);
    expect(failures).toHaveLength(3);
    expect(lab.effects.map(({ effect }) => effect)).toContainEqual(
      expect.objectContaining({ kind: "refused", reason: "look_up_failed" }),
    );
    // Certainly not written, so it is tried again.
    lab.run(200);
    expect(twice.outcome()).toMatchObject({ kind: "written" });
    expect(lab.leaderChanges()).toEqual([]);
    lab.finish();
  });

  it("refuses a condition on the head as not written, once its time is over and no majority has answered", () => {
    const lab = new Lab({ timing: { requestTimeoutMs: DEFAULT_TIMING.electionTimeoutMs / 2 } }).form();
    lab.drop(({ to, body }) => to === "n1" && body.kind === "append_answer");
    const outcomes: string[] = [];
    const write = { events: prepare(new Random(5), { source: "conditional" }), ifPreviousHash: "0".repeat(64) };
    lab.node("n1").write(write, ({ kind }) => outcomes.push(kind));
    lab.until("it is answered", () => outcomes.length > 0, lab.timing.electionTimeoutMs);
    expect(outcomes).toEqual(["not_written"]);
    const refused = lab.effects.flatMap(({ effect }) => (effect.kind === "refused" ? [effect.reason] : []));
    expect(refused).toEqual(["expired"]);
    expect(lab.leaderChanges()).toEqual([]);
    lab.finish();
  });

  it("does not refuse a condition on the head by its own head when it has been deposed", () => {
    const lab = new Lab().form();
    lab.split(["n1"], ["n2", "n3"]);
    for (const id of ["n2", "n3"]) lab.node(id).input({ kind: "gone", peer: "n1" });
    lab.until("n2 leads", () => lab.leader?.id === "n2", 500);
    lab.writeTo("n2", 200);
    // To itself it leads still, and its head is an older one.
    expect(lab.node("n1").standing.role).toBe("leader");
    const { headHash } = lab.node("n2").view;
    const outcomes: string[] = [];
    const write = { events: prepare(new Random(5), { source: "conditional" }), ifPreviousHash: headHash };
    lab.node("n1").write(write, ({ kind }) => outcomes.push(kind));
    lab.run(300);
    expect(outcomes).toEqual([]);
    lab.network.mendAll();
    lab.until("it is answered", () => outcomes.length > 0);
    expect(outcomes).toEqual(["written"]);
    lab.finish();
  });

  it("does not say that a majority stands behind it after a pause, until one has answered", () => {
    const lab = new Lab().form();
    const n1 = lab.node("n1");
    const isSaid = (): boolean | undefined => n1.process?.driver.standing()?.hasQuorum;
    expect(isSaid()).toBe(true);
    // Shorter than the others wait for it, so that it leads on.
    n1.pause();
    lab.run(600);
    expect(isSaid()).toBe(false);
    const undo = lab.drop(({ to }) => to === "n1");
    n1.resume();
    lab.run(50);
    expect([n1.view.role, isSaid()]).toEqual(["leader", false]);
    undo();
    lab.run(150);
    expect([n1.view.role, isSaid()]).toEqual(["leader", true]);
    lab.finish();
  });

  it("refuses a condition on the head that differs as soon as a majority has answered", () => {
    const lab = new Lab().form();
    const outcomes: string[] = [];
    const random = new Random(6);
    const submit = (): void => {
      const write = { events: prepare(random, { source: "conditional" }), ifPreviousHash: "f".repeat(64) };
      lab.node("n2").write(write, ({ kind }) => outcomes.push(kind));
    };
    for (let i = 0; i < 20; i++) submit();
    lab.run(60);
    expect(outcomes).toEqual(Array.from({ length: 20 }, () => "head_differs"));
    lab.finish();
  });
});
