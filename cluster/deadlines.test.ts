import { expect, it } from "vitest";
import type { Core } from "./core.js";
import { refuseExpiredWaiting } from "./deadlines.js";
import type { LeaderState, Queued } from "./leader-state.js";

const until = (proposalId: number, deadline: number): Queued =>
  ({ proposal: { proposalId, deadline, events: [{ id: `${proposalId}` }] }, bytes: 1 }) as unknown as Queued;

it("refuses look-ups and refusals that wait once their time is over, and no others", () => {
  const refused: unknown[] = [];
  const core = { now: 10, refuse: (...told: unknown[]) => refused.push(told) } as unknown as Core;
  const leader = {
    lookUps: new Map([until(1, 10), until(2, 11)].map((queued) => [queued.proposal.proposalId, queued])),
    refusals: [until(3, 10), until(4, 11)].map((queued) => ({ queued })),
    reserved: new Map(),
    queueBytes: 4,
  };
  refuseExpiredWaiting(core, leader as unknown as LeaderState);
  expect(refused).toEqual([
    [1, "expired"],
    [3, "expired"],
  ]);
  expect([...leader.lookUps.keys()]).toEqual([2]);
  expect(leader.refusals.map(({ queued }) => queued.proposal.proposalId)).toEqual([4]);
});
