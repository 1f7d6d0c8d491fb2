import { expect, it } from "vitest";
import { term } from "../../shared/ids.js";
import { Lab } from "./lab.js";

it("a node of another cluster is not heard: neither its term nor its wish for a vote", () => {
  const lab = new Lab({ expectsAlert: () => true }).form();
  const n3 = lab.node("n3");
  const before = { term: n3.view.term, leaderId: n3.view.leaderId };
  const tail = { term: before.term, height: n3.view.tailHeight };
  const vote = lab.message("n2", "n3", { kind: "vote", tail }, { term: term(before.term + 1) });
  lab.deliver({ ...vote, clusterId: "f".repeat(64) });
  expect({ term: n3.view.term, leaderId: n3.view.leaderId }).toEqual(before);
  expect(lab.sentBy("n3", "vote_answer")).toEqual([]);
  lab.finish();
});
