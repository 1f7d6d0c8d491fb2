import { describe, expect, it } from "vitest";
import type { QuestionTo } from "../../shared/protocol/requests.js";
import type { Outcome } from "../sim/requests.js";
import { Lab } from "./lab.js";

type Question = QuestionTo<"append">;

/** A cluster led by n1, with what its nodes have forwarded since, one request after the other. */
function forwarding(options: ConstructorParameters<typeof Lab>[0] = {}) {
  const lab = new Lab(options).form();
  const sent: number[][] = [];
  const listen: Lab["breaks"] = ({ path }, way, body) => {
    if (path === "append" && way === "question") sent.push((body as Question).writes.map(({ n }) => n));
    return false;
  };
  lab.breaks = listen;
  /** The first question or answer of a forwarded write breaks its connection. */
  const breakOne = (wanted: "question" | "answer"): void => {
    let isBroken = false;
    lab.breaks = (exchange, way, body) => {
      listen(exchange, way, body);
      const breaks = !isBroken && exchange.path === "append" && way === wanted;
      isBroken ||= breaks;
      return breaks;
    };
  };
  const beginSome = (count: number) => Array.from({ length: count }, () => lab.begin("n2").outcome);
  const allAnswered = (outcomes: readonly (() => Outcome | null)[], withinMs = 3_000): (Outcome | null)[] => {
    // Not a moment longer: what comes next may depend on how soon it comes.
    for (let ms = 0; ms < withinMs && outcomes.some((outcome) => outcome() === null); ms++) lab.run(1);
    return outcomes.map((outcome) => outcome());
  };
  return { lab, sent, breakOne, beginSome, allAnswered };
}

const placesOf = (outcomes: readonly (Outcome | null)[]): (number | undefined)[] =>
  outcomes.map((outcome) => (outcome?.kind === "written" ? outcome.events[0]?.sequence : undefined));

describe("writes that come to a following node together", () => {
  it("travel in one request, and each has its own answer", () => {
    const { lab, sent, beginSome, allAnswered } = forwarding();
    const places = placesOf(allAnswered(beginSome(5)));
    expect(sent.filter((numbers) => numbers.length > 0)).toEqual([[1, 2, 3, 4, 5]]);
    expect(new Set(places).size).toBe(5);
    expect(places).not.toContain(undefined);
    lab.finish();
  });

  it("that come while requests are on their way go together in the next one, each once", () => {
    const { lab, sent, beginSome, allAnswered } = forwarding();
    const release = lab.drop(({ from, body }) => from === "n1" && body.kind === "append");
    const outcomes = [];
    for (let i = 0; i < 6; i++) {
      outcomes.push(...beginSome(2));
      lab.run(1);
    }
    lab.run(60);
    release();
    expect(placesOf(allAnswered(outcomes))).not.toContain(undefined);
    const carried = sent.flat();
    expect(carried).toHaveLength(12);
    expect(new Set(carried).size).toBe(12);
    expect(sent.some((numbers) => numbers.length > 2)).toBe(true);
    lab.finish();
  });

  it("go together once their clients were answered together, though they do not come at once", () => {
    const { lab, sent, beginSome, allAnswered } = forwarding();
    expect(placesOf(allAnswered(beginSome(3)))).not.toContain(undefined);
    sent.length = 0;
    const outcomes = [];
    for (let i = 0; i < 3; i++) {
      outcomes.push(...beginSome(1));
      lab.run(1);
    }
    expect(placesOf(allAnswered(outcomes))).not.toContain(undefined);
    expect(sent.map((numbers) => numbers.length)).toEqual([3]);
    lab.finish();
  });

  it("wait a few milliseconds at most for clients that do not write again, once, and a lone one for nobody", () => {
    const { lab, sent, beginSome, allAnswered } = forwarding();
    const sentAfter = (ms: number): number => {
      sent.length = 0;
      const outcomes = beginSome(1);
      lab.run(ms);
      const left = sent.length;
      expect(placesOf(allAnswered(outcomes))).not.toContain(undefined);
      return left;
    };
    allAnswered(beginSome(3));
    expect(sentAfter(1)).toBe(0);
    expect(sentAfter(1)).toBe(1);
    allAnswered(beginSome(3));
    expect(sentAfter(10)).toBe(1);
    lab.finish();
  });

  it.each(["question", "answer"] as const)("are written once when the %s is lost", (way) => {
    const { lab, breakOne, beginSome, allAnswered } = forwarding();
    breakOne(way);
    const places = placesOf(allAnswered(beginSome(4)));
    expect(new Set(places).size).toBe(4);
    expect(places).not.toContain(undefined);
    lab.finish();
  });

  it("are never said to be not written when their answer is lost and nobody leads any more", () => {
    const { lab, breakOne, beginSome, allAnswered } = forwarding();
    breakOne("answer");
    const outcomes = beginSome(3);
    lab.until("they are committed", () => lab.node("n1").commitHeight > lab.node("n3").commitHeight, 500);
    lab.node("n1").crash();
    lab.node("n3").crash();
    expect(allAnswered(outcomes, 10_000)).toEqual(outcomes.map(() => ({ kind: "unknown" })));
    lab.finish();
  });

  it("are written once when the leader is deposed before it has committed them", () => {
    const { lab, beginSome, allAnswered } = forwarding();
    const release = lab.drop(({ from, blocks }) => from === "n1" && blocks.length > 0);
    const outcomes = beginSome(4);
    lab.run(50);
    lab.elect("n3");
    release();
    const places = placesOf(allAnswered(outcomes));
    expect(new Set(places).size).toBe(4);
    expect(places).not.toContain(undefined);
    lab.finish();
  });

  it("are each answered when they are decided: one that waits for its key holds up no other", () => {
    const { lab, sent, allAnswered } = forwarding({ memory: { keyFilterBytes: 1 } });
    for (let i = 0; i < 10; i++) lab.begin("n1", { key: `filling ${i}` });
    lab.until("the filter is full", () => lab.checkers.ledger.acknowledged > 10, 1_000);
    lab.timeouts(1);
    const n1 = lab.node("n1");
    n1.store.behaviour.held = ({ kind }) => kind === "read";
    const keyed = lab.begin("n2", { key: "waits" }).outcome;
    const free = [lab.begin("n2").outcome, lab.begin("n2").outcome];
    expect(placesOf(allAnswered(free, 200))).not.toContain(undefined);
    expect(keyed()).toBeNull();
    // Those that come later are answered, too, and somebody asks for the answer that is still open.
    expect(placesOf(allAnswered([lab.begin("n2").outcome], 200))).not.toContain(undefined);
    lab.run(20);
    expect(sent.filter((numbers) => numbers.length === 0).length).toBeGreaterThan(0);
    n1.store.behaviour.held = () => false;
    n1.store.next();
    expect(placesOf(allAnswered([keyed]))).not.toContain(undefined);
    lab.finish();
  });
});
