import { expect, it } from "vitest";
import { CLOCK_OFF_MS_MAX } from "../../cluster/clocks.js";
import { exactMillis } from "../../shared/timestamp.js";
import { Lab } from "./lab.js";

const HOUR_MS = 3_600_000;
/** Messages take a few milliseconds. */
const LATEST_MS = CLOCK_OFF_MS_MAX + 1_000;

/** How far the newest block's stamp is from what the right clocks show. */
function stampMs(lab: Lab): number {
  const tail = lab.node("n2").disk.at(lab.tailOf("n2"));
  return (exactMillis(tail?.block.header.sealedAt ?? "") ?? 0) - lab.node("n2").wallMs;
}
const namedBy = (lab: Lab, id: string): string[] => lab.node(id).view.clocksOff.map(({ node }) => node);

it.each([8, -8])(
  "a leader whose clock jumps by %i hours stamps within a minute of the others', and is named once",
  (hours) => {
    const lab = new Lab().form();
    const n1 = lab.node("n1");
    n1.shiftWall(hours * HOUR_MS);
    lab.writeTo("n1");
    expect(Math.abs(stampMs(lab))).toBeLessThan(LATEST_MS);
    expect(lab.checkers.clocks.named).toEqual([]);
    lab.timeouts(3);
    lab.writeTo("n2");
    expect(Math.abs(stampMs(lab))).toBeLessThan(LATEST_MS);
    lab.timeouts(10);
    expect(lab.checkers.clocks.named).toEqual(["n1"]);
    for (const id of ["n1", "n2", "n3"]) expect(namedBy(lab, id)).toEqual(["n1"]);

    // Set right again, nothing is held up for longer than the minute that it may be ahead.
    n1.shiftWall(-hours * HOUR_MS);
    lab.run(CLOCK_OFF_MS_MAX);
    lab.writeTo("n1");
    expect(Math.abs(stampMs(lab))).toBeLessThan(1_000);
    for (const id of ["n1", "n2", "n3"]) expect(namedBy(lab, id)).toEqual([]);
    lab.finish();
  },
);

it("a cluster that is founded by a node whose clock is ahead begins with the others' time", () => {
  const lab = new Lab();
  lab.node("n1").shiftWall(8 * HOUR_MS);
  lab.form();
  expect(exactMillis(lab.node("n1").disk.at(1)?.block.header.sealedAt ?? "")).toBeLessThan(
    lab.node("n2").wallMs + CLOCK_OFF_MS_MAX,
  );
  lab.finish();
});

it("a node whose clock is off leaves the lead to others, and leads where no other can", () => {
  const lab = new Lab({ timing: { takeoverCooldownMs: 1_200 } }).form();
  const n1 = lab.node("n1");
  n1.shiftWall(8 * HOUR_MS);
  lab.timeouts(4);
  n1.input({ kind: "hand_over", target: "n2" });
  lab.until("n2 leads", () => lab.leader?.id === "n2");
  lab.timeouts(10);
  expect(lab.leader?.id).toBe("n2");
  // Of the two that are left, n1 ranks higher.
  lab.node("n2").crash();
  lab.until("n3 leads", () => lab.leader?.id === "n3");
  lab.node("n2").start();
  lab.timeouts(2);

  // Whoever else is elected does not get its blocks through; n1 alone does.
  for (const id of ["n2", "n3"]) lab.node(id).input({ kind: "campaigns_late", isLate: true });
  lab.node("n3").crash();
  lab.drop(({ from, body }) => from === "n2" && (body.kind === "pre_vote" || body.kind === "vote"));
  lab.until("n1 leads", () => lab.leader?.id === "n1");
  lab.writeTo("n2");
  expect(stampMs(lab)).toBeLessThan(LATEST_MS);
  for (const id of ["n2"]) lab.node(id).input({ kind: "campaigns_late", isLate: false });
  n1.shiftWall(-8 * HOUR_MS);
  lab.finish();
});

it("a follower says once that its own clock is off, and anew after it was right", () => {
  const lab = new Lab({ nodes: 5 }).form();
  const [n2, n3] = [lab.node("n2"), lab.node("n3")];
  const said = (): number => lab.notes("own_clock_off").filter(({ node }) => node === "n2").length;
  for (const node of [n2, n3]) node.shiftWall(8 * HOUR_MS);
  lab.timeouts(6);
  expect(said()).toBe(1);
  // That another one's is set right is nothing to it.
  n3.shiftWall(-8 * HOUR_MS);
  lab.timeouts(6);
  expect(said()).toBe(1);
  n2.shiftWall(-8 * HOUR_MS);
  lab.timeouts(6);
  n2.shiftWall(8 * HOUR_MS);
  lab.timeouts(6);
  expect(said()).toBe(2);
  n2.shiftWall(-8 * HOUR_MS);
  lab.finish();
});

it("of two clocks that differ nobody says which is off, and the stamps keep to the earlier", () => {
  const lab = new Lab().form();
  lab.node("n3").crash();
  lab.timeouts(5);
  lab.node("n1").shiftWall(8 * HOUR_MS);
  lab.timeouts(6);
  lab.writeTo("n1");
  expect(stampMs(lab)).toBeLessThan(LATEST_MS);
  expect(namedBy(lab, "n1")).toEqual([]);
  expect(lab.checkers.clocks.named).toEqual([]);
  lab.finish();
});

it("a machine that was suspended is not named for its sleep", () => {
  const lab = new Lab().form();
  const n2 = lab.node("n2");
  n2.suspend();
  lab.run(10 * CLOCK_OFF_MS_MAX);
  n2.resume();
  lab.timeouts(8);
  expect(lab.checkers.clocks.named).toEqual([]);
  lab.finish();
});
