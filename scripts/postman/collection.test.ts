import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { OPERATIONS } from "../../node/http/openapi/document.js";
import { COLLECTION_FILE, postmanCollection } from "./collection.js";

it("docs/postman_collection.json is what `npm run postman` writes", () => {
  expect(readFileSync(COLLECTION_FILE, "utf8")).toBe(postmanCollection());
});

it("has a request for each operation, and a value for each variable", () => {
  const text = postmanCollection();
  const { item, variable } = JSON.parse(text) as { item: { item: unknown[] }[]; variable: { key: string }[] };
  expect(item.flatMap((folder) => folder.item)).toHaveLength(OPERATIONS.length);
  const used = new Set([...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name));
  expect(variable.map(({ key }) => key).sort()).toEqual([...used].sort());
});
