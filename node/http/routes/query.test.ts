import { describe, expect, it } from "vitest";
import { type FieldError, ProblemError } from "../../problems.js";
import { readListQuery } from "./event-list.js";
import { readPageQuery } from "./paging.js";
import { QueryReader } from "./query.js";

const pageQuery = (query: object) => readPageQuery(new QueryReader(query));
function errorsOf(work: () => unknown): readonly FieldError[] {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError && error.code === "invalid_parameter") return error.errors;
    throw error;
  }
  return [];
}
const pointers = (query: object): string[] => errorsOf(() => pageQuery(query)).map((error) => error.pointer);

describe("the query of reference API A", () => {
  it("has defaults, and ignores what it does not know", () => {
    expect(pageQuery({ colour: "red", __proto__: "x" })).toEqual({ page: 1, limit: 10, order: "asc", filter: {} });
  });

  it("reads bare dates as whole days in UTC", () => {
    expect(pageQuery({ startDate: "2026-03-01", endDate: "2026-03-01" }).filter).toEqual({
      timestampFrom: { millis: Date.UTC(2026, 2, 1), rest: "" },
      timestampBefore: { millis: Date.UTC(2026, 2, 2), rest: "" },
    });
  });

  it("reads dates without an offset as UTC, and a + that arrived as a space", () => {
    expect(pageQuery({ startDate: "2026-03-01T10:00:00" }).filter.timestampFrom?.millis).toBe(Date.UTC(2026, 2, 1, 10));
    expect(pageQuery({ endDate: "2026-03-01T10:00:00 02:00" }).filter.timestampTo?.millis).toBe(
      Date.UTC(2026, 2, 1, 8),
    );
    expect(pageQuery({ endDate: "2026-03-01 10:00:00" }).filter.timestampTo?.millis).toBe(Date.UTC(2026, 2, 1, 10));
  });

  it.each([
    [{ page: "0" }, "#/page"],
    [{ page: "1e3" }, "#/page"],
    [{ page: " 1" }, "#/page"],
    [{ page: "9999999999" }, "#/page"],
    [{ limit: "1001" }, "#/limit"],
    [{ limit: ["1", "1"] }, "#/limit"],
    [{ order: "DESC" }, "#/order"],
    [{ startDate: "2026-02-30" }, "#/startDate"],
    [{ endDate: "" }, "#/endDate"],
    [{ startDate: "2026-03-02", endDate: "2026-03-01T23:59:59Z" }, "#/startDate"],
    [{ eventType: "" }, "#/eventType"],
    [{ sourceAppId: "a\nb" }, "#/sourceAppId"],
  ])("refuses %j", (query, pointer) => {
    expect(pointers(query)).toEqual([pointer]);
  });

  it("takes equal dates and the largest limit, and tells all errors at once", () => {
    expect(pointers({ startDate: "2026-03-01T00:00:00Z", endDate: "2026-03-01T00:00:00Z", limit: "1000" })).toEqual([]);
    expect(pointers({ page: "x", limit: "x", order: "x", startDate: "x" })).toHaveLength(4);
  });
});

describe("the query of our own list", () => {
  const listQuery = (query: object) => readListQuery(new QueryReader(query), ["user", "order.id"]);
  it("refuses unknown parameters, both cursors at once, and what is no cursor", () => {
    for (const query of [{ colour: "red" }, { after: "czEuMQ", before: "czEuMQ" }, { after: "!" }, { before: "c2Vz" }])
      expect(errorsOf(() => listQuery(query))).toHaveLength(1);
    expect(listQuery({ after: "czEuMQ" }).from).toEqual({ side: "after", sequence: 1 });
  });

  it("reads a type with a star at its end as a prefix, and a literal star where it is escaped", () => {
    expect(listQuery({ eventType: "invoice.*" }).filter).toEqual({ typePrefix: "invoice" });
    expect(listQuery({ eventType: "a\\*.b.*" }).filter).toEqual({ typePrefix: "a*.b" });
    expect(listQuery({ eventType: "invoice.\\*" }).filter).toEqual({ eventType: "invoice.*" });
    expect(listQuery({ eventType: "a.b.c.d.e.f.g.h.*" }).filter).toEqual({ typePrefix: "a.b.c.d.e.f.g.h" });
    for (const eventType of ["*", "a*", "*.a", "a.*.b", ".*", "a.b.c.d.e.f.g.h.i.*"])
      expect(errorsOf(() => listQuery({ eventType }))).toHaveLength(1);
  });

  it("finds numbers and texts of one spelling at an indexed path, and says how to index another", () => {
    expect(listQuery({ "payload.order.id": "42" }).filter.payload).toEqual([
      { path: "order.id", texts: ['"42"', "42"] },
    ]);
    const [error] = errorsOf(() => listQuery({ "payload.amount": "1" }));
    expect(error).toMatchObject({ pointer: "#/payload.amount", detail: expect.stringContaining("INDEX_PAYLOAD") });
    const { linked } = listQuery({ "payload.user": "ada", eventType: "a.*" });
    expect(linked).toEqual([
      ["eventType", "a.*"],
      ["payload.user", "ada"],
    ]);
  });

  it("needs full date-times, and compares all of their digits", () => {
    expect(listQuery({ since: "2026-03-01T01:00:00+01:00" }).filter.recordedSince?.millis).toBe(Date.UTC(2026, 2, 1));
    expect(
      errorsOf(() => listQuery({ since: "2026-03-01T00:00:00.0006Z", until: "2026-03-01T00:00:00.0005Z" })),
    ).toHaveLength(1);
    expect(errorsOf(() => listQuery({ until: "2026-03-01" }))).toHaveLength(1);
  });
});

it("of very many unknown parameters the first are named, and how many more there are", () => {
  const query = new QueryReader(Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`p${i}`, "1"])));
  query.refuseUnknown(["limit"]);
  const errors = errorsOf(() => query.finish());
  expect(errors).toHaveLength(100);
  expect(errors.at(-1)?.detail).toBe("and 51 more errors");
});
