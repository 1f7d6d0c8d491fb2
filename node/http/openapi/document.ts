import { PROBLEMS, type ProblemCode } from "../../problems.js";
import { EVENT_OPERATIONS } from "./event-operations.js";
import { EVERY_ANSWER, HEADERS, type HeaderName, MAY_HAVE } from "./headers.js";
import { NODE_OPERATIONS } from "./node-operations.js";
import { ANY_PROBLEMS, type Answer, type Operation, TAGS } from "./operation.js";
import { requestId } from "./parameters.js";
import { componentSchemas, type SchemaName } from "./schemas.js";

export const OPERATIONS: readonly Operation[] = [...EVENT_OPERATIONS, ...NODE_OPERATIONS];

const DESCRIPTION =
  "A tamper-evident, append-only event log on three or more nodes. Any node takes any request. Three APIs stand side by " +
  "side over one log: two reference APIs, and our own under `/api/v1`. Every failure is a problem document (RFC 9457).";

export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly [member: string]: unknown;
}

/** OpenAPI 3.1 of all routes, made from the schemas that requests are judged by. */
export function openApiDocument(version: string): OpenApi {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const item = paths[operation.path] ?? {};
    item[operation.method] = describe(operation);
    paths[operation.path] = item;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Quorumlog",
      version,
      description: DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    // Relative: whatever node the document came from, under whatever prefix.
    servers: [{ url: "." }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: { schemas: componentSchemas(), headers: HEADERS, parameters: { requestId } },
  };
}

function describe({ id, tag, summary, description, parameters = [], body, answers, problems }: Operation): object {
  const responses = new Map(Object.entries(answers).map(([status, answer]) => [Number(status), answerOf(answer)]));
  for (const [status, codes] of byStatus([...problems, ...ANY_PROBLEMS])) {
    const known = responses.get(status);
    const problem = problemsOf(codes);
    responses.set(
      status,
      known === undefined ? problem : { ...known, content: { ...known.content, ...problem.content } },
    );
  }
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...parameters, { $ref: "#/components/parameters/requestId" }],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: reference(body.schema), example: body.example } },
          },
        }),
    responses: Object.fromEntries([...responses].sort(([a], [b]) => a - b)),
  };
}

interface Response {
  readonly description: string;
  readonly headers: object;
  readonly content?: Readonly<Record<string, object>>;
}

const reference = (name: SchemaName): object => ({ $ref: `#/components/schemas/${name}` });

function headersOf(names: readonly HeaderName[]): object {
  const all: HeaderName[] = [...EVERY_ANSWER, "X-Leader", ...names];
  // A reference cannot say that the header is always there.
  return Object.fromEntries(
    all.map((name) => [
      name,
      MAY_HAVE.has(name) ? { $ref: `#/components/headers/${name}` } : { ...HEADERS[name], required: true },
    ]),
  );
}

function answerOf({ description, schema, media, headers = [] }: Answer): Response {
  const json = schema === undefined ? {} : { "application/json": { schema: reference(schema) } };
  const content = { ...json, ...media };
  return { description, headers: headersOf(headers), ...(Object.keys(content).length === 0 ? {} : { content }) };
}

function problemsOf(codes: readonly ProblemCode[]): Response {
  const content = {
    "application/problem+json": {
      schema: { allOf: [reference("Problem"), { properties: { code: { enum: codes } } }] },
    },
  };
  const description = codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(" ");
  return { description, headers: headersOf(["Retry-After"]), content };
}

function byStatus(codes: readonly ProblemCode[]): Map<number, ProblemCode[]> {
  const found = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes)) {
    const { status } = PROBLEMS[code];
    found.set(status, [...(found.get(status) ?? []), code]);
  }
  return found;
}
