import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Router } from "express";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Door, get, openDoor } from "../../../test/doubles/door.js";
import { PROBLEMS } from "../../problems.js";
import { OPERATIONS, openApiDocument } from "./document.js";
import { SCHEMAS } from "./schemas.js";

const document = openApiDocument("1.2.3");
type Described = { parameters: { name?: string; in?: string }[]; responses: Record<string, { description: string }> };
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    path,
    method,
    operation: operation as unknown as Described,
  })),
);
const text = JSON.stringify(document);

/** `/api/v1/events/:sequence` is `/api/v1/events/{sequence}` there; wildcards only refuse. */
function routesOf({ stack }: Router): string[] {
  return stack.flatMap(({ route }) => {
    const path = route?.path
      .replaceAll("\\:", "\0")
      .replaceAll(/:(\w+)/g, "{$1}")
      .replaceAll("\0", ":");
    return (route?.stack ?? []).flatMap(({ method }) => (method === undefined ? [] : [`${method} ${path}`]));
  });
}

describe("the API's description", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorumlog-openapi-"));
  let door: Door;
  beforeAll(async () => {
    writeFileSync(join(folder, "index.html"), "<!doctype html><title>The page</title>");
    door = await openDoor({ dashboardFolder: folder });
  });
  afterAll(async () => {
    await door?.close();
    rmSync(folder, { recursive: true });
  });

  it("has every route that is there, and no other", () => {
    // A method with several handlers stands there as often.
    const routes = [...new Set(door.routers.flatMap(routesOf))];
    expect(routes.length).toBeGreaterThan(20);
    expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(routes.sort());
  });

  it("is served, and its page leads to it", async () => {
    const client = door.open().send(get("/openapi.json"));
    await expect.poll(() => client.answer.length).toBeGreaterThan(text.length);
    expect(client.problem).toMatchObject({ openapi: "3.1.0", info: { version: "0" } });
    const page = door.open().send(get("/docs"));
    await expect.poll(() => page.statuses).toEqual([302]);
    expect(page.answer).toMatch(/^Location: \.\/#\/docs\r$/m);
    for (const path of ["/docs", "/docs/"]) {
      const { url, status } = await fetch(door.url + path);
      expect([url, status]).toEqual([`${door.url}/`, 200]);
    }
  });
});

it("is the same each time that it is made", () => {
  expect(JSON.stringify(openApiDocument("1.2.3"))).toBe(text);
});

it("refers to nothing that it does not have, and has nothing that nothing refers to", () => {
  const wanted = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
  expect([...wanted].sort()).toEqual(Object.keys(SCHEMAS).sort());
});

it("has a name of its own for each operation, and a parameter for each place in a path", () => {
  expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
  for (const { path, operation } of operations) {
    const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const described = operation.parameters.filter((one) => one.in === "path").map(({ name }) => name);
    expect([path, described]).toEqual([path, places]);
  }
});

it("names every problem that a client can meet, but for those of paths and methods that are not there", () => {
  const named = new Set(OPERATIONS.flatMap(({ problems }) => problems));
  for (const { operation } of operations)
    for (const { description } of Object.values(operation.responses))
      for (const [, code] of description.matchAll(/`(\w+)`: /g)) named.add(code as keyof typeof PROBLEMS);
  const elsewhere = ["unauthorized_peer", "append_only", "method_not_allowed"];
  expect([...named, ...elsewhere].sort()).toEqual(Object.keys(PROBLEMS).sort());
});

it("has schemas that a validator takes, and examples that meet them", () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, "api");
  for (const { body } of OPERATIONS) {
    if (body === undefined) continue;
    const validate = ajv.compile({ $ref: `api#/components/schemas/${body.schema}` });
    expect([body.schema, validate(body.example), validate.errors]).toEqual([body.schema, true, null]);
    expect(SCHEMAS[body.schema].safeParse(body.example).success).toBe(true);
    expect([body.schema, validate({ ...body.example, colour: "red" })]).toEqual([body.schema, false]);
  }
});
