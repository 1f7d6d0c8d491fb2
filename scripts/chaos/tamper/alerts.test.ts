import { expect, it } from "vitest";
import { type Alert, furtherKinds } from "./alerts.js";

const alert = (kind: string, node: string, heights: Alert["heights"]): Alert => ({
  ...{ id: `${kind} ${node}`, kind, node, accused: node, detail: "" },
  ...(heights === undefined ? {} : { heights }),
});

it("tells what else is said of the same blocks of the same nodes", () => {
  const alerts = [
    alert("record_modified", "n1", [[10, 99]]),
    alert("payload_modified", "n1", [
      [3, 3],
      [70, 80],
    ]),
    alert("header_modified", "n2", [[99, 120]]),
    alert("missing", "n1", [
      [1, 9],
      [100, 101],
    ]),
    alert("missing", "n3", [[10, 99]]),
    alert("watch_down", "n1", undefined),
  ];
  const heights = [10, 99] as const;
  const of = (nodes: string[], kinds: string[]) => furtherKinds(alerts, { nodes, kinds, heights });
  expect(of(["n1", "n2"], ["record_modified"])).toEqual(["payload_modified too on n1", "header_modified too on n2"]);
  expect(of(["n1"], ["record_modified", "payload_modified"])).toEqual([]);
});
