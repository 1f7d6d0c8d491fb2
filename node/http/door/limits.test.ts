import { describe, expect, it } from "vitest";
import { utf8 } from "../../../shared/bytes.js";
import { BLOCK_BYTES_MAX, EVENT_BYTES_MAX_DEFAULT } from "../../../shared/limits.js";
import { type FieldError, PROBLEMS, ProblemError } from "../../problems.js";
import { admitBatch, admitEvent, type DoorApi } from "./door.js";

const options = { eventBytesMax: EVENT_BYTES_MAX_DEFAULT, now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
const json = (body: string) => ({ contentType: "application/json", body: utf8(body) });
const admit = (body: string, api: DoorApi = "own") => admitEvent(json(body), api, options);
const withPayload = (payload: string) => `{"eventType":"INFO","sourceAppId":"app","dataPayload":${payload}}`;

function problem(work: () => unknown): { status: number; errors: readonly FieldError[] } {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return { status: PROBLEMS[error.code].status, errors: error.errors };
    throw error;
  }
  throw new Error("it was accepted");
}

describe("the schema at the door", () => {
  it("tells every field error at once, with pointers; 422 on our API and 400 on the references", () => {
    const body = '{"eventType":7,"timestamp":"yesterday","dataPayload":[],"extra":1}';
    const { status, errors } = problem(() => admit(body));
    expect(status).toBe(422);
    expect(errors.map((error) => error.pointer).sort()).toEqual([
      "#/dataPayload",
      "#/eventType",
      "#/extra",
      "#/sourceAppId",
      "#/timestamp",
    ]);
    expect(errors.find((error) => error.pointer === "#/sourceAppId")?.detail).toBe("is required");
    for (const api of ["reference_a", "reference_b"] as const) {
      const answer = problem(() => admit(body, api));
      expect(answer.status).toBe(400);
      expect(answer.errors).toHaveLength(5);
    }
  });

  it("joins what cannot be carried and what is not valid in one answer", () => {
    const { status, errors } = problem(() => admit('{"eventType":"x","dataPayload":{"a":1e999}}'));
    expect(status).toBe(400);
    expect(errors.map((error) => error.pointer)).toEqual(["#/dataPayload/a", "#/sourceAppId"]);
  });

  it.each(["[]", "null", '"x"', "7", "true"])("refuses %s as a body", (body) => {
    expect(problem(() => admit(body)).errors).toEqual([{ pointer: "#", detail: "must be a JSON object" }]);
  });

  it.each([
    ["eventType", '""', false],
    ["eventType", JSON.stringify("x".repeat(256)), true],
    ["eventType", JSON.stringify("x".repeat(257)), false],
    ["eventType", JSON.stringify("😀".repeat(256)), true],
    ["eventType", JSON.stringify("😀".repeat(257)), false],
    ["sourceAppId", '"a\\nb"', false],
    ["sourceAppId", '"a\\u007fb"', false],
    ["sourceAppId", "null", false],
    ["timestamp", '"2026-02-30T00:00:00Z"', false],
    ["timestamp", '"2026-05-01T12:00:00"', true],
    ["timestamp", JSON.stringify(`2026-05-01T12:00:00.${"0".repeat(43)}Z`), true],
    ["timestamp", JSON.stringify(`2026-05-01T12:00:00.${"0".repeat(44)}Z`), false],
    ["timestamp", '"9999-12-31T23:59:59-01:00"', false],
    ["timestamp", "1714564800000", false],
    ["timestamp", "null", false],
    ["timestamp", '""', false],
    ["dataPayload", "null", false],
    ["dataPayload", '"x"', false],
  ])("%s %s", (field, value, isValid) => {
    const fields: Record<string, string> = { eventType: '"T"', sourceAppId: '"S"', dataPayload: "{}", [field]: value };
    const body = `{${Object.entries(fields)
      .map(([key, text]) => `"${key}":${text}`)
      .join(",")}}`;
    if (isValid) admit(body);
    else expect(problem(() => admit(body)).errors.map((error) => error.pointer)).toEqual([`#/${field}`]);
  });

  it("takes previousHash on reference A only, as a condition", () => {
    const body = (hash: string) => `{"eventType":"T","sourceAppId":"S","dataPayload":{},"previousHash":${hash}}`;
    expect(admit(body('""'), "reference_a").ifPreviousHash).toBe("");
    expect(admit(body(`"${"a".repeat(64)}"`), "reference_a").ifPreviousHash).toBe("a".repeat(64));
    expect(problem(() => admit(body('"abc"'), "reference_a")).errors[0]?.pointer).toBe("#/previousHash");
    expect(problem(() => admit(body('""'), "reference_b")).status).toBe(400);
    expect(problem(() => admit(body('""'))).status).toBe(422);
  });
});

describe("sizes at the door", () => {
  const sized = (bytes: number) => {
    const empty = withPayload('{"a":""}');
    return withPayload(`{"a":"${"x".repeat(bytes - empty.length)}"}`);
  };

  it("takes an event of 256 KiB as compact JSON, and refuses one byte more", () => {
    admit(sized(EVENT_BYTES_MAX_DEFAULT));
    expect(problem(() => admit(sized(EVENT_BYTES_MAX_DEFAULT + 1))).status).toBe(413);
  });

  it("counts neither white space nor escapes", () => {
    admit(sized(EVENT_BYTES_MAX_DEFAULT).replace('"a":', ' "\\u0061"  :\n'));
  });

  it("takes the event with the most values that its size allows, and refuses a batch that would hold up the node", () => {
    const zeros = (count: number) => withPayload(`{"a":[${Array(count).fill("0").join(",")}]}`);
    admit(zeros(EVENT_BYTES_MAX_DEFAULT / 2 - 100));
    const events = Array(16)
      .fill(zeros(EVENT_BYTES_MAX_DEFAULT / 2 - 100))
      .join(",");
    expect(problem(() => admitBatch(json(`{"events":[${events}]}`), options)).status).toBe(413);
  });

  it("takes a batch of 1,000 in order, each with its place, and refuses 1,001", () => {
    const batch = (count: number) =>
      admitBatch(json(`{"events":[${Array(count).fill(withPayload("{}")).join(",")}]}`), options);
    const events = batch(1_000);
    expect(events[7]?.batch).toEqual([7, 1_000]);
    expect(new Set(events.map((event) => event.id)).size).toBe(1_000);
    expect(problem(() => batch(1_001)).status).toBe(413);
    expect(problem(() => batch(0)).errors[0]?.pointer).toBe("#/events");
  });

  it("refuses a batch that would not fit one block, and names a bad event by its place", () => {
    const each = 100_000;
    const batch = (count: number) =>
      admitBatch(json(`{"events":[${Array(count).fill(sized(each)).join(",")}]}`), options);
    const fits = Math.floor(BLOCK_BYTES_MAX / (each + 700));
    expect(batch(fits)).toHaveLength(fits);
    expect(problem(() => batch(42)).status).toBe(413);
    const bad = () => admitBatch(json(`{"events":[${withPayload("{}")},{"eventType":"x"}],"more":1}`), options);
    expect(problem(bad).errors.map((error) => error.pointer)).toEqual([
      "#/events/1/sourceAppId",
      "#/events/1/dataPayload",
      "#/more",
    ]);
  });
});
