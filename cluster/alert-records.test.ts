import { expect, it } from "vitest";
import type { AlertRecords, Maintenance } from "../shared/log/control.js";
import { logAlerts, logMaintenance } from "./alert-records.js";
import type { Core } from "./core.js";

/** Only what is looked at is filled; nothing is sealed. */
function core(controls: unknown[] | null): Core {
  const leader = controls === null ? null : { controls };
  const members = new Map(["n1", "n2", "n3"].map((id) => [id, { keys: { block: id } }]));
  const log = { tail: { height: 0, members } };
  return { leader, members, config: { limits: { waitingAdmissionsMax: 4 } }, log } as unknown as Core;
}
const of = (node: string): AlertRecords => ({ kind: "alert_records", node }) as unknown as AlertRecords;

it("takes the records of a node while none of its own wait, up to half of the places", () => {
  const controls: unknown[] = [];
  for (const node of ["n1", "n1", "n2", "n3"]) logAlerts(core(controls), of(node));
  expect(controls).toEqual([of("n1"), of("n2")]);
});

it("takes the same word on maintenance once while it waits, and of all control records up to half of the places", () => {
  const controls: unknown[] = [];
  const said = (reason: string): Maintenance => ({
    ...{ node: "n1", from: "2030-01-01T00:00:00.000Z", until: "2030-01-01T01:00:00.000Z", actor: "ada", reason },
  });
  for (const reason of ["a", "a", "b", "c"]) logMaintenance(core(controls), said(reason));
  logAlerts(core(controls), of("n1"));
  expect(controls).toEqual(["a", "b"].map((reason) => ({ kind: "maintenance", ...said(reason) })));
});

it("takes none where another node leads", () => {
  const none = core(null);
  logAlerts(none, of("n1"));
  logMaintenance(none, {} as Maintenance);
  expect(none.leader).toBeNull();
});
