import { expect, it } from "vitest";
import { term } from "../shared/ids.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";
import { takeTerm } from "./terms.js";

/** So far above its own a node believes a term at once. */
const LEAP = 10_000;
const FAR = 100 + LEAP + 1;

/** A node in term 100 of three, which has heard of these terms before. */
function nodeIn(isLearner: boolean, heard: Record<string, number> = {}) {
  const alerts: unknown[] = [];
  const core = {
    term: term(100),
    isLearner,
    quorum: 2,
    highTerms: new Map(Object.entries(heard)),
    becomeFollower: () => undefined,
    saveState: () => undefined,
    alert: (alert: unknown) => alerts.push(alert),
  } as unknown as Core;
  return { alerts, hears: (from: string): boolean => takeTerm(core, { from, term: term(FAR) } as PeerMessage) };
}

it("a voter believes a term from far away once as many speak of such terms as are a majority", () => {
  const { alerts, hears } = nodeIn(false);
  expect([hears("n2"), hears("n2"), hears("n3")]).toEqual([false, false, true]);
  expect(alerts).toHaveLength(2);
});

it("a term that is far away no more says nothing for another one", () => {
  const { hears } = nodeIn(false, { n2: 100 + LEAP });
  expect(hears("n3")).toBe(false);
});

it("a learner believes it at once: it may have been away for long, and votes for nobody", () => {
  const { alerts, hears } = nodeIn(true);
  expect(hears("n2")).toBe(true);
  expect(alerts).toEqual([]);
});
