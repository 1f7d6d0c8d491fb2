import { describe, expect, it } from "vitest";
import { Lab } from "./lab.js";

const LINKS = ["n1>n2", "n1>n3", "n2>n1", "n2>n3", "n3>n1", "n3>n2"] as const;

describe("cut links", () => {
  it("the highest-priority node, isolated while another leads, deposes nobody by coming back, and takes over once later", () => {
    const lab = new Lab().form();
    lab.split(["n1"], ["n2", "n3"]);
    lab.until("another leads", () => lab.node("n2").view.role === "leader");
    const { term } = lab.node("n2").view;
    lab.timeouts(100);
    lab.network.mendAll();
    lab.run(0.9 * lab.timing.takeoverCooldownMs);
    const seen = () => lab.each((node) => [node.view.leaderId, node.view.term]);
    expect(seen()).toEqual({ n1: ["n2", term], n2: ["n2", term], n3: ["n2", term] });
    lab.run(lab.timing.takeoverCooldownMs);
    expect(seen()).toEqual({ n1: ["n1", term + 1], n2: ["n1", term + 1], n3: ["n1", term + 1] });
    lab.timeouts(20);
    expect(seen()).toEqual({ n1: ["n1", term + 1], n2: ["n1", term + 1], n3: ["n1", term + 1] });
    lab.finish();
  });

  it.each([
    ["hears", (other: string) => [other, "n1"]],
    ["is heard by", (other: string) => ["n1", other]],
  ] as const)(
    "a preferred node that %s only the leader does not ask for the lead until the others can elect it",
    (_, link) => {
      const lab = new Lab({ nodes: 5 }).form();
      lab.node("n1").crash();
      lab.elect("n2");
      lab.node("n1").start();
      lab.until("all are level", () => lab.isLevel());
      for (const other of ["n3", "n4", "n5"]) lab.network.cut(...(link(other) as [string, string]));
      const changes = lab.leaderChanges().length;
      lab.run(5 * lab.timing.takeoverCooldownMs);
      expect(lab.sentBy("n1", "take_over")).toEqual([]);
      expect(lab.leaderChanges().length).toBe(changes);
      expect(lab.leader?.id).toBe("n2");
      lab.network.mendAll();
      lab.until("n1 leads", () => lab.leader?.id === "n1");
      lab.finish();
    },
  );

  it.each(Array.from({ length: 64 }, (_, mask) => mask))("cuts of mask %i: a connected majority writes", (mask) => {
    const lab = new Lab({ checksWire: false }).form();
    const cut = LINKS.filter((_, i) => (mask >> i) % 2 === 1);
    for (const link of cut) lab.network.cut(...(link.split(">") as [string, string]));
    const isWhole = (a: string, b: string): boolean => !lab.network.isCut(a, b) && !lab.network.isCut(b, a);
    const pairs = [["n1", "n2"] as const, ["n1", "n3"] as const, ["n2", "n3"] as const].filter(([a, b]) =>
      isWhole(a, b),
    );
    lab.timeouts(12);
    const changes = lab.leaderChanges().length;
    lab.timeouts(20);
    if (pairs.length > 0) {
      expect(lab.leader, `no leader with ${cut.join(" ")} cut`).toBeDefined();
      expect(lab.leaderChanges().length, `leadership flaps with ${cut.join(" ")} cut`).toBe(changes);
      lab.writeTo(lab.leader?.id ?? "n1");
    }
    lab.finish();
  });
});
