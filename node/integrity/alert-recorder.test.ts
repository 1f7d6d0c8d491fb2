import { expect, it } from "vitest";
import type { Input } from "../../cluster/types.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { AlertNote, AlertRecords } from "../../shared/log/control.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { type AlertRecord, StoreError } from "../storage/port.js";
import { AlertLog } from "./alert-log.js";
import { AlertRecorder, type AlertRecorderParts, HAS_ALREADY } from "./alert-recorder.js";

/** n1, which leads; every signature is good. */
function setUp(more: object = {}) {
  const log = new AlertLog();
  const clock = hastyClock();
  const sealed: Input[] = [];
  let take = async (_records: AlertRecords): Promise<unknown> => undefined;
  const members = ["n1", "n2"].map((id) => ({ id, keys: { block: "k" } }));
  const unreadable = new Set<string>();
  const recorder = new AlertRecorder({
    ...{ nodeId: "n1", log, clock, logger: { warn: () => undefined } },
    desk: {
      handle: (_path: string, handler: typeof take) => {
        take = handler;
      },
    },
    ...{ signer: { sign: () => new Uint8Array(64) }, verifier: { verify: () => true } },
    view: () => ({ role: "leader", leaderId: "n1", clusterId: "c".repeat(64), members }),
    submit: (input: Input) => sealed.push(input),
    evidenceHash: async ({ id }: AlertRecord) => {
      if (unreadable.has(id)) throw new StoreError("not_stored", "Invalid time value");
      return "e".repeat(64);
    },
    ...more,
  } as unknown as AlertRecorderParts);
  const { look } = recorder as unknown as { look: () => Promise<void> };
  return {
    ...{ log, clock, sealed, recorder, unreadable, look: look.bind(recorder) },
    take: (records: AlertRecords) => take(records),
  };
}

const note = (n: number, more: Partial<AlertNote> = {}): AlertNote => ({
  ...{ id: "a".repeat(24), n, action: "opened", at: "2030-01-01T00:00:00.000Z" },
  ...{ alertKind: "missing", severity: "critical", accused: "n2", ...more },
});
const of = (...notes: AlertNote[]): AlertRecords => ({
  ...{ kind: "alert_records", node: "n2", notes, signature: "0".repeat(128) },
});

it("takes no records as a leader that are too large for a header, though their finder has signed them", async () => {
  const { take, sealed } = setUp();
  await expect(take(of(note(0, { at: `2030-01-01T00:00:00.${"0".repeat(70_000)}Z` })))).rejects.toThrow("a block can");
  await take(of(note(0)));
  expect(sealed).toHaveLength(1);
});

it("takes nothing that the log has already, so that it keeps out nothing new", async () => {
  const { take, sealed, log, clock } = setUp();
  log.take({ height: 7, control: of(note(0)) } as unknown as BlockHeader);
  await expect(take(of(note(0)))).rejects.toThrow("already");
  await take(of(note(0), note(1)));
  expect(sealed).toHaveLength(1);
  clock.pass(5_000);
});

it("records an alert whose evidence cannot be read after the others, and without it", async () => {
  const { recorder, unreadable, look, clock, sealed, log } = setUp();
  const alert = (id: string): AlertRecord =>
    ({
      ...{ id: id.repeat(24), kind: "missing", severity: "critical", node: "n1", accused: "n1", evidence: [id] },
      history: [{ n: 0, action: "opened", at: "2030-01-01T00:00:00.000Z" }],
    }) as unknown as AlertRecord;
  unreadable.add("a".repeat(24));
  for (const id of ["a", "b"]) recorder.record(alert(id));
  const recorded = (): (readonly [string, string | undefined])[] =>
    sealed.flatMap((input) =>
      input.kind === "log_alerts"
        ? input.records.notes.map(({ id, evidenceHash }) => [id.charAt(0), evidenceHash] as const)
        : [],
    );
  clock.pass(2_000);
  await look();
  expect(recorded()).toEqual([["b", "e".repeat(64)]]);
  const [first] = sealed;
  if (first?.kind !== "log_alerts") throw new Error("nothing was recorded");
  log.take({ height: 7, control: first.records } as unknown as BlockHeader);
  for (let i = 0; i < 40 && sealed.length < 2; i++) {
    clock.pass(6_000);
    await look();
  }
  expect(recorded()[1]).toEqual(["a", undefined]);
});

it("records what was found by then, and not only what was as it was told of", async () => {
  const history = [{ n: 0, action: "opened", at: "2030-01-01T00:00:00.000Z" }];
  const about = { id: "a".repeat(24), kind: "payload_modified", severity: "critical", node: "n1", accused: "n1" };
  const told = { ...about, heights: [[7, 7]], history } as unknown as AlertRecord;
  const { recorder, look, clock, sealed } = setUp();
  const recorded = async (): Promise<unknown> => {
    clock.pass(6_000);
    await look();
    const input = sealed.pop();
    return input?.kind === "log_alerts" ? input.records.notes.map(({ n, heights }) => [n, heights]) : null;
  };
  recorder.record(told);
  recorder.onStored({ ...told, heights: [[7, 1_006]] });
  expect(await recorded()).toEqual([[0, [[7, 1_006]]]]);
  // Of what the log has already nothing is recorded before its next step.
  recorder.onStored({ ...told, id: "b".repeat(24) });
  expect(await recorded()).toEqual([[0, [[7, 1_006]]]]);
});

it("says nothing where the log has it already, and this node's copy of the log does not yet", async () => {
  const warned: unknown[] = [];
  let detail = HAS_ALREADY;
  const request = async (): Promise<unknown> => ({ kind: "refused", detail });
  const { recorder, look, clock } = setUp({
    view: () => ({ role: "follower", leaderId: "n2", clusterId: "c".repeat(64), members: [] }),
    logger: { warn: (...what: unknown[]) => warned.push(what) },
    desk: { handle: () => undefined, request },
  });
  const history = [{ n: 0, action: "opened", at: "2030-01-01T00:00:00.000Z" }];
  recorder.record({ id: "a".repeat(24), kind: "missing", history } as unknown as AlertRecord);
  const sendAgain = (): Promise<void> => {
    clock.pass(6_000);
    return look();
  };
  await sendAgain();
  expect(warned).toEqual([]);
  detail = "This node does not lead.";
  await sendAgain();
  expect(warned).toHaveLength(1);
});

it("knows two alerts of one id apart by their nodes", () => {
  const { log } = setUp();
  log.take({ height: 7, control: of(note(0)) } as unknown as BlockHeader);
  log.take({ height: 8, control: { ...of(note(9, { action: "dismissed" })), node: "n3" } } as unknown as BlockHeader);
  expect(log.find("a".repeat(24), "n2")).toMatchObject({ node: "n2", status: "open" });
  expect(log.find("a".repeat(24), "n3")).toMatchObject({ node: "n3", status: "resolved" });
});
