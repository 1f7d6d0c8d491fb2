import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { openApiDocument } from "../../node/http/openapi/document.js";

/** One request and what it was answered, as a client sees both. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly requestBody?: unknown;
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

interface Media {
  readonly schema?: object;
}
interface Operation {
  readonly parameters: readonly {
    readonly name?: string;
    readonly in?: string;
    readonly schema?: { readonly type?: string };
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly headers: Readonly<Record<string, { readonly required?: boolean; readonly schema?: object }>>;
        readonly content?: Readonly<Record<string, Media>>;
      }
    >
  >;
}

const document = openApiDocument("test");
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(document, "api");
const PROBLEM = { $ref: "#/components/schemas/Problem" };

/** The same object is the same schema. */
const validators = new WeakMap<object, ValidateFunction>();
function faultsOf(schema: object, value: unknown): string[] {
  let validate = validators.get(schema);
  if (validate === undefined) {
    const text = JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"api#/');
    validate = ajv.compile(JSON.parse(text) as object);
    validators.set(schema, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath || "it"} ${message} ${JSON.stringify(params)}`.slice(0, 300),
  );
}

const templates = Object.entries(document.paths)
  .map(([path, methods]) => {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
    const pattern = path.replaceAll(/[.:]/g, "\\$&").replaceAll(/\{\w+\}/g, "([^/]+)");
    return { path, names, methods, pattern: new RegExp(`^${pattern}$`, "i") };
  })
  // What is written out comes before what a parameter stands for.
  .sort((a, b) => a.names.length - b.names.length);

/** Answers that no operation has: there is no such path, or no such method on it, or the request was never looked at. */
const ELSEWHERE = new Set([400, 403, 404, 405, 408, 426, 431, 500, 503]);

/** How an answer differs from what the API's description says of it; nothing if it does not. */
export function deviations(exchange: Exchange): string[] {
  const { method, url, status } = exchange;
  const { pathname, searchParams } = new URL(url);
  if (pathname.startsWith("/peer/")) return [];
  const path = decoded(pathname).replace(/(.)\/$/, "$1");
  const found = templates.find(({ pattern }) => pattern.test(path));
  const operation = found?.methods[method === "HEAD" ? "get" : method.toLowerCase()] as Operation | undefined;
  if (found === undefined || operation === undefined) return undescribed(exchange);
  const response = operation.responses[status];
  if (response === undefined) return [`${found.path} is not described to answer ${status}`];
  const isDone = status < 400;
  const values = found.pattern.exec(path)?.slice(1) ?? [];
  return [
    ...headerFaults(response.headers, exchange.headers),
    ...(method === "HEAD" ? [] : contentFaults(response.content, exchange)),
    ...(isDone ? parameterFaults(operation, found, { values, searchParams }) : []),
    ...(isDone ? bodyFaults(operation, exchange.requestBody) : []),
  ];
}

function undescribed({ method, status, headers, body }: Exchange): string[] {
  if (method === "OPTIONS" && status === 204) return [];
  if (!ELSEWHERE.has(status)) return [`what is not described is answered ${status}`];
  if (method === "HEAD") return [];
  return mediaOf(headers) === "application/problem+json" ? faultsOf(PROBLEM, body) : ["it is no problem document"];
}

function headerFaults(described: Operation["responses"][string]["headers"], headers: Headers): string[] {
  return Object.entries(described).flatMap(([name, { required, schema }]) => {
    const text = headers.get(name);
    if (text === null) return required === true ? [`it has no ${name}`] : [];
    return schema === undefined ? [] : faultsOf(schema, asTyped(schema, text)).map((fault) => `${name}: ${fault}`);
  });
}

function contentFaults(
  content: Operation["responses"][string]["content"],
  { headers, body, status }: Exchange,
): string[] {
  if (content === undefined) return body === "" || status === 302 ? [] : ["it has a body, and none is described"];
  const type = mediaOf(headers);
  const media = content[type] ?? content["*/*"];
  if (media === undefined) return [`it is ${type}, which is not described`];
  return media.schema === undefined ? [] : faultsOf(media.schema, body);
}

/** What was taken was described. The reference APIs ignore other parameters. */
function parameterFaults(
  { parameters }: Operation,
  { path, names }: { path: string; names: readonly string[] },
  given: { values: readonly string[]; searchParams: URLSearchParams },
): string[] {
  const of = (place: string, name: string) => parameters.find((one) => one.in === place && one.name === name)?.schema;
  const inPath = names.flatMap((name, i) => check(name, of("path", name), given.values[i] as string));
  const isStrict = /^\/api\/v1\/(?!cluster$|events\/\{sequence\}\/nodes|blocks|alerts\/)/.test(path);
  const inQuery = [...given.searchParams].flatMap(([name, text]) => {
    if (name.startsWith("payload.")) return of("query", "payload") === undefined ? [`${name} is not described`] : [];
    // Spellings of one parameter.
    if (/^last[-_]?event[-_]?id$/i.test(name) && text === "") return [];
    const schema = of("query", name);
    if (schema === undefined) return isStrict && !/^last/i.test(name) ? [`the parameter ${name} is not described`] : [];
    return check(name, schema, text);
  });
  return [...inPath, ...inQuery];
}

const check = (name: string, schema: { readonly type?: string } | undefined, text: string): string[] =>
  schema === undefined
    ? [`${name} is not described`]
    : faultsOf(schema, asTyped(schema, text)).map((fault) => `the parameter ${name}: ${fault}`);

const asTyped = (schema: { readonly type?: string }, text: string): string | number =>
  schema.type === "integer" ? Number(text) : text;

function bodyFaults({ requestBody }: Operation, sent: unknown): string[] {
  const schema = requestBody?.content["application/json"]?.schema;
  if (schema === undefined) return [];
  const text = sent instanceof Uint8Array ? new TextDecoder().decode(sent) : String(sent);
  return faultsOf(schema, JSON.parse(text)).map((fault) => `the request was taken, and ${fault}`);
}

const mediaOf = (headers: Headers): string => (headers.get("content-type") ?? "").split(";")[0] as string;

function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}
