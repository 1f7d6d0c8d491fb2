import { describe, expect, it } from "vitest";
import { Lab } from "./lab.js";

/** Bully's order decides who tries; the messages are those of the textbook. */
describe("the election order", () => {
  it("nearly always elects the highest that lives, whoever notices first", () => {
    const winners = new Map<string, number>();
    for (let seed = 1; seed <= 40; seed++) {
      const lab = new Lab({ nodes: 5, seed, checksWire: false }).form();
      lab.node("n1").crash();
      lab.until("another leads", () => lab.leader !== undefined);
      const winner = lab.leader?.id ?? "none";
      winners.set(winner, (winners.get(winner) ?? 0) + 1);
    }
    expect(winners.get("n2") ?? 0, JSON.stringify([...winners])).toBeGreaterThanOrEqual(36);
  });

  it("ALIVE silences a node once: if nothing comes of it, it runs itself", () => {
    const lab = new Lab().form();
    lab.drop(({ from, body }) => from === "n2" && (body.kind === "pre_vote" || body.kind === "vote"));
    lab.node("n1").crash();
    lab.until("n3 leads", () => lab.node("n3").view.role === "leader");
    const silenced = lab.effects.filter(
      ({ node, effect }) => node === "n3" && effect.kind === "role_changed" && effect.reason.code === "higher_alive",
    );
    expect(silenced.length).toBeLessThanOrEqual(1);
    expect(lab.scheduler.now).toBeLessThan(10 * lab.timing.electionTimeoutMs);
    lab.finish();
  });

  it("a node that should not lead lets any other try first, and leads when nobody else can", () => {
    const lab = new Lab().form();
    lab.node("n2").input({ kind: "campaigns_late", isLate: true });
    lab.run(4 * lab.timing.heartbeatMs);
    lab.node("n1").crash();
    lab.until("n3 leads", () => lab.leader?.id === "n3");
    lab.node("n3").crash();
    lab.node("n1").start();
    lab.node("n1").input({ kind: "campaigns_late", isLate: true });
    lab.until("somebody leads", () => lab.leader !== undefined);
    lab.finish();
  });

  it("replaces a dead leader within two election timeouts, as the median of 40 runs", () => {
    const durations: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const lab = new Lab({ seed, checksWire: false }).form();
      const died = lab.scheduler.now;
      lab.node("n1").crash();
      lab.until("another leads", () => lab.leader !== undefined);
      lab.writeTo(lab.leader?.id ?? "");
      durations.push(lab.scheduler.now - died);
    }
    durations.sort((a, b) => a - b);
    const { electionTimeoutMs } = new Lab().timing;
    expect(durations[20]).toBeLessThan(2 * electionTimeoutMs);
    expect(durations.at(-1)).toBeLessThan(5 * electionTimeoutMs);
  });

  it("replaces a leader whose end is noticed by its closed connections well within one election timeout", () => {
    const durations: number[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const lab = new Lab({ seed, checksWire: false, noticesEnd: 1 }).form();
      const died = lab.scheduler.now;
      lab.node("n1").crash();
      lab.until("another leads", () => lab.leader !== undefined);
      durations.push(lab.scheduler.now - died);
    }
    durations.sort((a, b) => a - b);
    expect(durations[10]).toBeLessThan(500);
  });
});
