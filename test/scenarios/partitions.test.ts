import { describe, expect, it } from "vitest";
import { term } from "../../shared/ids.js";
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

  it("a preferred node that campaigned meanwhile asks for the lead by none of the answers from before", () => {
    const lab = new Lab({ nodes: 5 }).form();
    lab.node("n1").crash();
    lab.elect("n2");
    lab.node("n1").start();
    lab.until("all are level", () => lab.isLevel());
    lab.sent.length = 0;
    lab.drop(({ from, to, body }) => to === "n1" && from !== "n3" && body.kind === "pre_vote_answer");
    lab.until("n1 asks", () => lab.sentBy("n1", "pre_vote").length > 0);
    lab.run(20);
    const undo = lab.drop(({ from, to }) => from === "n2" && to === "n1");
    lab.until("n1 campaigns", () => lab.node("n1").view.role === "pre_candidate");
    const forTerm = term(lab.node("n1").view.term + 1);
    undo();
    lab.until("n1 follows n2 again", () => lab.node("n1").view.leaderId === "n2");
    const joinNonce = lab.node("n2").disk.hardState?.joinNonce ?? "";
    lab.deliver(lab.message("n2", "n1", { kind: "pre_vote_answer", forTerm, isGranted: false, joinNonce }));
    expect(lab.sentBy("n1", "take_over")).toEqual([]);
    lab.finish();
  });

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
