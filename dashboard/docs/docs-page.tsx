import { useQuery } from "@tanstack/react-query";
import { createElement, Fragment, type ReactNode, useEffect, useRef } from "react";
import { type Answer, ask } from "../api/client.js";
import { useParameters } from "../lib/hash-location.js";
import { AskedPage } from "../parts/asked-page.js";
import { Button } from "../parts/button.js";
import { CopyButton } from "../parts/copy-button.js";
import { nodeUrl } from "../parts/first-event.js";
import page from "../parts/page.module.css";
import { Empty } from "../parts/states.js";
import styles from "./docs-page.module.css";
import { MemberTable, TypeLink } from "./member-table.js";
import {
  curlOf,
  isMeant,
  limitsOf,
  type OpenApi,
  type Route,
  routesOf,
  rowsOf,
  type Schema,
  typeOf,
} from "./openapi.js";

/** The API's own description, as the node that serves this page gives it. */
export function DocsPage() {
  const asked = useQuery<Answer<OpenApi>, Error>({
    queryKey: ["openapi"],
    queryFn: ({ signal }) => ask<OpenApi>("openapi.json", { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (asked.data === undefined)
    return <AskedPage title="API" what="its description" error={asked.error} onRetry={() => void asked.refetch()} />;
  return <Docs api={asked.data.body} />;
}

function Docs({ api }: { readonly api: OpenApi }) {
  const { parameters, change } = useParameters();
  const words = parameters.get("q") ?? "";
  const routes = routesOf(api).filter((route) => isMeant(route, words));
  return (
    <div className={page.page}>
      <div className={page.header}>
        <h1>API</h1>
        <p className={page.row}>
          <span className={page.muted}>version {api.info.version}</span>
          <a href="openapi.json">openapi.json</a>
        </p>
      </div>
      <p className={styles.text}>{inText(api.info.description)}</p>
      <label className={styles.search}>
        <span className="offscreen">Find a route</span>
        <input
          data-search
          type="search"
          value={words}
          placeholder="Find a route, such as batch or alerts"
          onChange={({ target }) => change({ q: target.value }, { replace: true })}
        />
      </label>
      {routes.length === 0 ? (
        <Empty title="No route is called so">
          <p>Write a part of a path, or a word of what a route does.</p>
          <Button onClick={() => change({ q: "" }, { replace: true })}>Show all routes</Button>
        </Empty>
      ) : null}
      {api.tags.map(({ name, description }) => {
        const own = routes.filter(({ tags }) => tags.includes(name));
        return own.length === 0 ? null : (
          <section key={name} className={page.card} aria-labelledby={`tag-${name.replaceAll(" ", "-")}`}>
            <h2 id={`tag-${name.replaceAll(" ", "-")}`}>{name}</h2>
            <p className={page.muted}>{inText(description)}</p>
            <div className={styles.routes}>
              {own.map((route) => (
                <RouteCard key={route.operationId} route={route} />
              ))}
            </div>
          </section>
        );
      })}
      {words === "" ? <Shapes schemas={api.components.schemas} /> : null}
    </div>
  );
}

/** What stands between grave accents is code. */
const inText = (text: string): ReactNode =>
  createElement(
    Fragment,
    null,
    ...text.split("`").map((part, i) => (i % 2 === 1 ? createElement("code", null, part) : part)),
  );

interface FoldedProps {
  /** The URL's parameter, and its value while this is open. */
  readonly parameter: string;
  readonly name: string;
  readonly head: ReactNode;
  readonly children: ReactNode;
}

/** What opens below its head; which one is open stands in the URL. */
function Folded({ parameter, name, head, children }: FoldedProps) {
  const { parameters, change } = useParameters();
  const isOpen = parameters.get(parameter) === name;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const top = place.current?.getBoundingClientRect().top ?? 0;
    // Who follows a link does not see it yet.
    if (isOpen && (top < 0 || top > 0.8 * window.innerHeight)) place.current?.scrollIntoView({ block: "start" });
  }, [isOpen]);
  return (
    <div className={styles.route} ref={place}>
      <h3>
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => change({ [parameter]: isOpen ? "" : name }, { replace: true })}
        >
          {head}
        </button>
      </h3>
      {isOpen ? children : null}
    </div>
  );
}

function RouteCard({ route }: { readonly route: Route }) {
  const { operationId, method, path, summary } = route;
  const head = (
    <>
      <span className={styles.method} data-method={method}>
        {method}
      </span>
      <code className={styles.path}>{path}</code>
      <span>{summary}</span>
    </>
  );
  return (
    <Folded parameter="route" name={operationId} head={head}>
      <RouteBody route={route} />
    </Folded>
  );
}

function RouteBody({ route }: { readonly route: Route }) {
  const { description, requestBody, responses } = route;
  const own = route.parameters.filter(({ $ref }) => $ref === undefined);
  const body = requestBody?.content["application/json"];
  const line = curlOf(route, nodeUrl());
  return (
    <div className={styles.body}>
      {description === undefined ? null : <p className={styles.text}>{inText(description)}</p>}
      <div className={page.row}>
        <pre className={styles.line}>{line}</pre>
        <CopyButton text={line} label="Copy the line" />
      </div>
      {own.length === 0 ? null : (
        <MemberTable
          caption="Parameters"
          rows={own.map(({ name, in: place, required, description: note, schema }) => ({
            ...{ name, type: typeOf(schema), isRequired: required === true },
            note: `${note} ${limitsOf(schema)}${place === "query" ? "" : ` (in the ${place})`}`,
          }))}
        />
      )}
      {body?.schema === undefined ? null : (
        <p>
          The body is <TypeLink type={typeOf(body.schema)} />, sent as <code>application/json</code>.
        </p>
      )}
      <div className={page.scroll}>
        <table className={page.table}>
          <caption>Answers</caption>
          <thead>
            <tr>
              <th scope="col">Status</th>
              <th scope="col">Meaning</th>
              <th scope="col">Body</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(responses).map(([status, { description: meaning, content = {} }]) => (
              <tr key={status}>
                <th scope="row">{status}</th>
                <td className={page.break}>{inText(meaning)}</td>
                <td>
                  {Object.entries(content).map(([media, { schema }]) => (
                    <div key={media}>
                      {schema === undefined ? null : <TypeLink type={typeOf(schema)} />} <code>{media}</code>
                    </div>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Shapes({ schemas }: { readonly schemas: Readonly<Record<string, Schema>> }) {
  return (
    <section className={page.card} aria-labelledby="shapes">
      <h2 id="shapes">Shapes</h2>
      <p className={page.muted}>What goes in and out, by name. What is sent is judged by the same description.</p>
      <div className={styles.routes}>
        {Object.entries(schemas).map(([name, schema]) => (
          <Folded key={name} parameter="shape" name={name} head={<code>{name}</code>}>
            <ShapeBody name={name} schema={schema} />
          </Folded>
        ))}
      </div>
    </section>
  );
}

function ShapeBody({ name, schema }: { readonly name: string; readonly schema: Schema }) {
  const rows = rowsOf(schema);
  return (
    <div className={styles.body}>
      {rows.length === 0 ? <TypeLink type={typeOf(schema)} /> : null}
      <MemberTable caption={`Members of ${name}`} rows={rows} />
    </div>
  );
}
