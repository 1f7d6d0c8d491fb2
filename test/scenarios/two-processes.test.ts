import { describe, expect, it } from "vitest";
import type { NodeId } from "../../shared/ids.js";
import type { SimProcess } from "../sim/process.js";
import { Lab } from "./lab.js";

/** The process of a node stops, and while others write somebody starts a second one on its database. */
function besideItself(id: NodeId): { lab: Lab; first: SimProcess } {
  const lab = new Lab().form();
  const node = lab.node(id);
  lab.begin(id);
  node.pause();
  // What comes now the stopped process finds when it goes on.
  const { outcome } = lab.begin("n2");
  lab.timeouts(1);
  const first = node.startBeside();
  if (first === null) throw new Error("it did not stop");
  lab.until("the second one has the log", () => !node.isDoubtful && lab.leader !== undefined);
  lab.until("what was written before is answered", () => outcome() !== null, 6_000);
  for (let i = 0; i < 3; i++) lab.writeTo(lab.leader?.id ?? "n2");
  lab.until("all are level", () => lab.nodes.every((it) => it.commitHeight === lab.tailOf("n2")));
  return { lab, first };
}

/** What it says from now on. */
function listen(process: SimProcess): string[] {
  const said: string[] = [];
  const send = process.send.bind(process);
  process.send = (message, ref) => {
    said.push(message.body.kind);
    send(message, ref);
  };
  return said;
}

describe.each(["n1", "n3"])("two processes on the database of %s, which led or did not", (id) => {
  it("are one soon: the one that was stopped ends, having acknowledged nothing and voted for nobody", () => {
    const { lab, first } = besideItself(id);
    const term = lab.leader?.view.term;
    const said = listen(first);
    first.resume();
    lab.until("the first one has ended", () => !first.isAlive, 500);
    expect(said.filter((kind) => kind === "append_answer" || kind === "vote_answer" || kind === "vote")).toEqual([]);
    for (let i = 0; i < 3; i++) lab.writeTo(id);
    lab.timeouts(3);
    expect(lab.leader?.view.term).toBe(term);
    expect(lab.node(id).isUp).toBe(true);
    lab.finish();
  });

  it("are one also if the second one has died when the first goes on", () => {
    const { lab, first } = besideItself(id);
    lab.node(id).crash();
    first.resume();
    lab.until("the first one has ended", () => !first.isAlive, 500);
    lab.timeouts(3);
    lab.node(id).start();
    lab.finish();
  });
});
