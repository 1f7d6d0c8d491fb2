import { expect, it } from "vitest";
import { fromHex, utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { checkEventView, type EventView, payloadCommitment } from "../../shared/log/event.js";
import { alteredEvent, pathOf, recompute, rowsOf } from "./altered-event.js";

const blank = {
  ...{ v: 1, sequence: 7, id: "a".repeat(24), eventType: "invoice.approved", timestamp: "2026-01-01T00:00:00.000Z" },
  ...{ sourceAppId: "billing", payloadSalt: "0".repeat(32), payloadHash: "", recordedAt: "2026-01-01T00:00:00.000Z" },
  ...{ dataPayload: { amount: 125_000, "a b": [1, { c: true }] }, previousHash: "", hash: "", height: 3, term: 1 },
} as unknown as EventView;
const { payloadHash, hash } = recompute(blank) as { payloadHash: string; hash: string };
const committed = { ...blank, payloadHash, hash } as EventView;

it("both hashes are those that the log has", () => {
  expect(checkEventView(committed)).toBeNull();
  expect(recompute(committed)).toEqual({ payloadHash, hash });
});

it("the altered event has the values that were found, and its hash is another", () => {
  const altered = alteredEvent(committed, [
    { height: 3, sequence: 7, field: "dataPayload.amount", stored: 25_000, expected: 125_000 },
    { height: 3, sequence: 7, field: 'dataPayload["a b"][1].c', stored: false, expected: true },
    { height: 3, sequence: 7, field: "sourceAppId", stored: "other", expected: "billing" },
    { height: 3, sequence: 7, field: "idempotencyKey", stored: "k" },
  ]) as EventView;
  expect(altered.dataPayload).toEqual({ amount: 25_000, "a b": [1, { c: false }] });
  expect([altered.sourceAppId, altered.idempotencyKey]).toEqual(["other", "k"]);
  const payload = utf8(canonicalText(altered.dataPayload));
  expect(recompute(altered)?.payloadHash).toBe(payloadCommitment(fromHex(committed.payloadSalt), payload));
  expect(recompute(altered)?.hash).not.toBe(hash);
  expect(committed.dataPayload).toEqual(blank.dataPayload);
});

it("a value that is gone is gone, and a key of any name is only a key", () => {
  const without = alteredEvent(committed, [{ height: 3, field: "dataPayload.amount", expected: 125_000 }]);
  expect(without?.dataPayload).toEqual({ "a b": [1, { c: true }] });
  const odd = alteredEvent(committed, [{ height: 3, field: "dataPayload.__proto__", stored: 1 }]) as EventView;
  expect(Object.keys(odd.dataPayload)).toContain("__proto__");
});

it.each(["records", "record", "header.term", "dataPayload.none.there", "dataPayload[", "blockHash"])(
  "what %s was is not made up",
  (field) => {
    expect(alteredEvent(committed, [{ height: 3, field, stored: 1 }])).toBeNull();
  },
);

it("a value that was told in part is not taken for the whole", () => {
  expect(alteredEvent(committed, [{ height: 3, field: "dataPayload.amount", stored: "long…" }])).toBeNull();
});

it("paths are read as nodes write them", () => {
  expect(pathOf('dataPayload.order["a.b"][3].x-y')).toEqual(["dataPayload", "order", "a.b", "3", "x-y"]);
  expect(pathOf("a b")).toBeNull();
});

it("rows stand in the order of the event, the others beside", () => {
  const rows = rowsOf(committed, [
    { height: 3, field: "dataPayload.extra", stored: "x" },
    { height: 3, field: "dataPayload.amount", stored: 25_000, expected: 125_000 },
  ]);
  expect(rows.map(({ field, isOther }) => [field, isOther])).toEqual([
    ["eventType", false],
    ["sourceAppId", false],
    ["timestamp", false],
    ["dataPayload.amount", true],
    ['dataPayload["a b"][0]', false],
    ['dataPayload["a b"][1].c', false],
    ["dataPayload.extra", true],
  ]);
  expect(rows[3]).toMatchObject({ committed: "125000", stored: "25000" });
  expect(rows[6]).toMatchObject({ committed: "not there", stored: '"x"' });
  expect(rowsOf(committed, [{ height: 3, field: "dataPayload", stored: "text" }]).map(({ field }) => field)).toEqual([
    ...["eventType", "sourceAppId", "timestamp", "dataPayload"],
  ]);
});
