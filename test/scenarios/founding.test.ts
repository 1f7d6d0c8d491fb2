import { expect, it } from "vitest";
import { fakeKeys } from "../sim/fake-crypto.js";
import type { SimNode } from "../sim/node.js";
import { Lab } from "./lab.js";

const wipe = (lab: Lab, node: SimNode): void => node.disk.wipe(lab.random.hex(16), fakeKeys(lab.random));
const hasList = (node: SimNode): boolean => node.disk.hardState?.forming != null;

it.each([
  ["n1", "n2"],
  ["n1", "n3"],
  ["n2", "n3"],
] as const)("begins a log while the link between %s and %s is cut", (a, b) => {
  const lab = new Lab();
  lab.split([a], [b]);
  lab.startAll();
  lab.until("somebody leads", () => lab.leader !== undefined);
  lab.writeTo(lab.leader?.id ?? "");
  lab.finish();
});

it("does not begin one before every founder has stored the list, whoever passes that on", () => {
  const lab = new Lab();
  lab.split(["n1"], ["n3"]);
  lab.node("n3").store.behaviour.held = ({ kind }) => kind === "save_state";
  lab.startAll();
  lab.timeouts(1.5);
  expect(lab.checkers.history.committed).toHaveLength(0);
  lab.node("n3").store.behaviour.held = () => false;
  lab.node("n3").store.next();
  lab.until("the log begins", () => lab.checkers.history.committed.length > 0);
  lab.finish();
});

it("names a node whose list of founders is another one", () => {
  const lab = new Lab();
  const undo = lab.drop(({ body }) => body.kind === "vote" || body.kind === "pre_vote");
  lab.startAll();
  lab.until("n1 has the list", () => lab.node("n1").disk.hardState?.forming != null);
  const heartbeat = lab.message("n3", "n1", { kind: "election", tail: { term: 0, height: 0 } as never });
  for (let i = 0; i < 3; i++) lab.deliver({ ...heartbeat, formingHash: "f".repeat(64) });
  expect(lab.notes("other_founders")).toEqual([{ node: "n1", note: { code: "other_founders", node: "n3" } }]);
  undo();
  lab.finish();
});

it("forms a log with others that begin anew after it has met a list that does not name its join", () => {
  const lab = new Lab();
  const undo = lab.drop(({ body }) => body.kind === "vote" || body.kind === "pre_vote");
  lab.startAll();
  lab.until("all have the list", () => lab.nodes.every(hasList));
  for (const node of lab.nodes) node.crash();
  const [n1, n2, n3] = lab.nodes as [SimNode, SimNode, SimNode];
  wipe(lab, n3);
  n3.start();
  n1.start();
  lab.timeouts(3);
  expect(n3.view.isForming).toBe(false);
  n1.crash();
  for (const node of [n1, n2]) wipe(lab, node);
  undo();
  n1.start();
  n2.start();
  lab.until("somebody leads", () => lab.leader !== undefined);
  lab.writeTo("n3");
  lab.finish();
});

it("lists a founder that lost its disk before there is a list by its new join, once it has been heard", () => {
  const lab = new Lab();
  const [, n2, n3] = lab.nodes as [SimNode, SimNode, SimNode];
  lab.split([n2.id], ["n1", "n3"]);
  lab.startAll();
  lab.timeouts(1);
  // n1 has heard n3, and both miss n2.
  expect(lab.nodes.some(hasList)).toBe(false);
  n3.crash();
  wipe(lab, n3);
  lab.timeouts(2);
  lab.network.mendAll();
  lab.timeouts(2);
  expect(lab.nodes.some(hasList)).toBe(false);
  n3.start();
  lab.until("somebody leads", () => lab.leader !== undefined);
  lab.writeTo("n3");
  expect(lab.each(({ view }) => view.isLearner)).toEqual({ n1: false, n2: false, n3: false });
  lab.finish();
});

it("lists a founder that lost its disk, and was back at once, by its new join", () => {
  const lab = new Lab();
  const [n1, n2, n3] = lab.nodes as [SimNode, SimNode, SimNode];
  lab.split([n2.id], [n1.id, n3.id]);
  lab.startAll();
  lab.timeouts(1);
  n3.crash();
  wipe(lab, n3);
  n3.start();
  lab.run(2 * lab.timing.heartbeatMs);
  lab.network.mendAll();
  lab.until("somebody leads", () => lab.leader !== undefined);
  lab.writeTo("n3");
  expect(lab.each(({ view }) => view.isLearner)).toEqual({ n1: false, n2: false, n3: false });
  lab.finish();
});

it("lets a founder that made another list join the log that has begun without it", () => {
  const lab = new Lab();
  const [n1, n2, n3] = lab.nodes as [SimNode, SimNode, SimNode];
  // What n3 says is on its way for long.
  const undo = lab.drop(({ from }) => from === n3.id);
  lab.startAll();
  lab.until("n3 has a list", () => hasList(n3) && lab.sentBy("n3", "join").some(({ body }) => body.record !== null));
  const late = lab.sentBy("n3", "join");
  n3.crash();
  wipe(lab, n3);
  n3.start();
  lab.until("n3 has another one", () => hasList(n3));
  expect([hasList(n1), hasList(n2)]).toEqual([false, false]);
  for (const message of late) lab.deliver(message);
  lab.until("the others have the first one", () => hasList(n1) && hasList(n2));
  undo();
  lab.until("the log has begun", () => lab.checkers.history.committed.length > 0);
  lab.until("n3 is admitted", () => n3.view.commitHeight > 0 && !n3.view.isLearner);
  lab.writeTo("n3");
  lab.finish();
});
