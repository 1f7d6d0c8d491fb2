/** What the page reads of the API's description. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly default?: unknown;
}

export interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description: string;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema?: Schema; readonly example?: unknown }>>;

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

export interface OpenApi {
  readonly info: { readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Route extends Operation {
  readonly method: string;
  readonly path: string;
}

export const routesOf = ({ paths }: OpenApi): Route[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );

/** Every word stands somewhere in what is said of the route. */
export function isMeant({ method, path, summary, description = "", operationId }: Route, words: string): boolean {
  const text = `${method} ${path} ${summary} ${description} ${operationId}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** A line for a shell; a place in the path is left to be filled in. */
export function curlOf({ method, path, requestBody }: Route, base: string): string {
  const example = requestBody?.content["application/json"]?.example;
  const isStream = path.endsWith("/stream");
  const flags = [
    ...(isStream ? ["-N", "-H 'Accept: text/event-stream'"] : []),
    ...(method === "GET" ? [] : [`-X ${method}`]),
    ...(example === undefined ? [] : ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(example)}'`]),
  ];
  return ["curl", ...flags, `'${base}${path}'`].join(" ");
}

export const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf("/") + 1);

/** What a value is, in few words; `ref` is the name of a shape that is shown elsewhere. */
export interface TypeWords {
  readonly words: string;
  readonly ref?: string;
}

export function typeOf(schema: Schema): TypeWords {
  if (schema.$ref !== undefined) return { words: nameOf(schema.$ref), ref: nameOf(schema.$ref) };
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    const all = choices.map(typeOf);
    const ref = all.find((one) => one.ref !== undefined)?.ref;
    return { words: [...new Set(all.map(({ words }) => words))].join(" or "), ...(ref === undefined ? {} : { ref }) };
  }
  if (schema.allOf !== undefined) return typeOf(schema.allOf[0] ?? {});
  if (schema.const !== undefined) return { words: JSON.stringify(schema.const) };
  if (schema.enum !== undefined) return { words: schema.enum.map((one) => JSON.stringify(one)).join(", ") };
  if (schema.prefixItems !== undefined)
    return { words: `[${schema.prefixItems.map((one) => typeOf(one).words).join(", ")}]` };
  if (schema.type === "array" && schema.items !== undefined) {
    const { words, ref } = typeOf(schema.items);
    return { words: `array of ${words}`, ...(ref === undefined ? {} : { ref }) };
  }
  return { words: schema.format ?? schema.type ?? "any value" };
}

/** What else is asked of a value. Bounds that any safe integer meets say nothing. */
export function limitsOf(schema: Schema): string {
  const { minimum, maximum, minLength, maxLength, maxItems, pattern } = schema;
  const isTold = (bound: number | undefined): bound is number => bound !== undefined && Math.abs(bound) < 1e15;
  return [
    isTold(minimum) && isTold(maximum) ? `${minimum} to ${maximum}` : "",
    isTold(minimum) && !isTold(maximum) ? `from ${minimum}` : "",
    minLength !== undefined && maxLength !== undefined ? `${minLength} to ${maxLength} characters` : "",
    minLength === undefined && maxLength !== undefined ? `at most ${maxLength} characters` : "",
    maxItems === undefined ? "" : `at most ${maxItems}`,
    pattern === undefined ? "" : pattern,
    schema.default === undefined ? "" : `default ${JSON.stringify(schema.default)}`,
  ]
    .filter((text) => text !== "")
    .join(", ");
}

export interface Row {
  readonly name: string;
  readonly type: TypeWords;
  readonly isRequired: boolean;
  readonly note: string;
}

/** The members of a shape, those of shapes within it under their path. */
export function rowsOf(schema: Schema, prefix = ""): Row[] {
  const { properties = {}, required = [] } = schema;
  if (schema.type === "array" && schema.items !== undefined) return rowsOf(schema.items, `${prefix}[].`);
  const choices = schema.anyOf ?? schema.oneOf;
  // Members that several shapes have are told once.
  if (choices !== undefined) {
    const rows = choices.flatMap((choice) => rowsOf(choice, prefix));
    return rows.filter(({ name }, i) => rows.findIndex((one) => one.name === name) === i);
  }
  return Object.entries(properties).flatMap(([name, member]) => [
    {
      name: prefix + name,
      type: typeOf(member),
      isRequired: required.includes(name),
      note: [member.description ?? "", limitsOf(member)].filter((text) => text !== "").join(" "),
    },
    ...within(member).flatMap(({ inner, mark }) => rowsOf(inner, `${prefix}${name}${mark}.`)),
  ]);
}

/** Shapes that have no name of their own. */
function within(member: Schema): { inner: Schema; mark: string }[] {
  if (member.properties !== undefined) return [{ inner: member, mark: "" }];
  if (member.items !== undefined) return within(member.items).map(({ inner, mark }) => ({ inner, mark: `[]${mark}` }));
  const choices = (member.anyOf ?? member.oneOf ?? []).flatMap(within);
  return choices.slice(0, 1);
}
