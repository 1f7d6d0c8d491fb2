import { expect, it } from "vitest";
import type { BlockHeader } from "../../shared/log/block.js";
import type { AlertNote } from "../../shared/log/control.js";
import { AlertLog, NODE_ALERTS_MAX, NODE_CHARACTERS_MAX } from "./alert-log.js";

const AT = "2026-01-01T00:00:00.000Z";
const idOf = (n: number): string => n.toString(16).padStart(24, "0");
const note = (n: number, more: Partial<AlertNote> = {}): AlertNote => ({
  ...{
    id: idOf(n),
    n: 0,
    action: "opened",
    at: AT,
    alertKind: "payload_modified",
    severity: "critical",
    accused: "n1",
  },
  ...more,
});

function filled() {
  const log = new AlertLog();
  let height = 0;
  const take = (node: string, ...notes: AlertNote[]): boolean => {
    height += 1;
    return log.take({
      height,
      control: { kind: "alert_records", node, notes, signature: "" },
    } as unknown as BlockHeader);
  };
  return { log, take };
}

it("keeps a bounded number of a node's alerts, what is over going first, and takes no room from other nodes", () => {
  const { log, take } = filled();
  take("n2", note(1));
  take("n1", note(1));
  take("n1", note(2), note(2, { n: 1, action: "dismissed" }));
  for (let i = 3; i <= NODE_ALERTS_MAX; i++) take("n1", note(i));
  expect(log.all).toHaveLength(NODE_ALERTS_MAX + 1);
  take("n1", note(100_000));
  expect([log.find(idOf(1), "n1")?.status, log.find(idOf(2), "n1"), log.find(idOf(1), "n2")?.status]).toEqual([
    "open",
    null,
    "open",
  ]);
  for (let i = 200_000; i < 200_000 + 2 * NODE_ALERTS_MAX; i++) take("n1", note(i));
  expect(log.all).toHaveLength(NODE_ALERTS_MAX + 1);
  expect([log.find(idOf(1), "n1"), log.find(idOf(1), "n2")?.node]).toEqual([null, "n2"]);
  // What is forgotten is not recorded once more.
  expect([log.lastStep("n1", idOf(2)), log.lastStep("n1", idOf(1)), log.lastStep("n3", idOf(1))]).toEqual([1, 0, -1]);
});

it("keeps a bounded size of a node's alerts, however long their reasons", () => {
  const { log, take } = filled();
  const reason = "r".repeat(1_000);
  const each = 10;
  const count = 2 * Math.ceil(NODE_CHARACTERS_MAX / (each * reason.length));
  for (let i = 0; i < count; i++)
    for (let n = 0; n < each; n++) take("n1", note(i, { n, action: "acknowledged", actor: "a", reason }));
  const kept = log.all;
  expect(kept.length).toBeGreaterThan(count / 4);
  expect(JSON.stringify(kept.map(({ history }) => history)).length).toBeLessThan(NODE_CHARACTERS_MAX);
  expect(kept.at(-1)?.id).toBe(idOf(count - 1));
  expect(kept.at(-1)?.history).toHaveLength(each);
});

it("says of a node what nobody has resolved", () => {
  const { log, take } = filled();
  take("n1", note(1), note(2));
  take("n1", note(2, { n: 1, action: "repaired" }));
  expect(log.unresolvedOf("n1").map(({ id }) => id)).toEqual([idOf(1)]);
  expect(log.unresolvedOf("n2")).toEqual([]);
});
