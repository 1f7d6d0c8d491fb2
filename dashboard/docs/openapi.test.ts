import { expect, it } from "vitest";
import { openApiDocument } from "../../node/http/openapi/document.js";
import { curlOf, isMeant, limitsOf, type OpenApi, type Route, routesOf, rowsOf, typeOf } from "./openapi.js";

const api = JSON.parse(JSON.stringify(openApiDocument("1.0.0"))) as OpenApi;
const routes = routesOf(api);
const route = (id: string): Route => routes.find(({ operationId }) => operationId === id) as Route;

it("finds routes by all words that are typed, anywhere in what is said of them", () => {
  const found = (words: string) => routes.filter((one) => isMeant(one, words)).map(({ operationId }) => operationId);
  expect(found("BATCH post")).toEqual(["appendBatch"]);
  expect(found("")).toHaveLength(routes.length);
  expect(found("teapot")).toEqual([]);
});

it("writes a line for a shell that sends the example", () => {
  expect(curlOf(route("listAlerts"), "http://n1")).toBe("curl 'http://n1/api/v1/alerts'");
  const line = curlOf(route("appendEvent"), "http://n1");
  expect(line).toMatch(
    /^curl -X POST -H 'Content-Type: application\/json' -d '\{.*\}' 'http:\/\/n1\/api\/v1\/events'$/,
  );
  expect(curlOf(route("stream"), "")).toContain("-N -H 'Accept: text/event-stream'");
});

it("names a type, what is asked of it, and the shape that it leads to", () => {
  expect(typeOf({ $ref: "#/components/schemas/Event" })).toEqual({ words: "Event", ref: "Event" });
  expect(typeOf({ type: "array", items: { type: "string" } })).toEqual({ words: "array of string" });
  expect(typeOf({ anyOf: [{ type: "integer" }, { type: "null" }] })).toEqual({ words: "integer or null" });
  expect(typeOf({ type: "string", enum: ["a", "b"] })).toEqual({ words: '"a", "b"' });
  expect(typeOf({})).toEqual({ words: "any value" });
  expect(limitsOf({ type: "integer", minimum: 1, maximum: 500, default: 50 })).toBe("1 to 500, default 50");
  expect(limitsOf({ type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER })).toBe("from 0");
});

it("has the members of every shape, also of those within it", () => {
  const rows = rowsOf(api.components.schemas.Cluster ?? {});
  const names = rows.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["clusterId", "nodes", "nodes[].id", "index.payload"]));
  expect(rows.find(({ name }) => name === "nodes[].detail")?.isRequired).toBe(false);
  for (const [name, schema] of Object.entries(api.components.schemas))
    expect([name, rowsOf(schema).length > 0 || typeOf(schema).words !== "any value"]).toEqual([name, true]);
});
