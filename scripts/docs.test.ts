import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { CONFIG_NAMES, loadConfig } from "../node/config.js";
import { PROBLEMS } from "../node/problems.js";
import { projectRoot } from "./project.js";

const root = projectRoot();
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const pages = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"), { recursive: true })
    .map((name) => join("docs", String(name)))
    .filter((name) => name.endsWith(".md")),
];

/** The cells of the table rows that begin with a code word, without its backticks. */
const rowsOf = (text: string): string[][] =>
  [...text.matchAll(/^\| `([^`]+)` *\|(.*)\|$/gm)].map(([, name = "", rest = ""]) => [
    name,
    ...rest.split("|").map((cell) => cell.trim()),
  ]);

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

describe.each(pages)("%s", (page) => {
  const text = read(page);

  it("links to files and headings that are there, inside the repository", () => {
    for (const [, target = ""] of text.replaceAll(/^```.*?^```/gms, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? join(root, page) : resolve(join(root, dirname(page)), path);
      expect([target, relative(root, file).startsWith("..")]).toEqual([target, false]);
      expect([target, existsSync(file)]).toEqual([target, true]);
      if (anchor === undefined) continue;
      const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
      expect(headings.map(anchorOf)).toContain(anchor);
    }
  });

  it("begins with its title and names nothing outside the repository", () => {
    expect(text).toMatch(/^# \S/);
    expect(text).not.toMatch(/\/work\/|\/root\/|\.\.\/shared\/[A-Z]|\/home\/\w/);
  });
});

describe("the README's configuration table", () => {
  const section = /^## Configuration$(.*?)^## /ms.exec(read("README.md"))?.[1] ?? "";
  const rows = rowsOf(section);

  it("has every name that a node or npm start reads, once", () => {
    expect(rows.map(([name]) => name).sort()).toEqual([...CONFIG_NAMES].sort());
  });

  it("shows the defaults that are in force", () => {
    const plain = loadConfig({ MONGODB_URI: "mongodb://localhost/x" });
    for (const [name = "", shown = ""] of rows) {
      const value = /^`(.+)`$/.exec(shown)?.[1];
      if (value === undefined) continue;
      const given = loadConfig({ MONGODB_URI: "mongodb://localhost/x", [name]: value });
      expect([name, given]).toEqual([name, plain]);
    }
  });
});

it("docs/reference/errors.md lists every problem with its status, title and whether to retry", () => {
  const codes = /^## Codes$(.*)/ms.exec(read("docs/reference/errors.md"))?.[1] ?? "";
  const rows = rowsOf(codes).map(([code, status, retry, title]) => [code, status, retry, title]);
  const problems = Object.entries(PROBLEMS).map(([code, { status, title, isRetryable }]) => [
    code,
    String(status),
    isRetryable ? "yes" : "no",
    title,
  ]);
  expect(rows.sort()).toEqual(problems.sort());
});

it("every route of the code is in docs/reference/http.md", () => {
  const reference = read("docs/reference/http.md");
  const routes = ["node/http/routes", "node/http/stream"].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .flatMap((name) => [...read(join(folder, name)).matchAll(/\.route\("([^"]+)"\)/g)])
      .map(([, route = ""]) =>
        route
          .replaceAll("\\\\", "")
          .replaceAll(/:(\w+)$|:(sequence)(?=\/)/g, (_, a, b) => (a === "batch" ? ":batch" : `{${a ?? b}}`)),
      ),
  );
  expect(routes.length).toBeGreaterThan(10);
  for (const route of routes) expect(reference).toContain(`\`${route}\``);
});
