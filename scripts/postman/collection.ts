import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OPERATIONS } from "../../node/http/openapi/document.js";
import { type Operation, TAGS } from "../../node/http/openapi/operation.js";
import type { Parameter } from "../../node/http/openapi/parameters.js";
import type { ChaosRequest } from "../../shared/protocol/chaos.js";
import { projectRoot } from "../lib/project.js";

export const COLLECTION_FILE = join(projectRoot(), "docs", "postman_collection.json");

/** What else a request of the collection may be answered with: it asks for what need not be there. */
const MAY_ALSO_ANSWER: Readonly<Record<string, readonly number[]>> = {
  // Without an Upgrade, and without asking for server-sent events.
  stream: [426],
  streamA: [426],
  admitNode: [409],
  // No member has the name, or the time of the example is over.
  recordMaintenance: [409, 422],
  stepDown: [409],
  // Off, or nothing that can be done as things stand.
  makeFault: [404, 409],
  readAlert: [404],
  readEvidence: [404],
  testWebhook: [404],
  // They need the version of the alert that is decided on.
  acknowledgeAlert: [428],
  repairAlert: [428],
  rebuildAlert: [428],
  dismissAlert: [428],
  asset: [404],
};

/** Where faults are allowed, a run of the collection makes none: nothing resumes a node that is not paused. */
const BODIES: Readonly<Record<string, object>> = { makeFault: { action: "resume", node: "n2" } satisfies ChaosRequest };

/** Values of places in paths; what the first write is answered with comes in their stead. */
const VARIABLES: Readonly<Record<string, string>> = {
  baseUrl: "http://127.0.0.1:3000",
  sequence: "0",
  height: "1",
  id: "0".repeat(24),
  name: "no_quorum",
  file: "index.js",
};

/** Postman's collection format 2.1, from the same table as the API's description. */
export function postmanCollection(): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot(), "package.json"), "utf8")) as { version: string };
  const collection = {
    info: {
      name: "Quorumlog",
      description: "Made from the API's description by `npm run postman`. Set `baseUrl` to any node.",
      version,
      schema: "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    },
    variable: Object.entries(VARIABLES).map(([key, value]) => ({ key, value })),
    item: Object.entries(TAGS).map(([name, description]) => ({
      ...{ name, description },
      item: OPERATIONS.filter(({ tag }) => tag === name).map(itemOf),
    })),
  };
  return `${JSON.stringify(collection, null, 2)}\n`;
}

function itemOf(operation: Operation): object {
  const { id, method, path, summary, description, parameters = [], body } = operation;
  const sent = body === undefined ? [] : [{ key: "Content-Type", value: "application/json" }];
  return {
    name: summary,
    request: {
      method: method.toUpperCase(),
      ...(description === undefined ? {} : { description }),
      header: [...sent, ...parameters.filter((one) => one.in === "header").map(offered)],
      url: urlOf(path, parameters),
      ...(body === undefined ? {} : { body: rawBody(BODIES[id] ?? body.example) }),
    },
    // Where a redirect leads is a page for browsers.
    ...(operation.answers[302] === undefined ? {} : { protocolProfileBehavior: { followRedirects: false } }),
    event: [
      { listen: "test", script: { type: "text/javascript", exec: checks(operation, MAY_ALSO_ANSWER[id] ?? []) } },
    ],
  };
}

const rawBody = (example: object): object => ({
  mode: "raw",
  raw: JSON.stringify(example, null, 2),
  options: { raw: { language: "json" } },
});

function urlOf(path: string, parameters: readonly Parameter[]): object {
  const segments = path
    .replaceAll(/\{(\w+)\}/g, ":$1")
    .split("/")
    .slice(1);
  const query = parameters.filter((one) => one.in === "query" && one.style === undefined).map(offered);
  const places = parameters.filter((one) => one.in === "path");
  return {
    raw: `{{baseUrl}}/${segments.join("/")}`,
    host: ["{{baseUrl}}"],
    path: segments,
    ...(query.length === 0 ? {} : { query }),
    ...(places.length === 0
      ? {}
      : { variable: places.map(({ name, description }) => ({ key: name, value: `{{${name}}}`, description })) }),
  };
}

/** There to be switched on. */
const offered = ({ name, description }: Parameter): object => ({ key: name, value: "", description, disabled: true });

function checks({ id, answers }: Operation, more: readonly number[]): string[] {
  const statuses = [
    ...new Set([
      ...Object.keys(answers)
        .map(Number)
        .filter((status) => status < 500 && status > 101),
      ...more,
    ]),
  ];
  return [
    `pm.test("is answered as described", () => pm.expect(${JSON.stringify(statuses)}).to.include(pm.response.code));`,
    `pm.test("says which node answers", () => pm.response.to.have.header("X-Served-By"));`,
    ...(id === "appendEvent"
      ? [
          "const { sequence, height } = pm.response.json();",
          'pm.collectionVariables.set("sequence", String(sequence));',
          'pm.collectionVariables.set("height", String(height));',
        ]
      : []),
  ];
}
