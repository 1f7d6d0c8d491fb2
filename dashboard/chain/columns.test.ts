import { expect, it } from "vitest";
import type { NodeChain } from "../../shared/protocol/http.js";
import { pictureOf } from "./columns.js";

const link = (sequence: number, hash = `h${sequence}`, previousHash = `h${sequence - 1}`) => ({
  ...{ sequence, hash, previousHash, height: sequence + 1 },
});
const node = (id: string, events: NodeChain["events"], more: Partial<NodeChain> = {}): NodeChain => ({
  ...{ node: id, events, altered: [] },
  ...more,
});
const statesOf = (nodes: NodeChain[], size = 3) =>
  pictureOf({ from: 0, size, nodes }, 24).rows.map(({ cells }) => cells.map(({ state }) => state).join(" "));

it("equal hashes are equal, and what a node does not have yet is no difference", () => {
  const whole = [link(0), link(1), link(2)];
  expect(statesOf([node("n1", whole), node("n2", whole.slice(0, 2))])).toEqual([
    "equal equal equal",
    "equal equal missing",
  ]);
});

it("of two different hashes neither is called the true one, however many nodes name it", () => {
  const whole = [link(0), link(1), link(2)];
  const other = [link(0), link(1, "x"), link(2)];
  const nodes = [node("n1", other), node("n2", whole), node("n3", other)];
  expect(statesOf(nodes)).toEqual(Array(3).fill("equal differs equal"));
  const [cells = []] = pictureOf({ from: 0, size: 3, nodes }, 24).rows.map((row) => row.cells);
  // Its own next event names another hash.
  expect(cells.map(({ isLinked }) => isLinked)).toEqual([null, true, false]);
});

it("an altered block is shown on its node's row only, with why", () => {
  const whole = [link(0), link(1), link(2)];
  const altered = [{ height: 2, from: 1, count: 1, detail: "its body is another one" }];
  const nodes = [node("n1", whole), node("n2", [link(0), link(2)], { altered })];
  expect(statesOf(nodes)).toEqual(["equal equal equal", "equal altered equal"]);
  const kindAt = (id: string, sequence: number) => (id === "n2" && sequence === 1 ? "payload_modified" : undefined);
  const cell = pictureOf({ from: 0, size: 3, nodes }, 24, kindAt).rows[1]?.cells[1];
  expect(cell).toMatchObject({ detail: "block 2: its body is another one", kind: "payload_modified" });
});

it("a node that says nothing is unknown, and the picture ends with the log", () => {
  expect(statesOf([node("n1", [link(0)]), node("n2", [], { detail: "no answer" })], 1)).toEqual(["equal", "unknown"]);
  expect(pictureOf({ from: 5, size: 3, nodes: [] }, 24).sequences).toEqual([]);
});
