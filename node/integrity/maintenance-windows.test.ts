import { expect, it } from "vitest";
import { MEMBERS_MAX } from "../../shared/limits.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { Maintenance } from "../../shared/log/control.js";
import type { AlertRecord } from "../storage/port.js";
import { MaintenanceWindows, NODE_WINDOWS_MAX, SHOWN_MAX } from "./maintenance-windows.js";

const FROM = "2030-01-01T10:00:00.000Z";
const UNTIL = "2030-01-01T12:00:00.000Z";
const said = (more: Partial<Maintenance> = {}): Maintenance => ({
  ...{ node: "n2", from: FROM, until: UNTIL, actor: "ada", reason: "mongod is upgraded" },
  ...more,
});
const alertAt = (openedAt: string, more: Partial<AlertRecord> = {}): AlertRecord => ({
  ...{ id: "a".repeat(24), kind: "missing", severity: "critical", node: "n2", accused: "n2", detail: "block 7" },
  ...{ openedAt, lastSeenAt: openedAt, occurrences: 1, status: "open" },
  ...more,
});

function filled() {
  const windows = new MaintenanceWindows();
  const take = (height: number, window: Maintenance): void =>
    windows.take({
      ...{ height, sealedAt: "2030-01-01T09:00:00.000Z" },
      control: { kind: "maintenance", ...window },
    } as BlockHeader);
  return { windows, take };
}

it("annotates the alerts about its node from its beginning on and before its end, and changes nothing else", () => {
  const { windows, take } = filled();
  take(5, said());
  const window = { ...said(), height: 5, recordedAt: "2030-01-01T09:00:00.000Z" };
  for (const at of [FROM, "2030-01-01T11:59:59.999Z"])
    expect(windows.annotated(alertAt(at))).toEqual({ ...alertAt(at), maintenance: [window] });
  for (const alert of [
    alertAt("2030-01-01T09:59:59.999Z"),
    alertAt(UNTIL),
    alertAt(FROM, { node: "n3", accused: "n3" }),
    // n2 accuses another node, on which nobody works.
    alertAt(FROM, { accused: "n1" }),
  ])
    expect(windows.annotated(alert)).toEqual(alert);
  expect(windows.annotated(alertAt(FROM, { node: "n1" })).maintenance).toEqual([window]);
});

it("annotates what was changed meanwhile and found later, and what was found once more", () => {
  const { windows, take } = filled();
  take(5, said());
  const later = "2030-01-02T00:00:00.000Z";
  expect(windows.annotated(alertAt(later, { changedAt: FROM })).maintenance).toHaveLength(1);
  const earlier = "2029-12-31T00:00:00.000Z";
  const history = (action: "reopened" | "acknowledged") => [
    { n: 0, action: "opened", at: earlier } as const,
    { n: 1, action, at: FROM } as const,
  ];
  expect(windows.annotated(alertAt(earlier, { history: history("reopened") })).maintenance).toHaveLength(1);
  expect(windows.annotated(alertAt(earlier, { history: history("acknowledged") })).maintenance).toBeUndefined();
});

it("believes no alert's own word on it", () => {
  const maintenance = [{ ...said(), height: 5, recordedAt: FROM }];
  expect(filled().windows.annotated(alertAt(FROM, { maintenance })).maintenance).toBeUndefined();
});

it("shows the windows that were recorded first, in whatever order it learns of them, and each of the same words once", () => {
  const { windows, take } = filled();
  for (let height = 10; height > 2; height--) take(height, said({ reason: `work ${height}` }));
  take(11, said({ reason: "work 3" }));
  take(3, said({ reason: "work 3" }));
  const shown = windows.annotated(alertAt(FROM)).maintenance ?? [];
  expect(shown.map(({ height }) => height)).toEqual([3, 4, 5, 6].slice(0, SHOWN_MAX));
  expect(windows.all.map(({ height }) => height)).toEqual([10, 9, 8, 7, 6, 5, 4, 3]);
  expect(windows.find(said({ reason: "work 3" }))?.height).toBe(3);
  expect(windows.find(said({ reason: "work" }))).toBeNull();
});

it("keeps a bounded number, of each node the newest, and takes no room from other nodes", () => {
  const { windows, take } = filled();
  take(1, said({ node: "n3" }));
  for (let height = 2; height <= NODE_WINDOWS_MAX + 2; height++) take(height, said({ reason: `work ${height}` }));
  expect(windows.all).toHaveLength(NODE_WINDOWS_MAX + 1);
  expect(windows.find(said({ reason: "work 2" }))).toBeNull();
  expect(windows.find(said({ node: "n3" }))?.height).toBe(1);
  for (let i = 0; i < MEMBERS_MAX; i++) take(1_000 + i, said({ node: `m${i}` }));
  expect(windows.all).toHaveLength(NODE_WINDOWS_MAX + 1 + MEMBERS_MAX - 2);
});
