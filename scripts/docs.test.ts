import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../node/config.js";
import { CONFIG_NAMES } from "../node/host/environment.js";
import { PROBLEMS } from "../node/problems.js";
import { projectRoot } from "./lib/project.js";

const root = projectRoot();
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const pages = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
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

  it("begins with its title, names nothing outside the repository, and is one version of itself", () => {
    expect(text).toMatch(/^# \S/);
    expect(text).not.toMatch(/^(?:<{7}|={7}|>{7})/m);
    expect(text).not.toMatch(/\/work\/|\/root\/|\.\.\/shared\/[A-Z]|\/home\/\w/);
  });
});

/** All that people read here, but for this file. */
const words = [
  ...pages,
  ...["shared", "cluster", "node", "scripts", "test"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map((name) => join(folder, String(name)))
      .filter((name) => /\.(?:ts|mjs|md|txt)$/.test(name) && name !== join("scripts", "docs.test.ts")),
  ),
];

describe("what the sources and pages refer to", () => {
  it("is in the repository: decisions have a page each", () => {
    const all = readdirSync(join(root, "docs/decisions")).map((name) => name.slice(0, 4));
    const numbers = new Set(all);
    expect(all).toHaveLength(numbers.size);
    const named = words.flatMap((file) =>
      [...read(file).matchAll(/\b[Dd]ecisions? \[?(\d{4})\b/g)].map(([, number = ""]) => `${file}: ${number}`),
    );
    expect(named.filter((one) => !numbers.has(one.slice(-4)))).toEqual([]);
  });

  it("is no list of faults, rows, or texts that a reader does not have", () => {
    const foreign =
      /\bDESIGN\b|\bfaults?\.md\b|\((?:fault|row)s? \d+|\brow \d+ of\b|\bT\d{1,2}\b(?![:.\w])|\/work\/|\/root\//;
    const found = words.flatMap((file) =>
      read(file)
        .split("\n")
        .filter((line) => foreign.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});

describe("the configuration table", () => {
  const section = /^## Names$(.*?)^## /ms.exec(read("docs/operating/configuration.md"))?.[1] ?? "";
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

describe("what docs/reference/errors.md says that a sentence rests on", () => {
  const section = /^## How a node knows what it says$(.*)/ms.exec(read("docs/reference/errors.md"))?.[1] ?? "";
  const row = /^\| "([^"]+)" \| `([^`]+)` `(\w+)` \| [^|]+ \|$/gm;
  const rows = [...section.matchAll(row)].map(([text, sentence = "", file = "", name = ""]) => ({
    text,
    sentence: new RegExp(sentence.split(" … ").join("…").split("…").map(escaped).join(".*")),
    file,
    name,
  }));

  it("has no row of another form", () => {
    expect(section.match(/^\| (?!sentence |---).*$/gm) ?? []).toEqual(rows.map(({ text }) => text));
  });

  it.each(rows)("$file $name: $sentence", ({ sentence, file, name }) => {
    expect(textsIn(file).some((text) => sentence.test(text))).toBe(true);
    expect(isDefinedIn(read(file), name)).toBe(true);
  });

  it("has every such sentence of the code", () => {
    const claims =
      /[Nn]othing (?:of [^.;:]+ )?(?:was|is) |[Nn]obody was|[Nn]o block was|There is no|(?:not|n't) exist|does not answer|not answering|no majority|a majority|is taken|is in use|No node |[Nn]o other node|[Nn]o leader|[Nn]ot touched|[Nn]othing listens|(?:gives|got) no answer|gave no answer|could not (?:ask|read)|MongoDB could not|does not have|does not reach|has not (?:said|answered|given|shown)|shows no |[Nn]o (?:alert|member) |[Nn]ot known whether/;
    const files = ["node", "scripts"]
      .flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))),
      )
      .filter(
        (name) => /(?<!\.test)\.(?:ts|mjs)$/.test(name) && !/^scripts.(?:bench|chaos|fuzz|judge|proxy)/.test(name),
      );
    const missing = files.flatMap((file) => {
      const known = rows.filter((one) => one.file === file.replaceAll("\\", "/"));
      const unknown = textsIn(file).filter(
        (text) => claims.test(text) && !known.some((one) => one.sentence.test(text)),
      );
      return unknown.map((text) => `${file}: ${text.trim()}`);
    });
    expect(missing).toEqual([]);
  });
});

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** The lines of a source without its comments, those of one text in one. */
const textsIn = (file: string): string[] =>
  read(file)
    .replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, "")
    .replaceAll(/["`] \+\s+["`]/g, "")
    .split("\n");

describe("the numbers of docs/reference/limits.md are those of the code", () => {
  const row = /^\| ([^|]+) \| ([\d.,]+)(?: (KiB|MiB|s|ms))? \| `([^`]+)` `(\w+)` \|$/gm;
  const rows = [...read("docs/reference/limits.md").matchAll(row)];

  it("has no row of another form", () => {
    const all = read("docs/reference/limits.md").match(/^\| (?!what \| at most|---).*$/gm) ?? [];
    expect(all).toEqual(rows.map(([text]) => text));
    expect(rows.length).toBeGreaterThan(40);
  });

  it.each(rows.map(([, what = "", number = "", unit, file = "", name = ""]) => ({ what, number, unit, file, name })))(
    "$what: $number $unit",
    ({ number, unit, file, name }) => {
      const shown = Number(number.replaceAll(",", "")) * (UNITS[unit ?? ""] ?? 1);
      expect(numberIn(read(file), name)).toBe(shown);
    },
  );
});

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, s: 1_000, ms: 1 };

/** The number that a constant or a member of this name has in a source: products of digits and MIB; also as a text. */
function numberIn(source: string, name: string): number | null {
  const found = new RegExp(`\\b${name}(?:: | = )"?([\\d_MIB* ]+)"?[,; ]`).exec(source)?.[1];
  if (found === undefined) return null;
  const factors = found.split("*").map((factor) => factor.trim().replaceAll("_", ""));
  return factors.reduce((product, factor) => product * (factor === "MIB" ? 1024 ** 2 : Number(factor)), 1);
}

describe("the ways through the code in docs/architecture.md", () => {
  const section = /^## Ways through the code$(.*?)^## /ms.exec(read("docs/architecture.md"))?.[1] ?? "";
  const steps = rowsOf(section).map(([file = "", names = ""]) => ({ file, names }));

  it("are there", () => {
    expect(steps.length).toBeGreaterThan(30);
    expect(section.match(/^\| (?!file |---).*$/gm)).toHaveLength(steps.length);
  });

  describe("an append on the leader", () => {
    const append = /^### An append, on the leader$(.*?)^What a follower/ms.exec(section)?.[1] ?? "";
    const rows = rowsOf(append);
    const files = new Set(rows.map(([file = ""]) => file));
    const said = (pattern: RegExp): number => Number(pattern.exec(append.replaceAll(/\s+/g, " "))?.[1]);
    let folder = "";
    const listed = [...append.matchAll(/^(?:(\S+\/)| ) +(.+)$/gm)].flatMap(([, begun = folder, names = ""]) => {
      folder = begun;
      return names.split(" ").map((name) => join(folder, `${name}.ts`));
    });

    it("passes as many files as the page says, and is that often in the driver", () => {
      expect(files.size).toBe(said(/These (\d+) files/));
      expect(files.size).toBeLessThanOrEqual(25);
      const entered = rows.filter(([file, names]) => file === "node/replica/driver.ts" && names?.includes("`submit`"));
      expect(entered).toHaveLength(said(/The driver is entered (\d+) times/));
      expect(entered.length).toBeLessThanOrEqual(3);
    });

    it("runs in the files that the page lists, those of the table among them", () => {
      expect(new Set(listed).size).toBe(said(/of (\d+) files some function runs/));
      expect(listed.filter((file) => !existsSync(join(root, file)))).toEqual([]);
      expect([...files].filter((file) => !listed.includes(file))).toEqual([]);
    });
  });

  it.each(steps)("$file has $names", ({ file, names }) => {
    const source = read(file);
    const wanted = [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
    expect(wanted.length).toBeGreaterThan(0);
    for (const name of wanted) expect([name, isDefinedIn(source, name)]).toEqual([name, true]);
  });
});

describe("the picture of the imports inside node/ in docs/architecture.md", () => {
  const section = /^### The imports inside `node\/`$(.*?)^## /ms.exec(read("docs/architecture.md"))?.[1] ?? "";
  const [, now = ""] = /^```\n(.*?)^```$/ms.exec(section) ?? [];
  const shown = [...now.matchAll(/^(\S+) +->(.*)$/gm)].map(([, room = "", rest = ""]) => ({
    room,
    below: rest.split(" ").filter((one) => one !== ""),
  }));
  const rooms = shown.map(({ room }) => room);

  it("shows every arrow that there is, and no other", () => {
    const found = new Map<string, Set<string>>();
    for (const file of words.filter((name) => /^node\/.*(?<!\.test)\.ts$/.test(name))) {
      const room = file.split("/")[1] as string;
      const below = found.get(room) ?? new Set();
      found.set(room, below);
      for (const [, path = ""] of read(file).matchAll(/\b(?:from|import) ?\(?"(\.[^"]+)"/g)) {
        const [top, other = ""] = join(dirname(file), path).replace(/\.js$/, ".ts").split("/");
        if (top === "node" && other !== room) below.add(other);
      }
    }
    const sorted = (below: Iterable<string>): string[] => [...below].sort();
    expect(Object.fromEntries(shown.map(({ room, below }) => [room, sorted(below)]))).toEqual(
      Object.fromEntries([...found].map(([room, below]) => [room, sorted(below)])),
    );
  });

  it("has no arrow that runs up", () => {
    const up = shown.flatMap(({ room, below }, i) =>
      below.filter((one) => rooms.indexOf(one) <= i).map((one) => `${room} -> ${one}`),
    );
    expect(up).toEqual([]);
  });
});

describe("where a rule of the protocol stands, in docs/architecture.md", () => {
  const section = /^### Where a rule stands$(.*?)^## /ms.exec(read("docs/architecture.md"))?.[1] ?? "";
  const rules = rowsOf(section).filter((row) => row.length === 4);

  it.each(rules)("%s with %s has about %s lines", (file = "", _, lines = "") => {
    expect(10 * Math.round(read(file).trimEnd().split("\n").length / 10)).toBe(Number(lines));
  });

  it("are there", () => expect(rules.length).toBeGreaterThan(10));
});

/** A function, a class, a constant, or a method of a class; a mere call is a statement of its own. */
const isDefinedIn = (source: string, name: string): boolean =>
  [
    `^ {0,2}(?:export |async )*(?:function\\*? |const |class )${name}\\b`,
    `^ {2}(?:private |static |async |get |\\*)*${name}(?:: | = |[(<](?!.*;$))`,
  ].some((pattern) => new RegExp(pattern, "m").test(source));

/** A page names its numbers itself, in a comment at its end: `text of the page = file-or-folder NAME`. */
describe("the numbers that a page names", () => {
  const comment = /^<!-- A test compares the numbers of this page with the code:\n(.*?)^-->$/ms;
  const rows = pages.flatMap((page) => {
    const [, list = ""] = comment.exec(read(page)) ?? [];
    return [...list.matchAll(/^(.+) = (\S+) (\w+)$/gm)].map(([, text = "", file = "", name = ""]) => ({
      ...{ page, text, file, name },
    }));
  });

  it("are there", () => {
    const named = pages.filter((page) => comment.test(read(page)));
    expect(named).toEqual(expect.arrayContaining(["docs/protocol.md", "docs/reference/http.md"]));
    expect(rows.length).toBeGreaterThan(50);
    const lines = named.flatMap((page) => comment.exec(read(page))?.[1]?.trimEnd().split("\n") ?? []);
    expect(lines).toHaveLength(rows.length);
  });

  it.each(rows)("$page: $text", ({ page, text, file, name }) => {
    expect(read(page).replace(comment, "").replaceAll(/\s+/g, " ")).toContain(text);
    const [, number = "", unit = ""] = /(\d[\d,]*(?:\.\d+)?)(?: (KiB|MiB|s|ms)\b)?/.exec(text) ?? [];
    // In a folder the name may stand in several files, if they agree.
    const files = words.filter((one) => (one === file || one.startsWith(`${file}/`)) && !one.endsWith(".test.ts"));
    const values = files.map((one) => numberIn(read(one), name)).filter((value) => value !== null);
    expect([...new Set(values)]).toEqual([Number(number.replaceAll(",", "")) * (UNITS[unit] ?? 1)]);
  });
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
          .replaceAll(/:(\w+)$|:(sequence|id)(?=\/)/g, (_, a, b) => (a === "batch" ? ":batch" : `{${a ?? b}}`)),
      ),
  );
  expect(routes.length).toBeGreaterThan(10);
  for (const route of routes) expect(reference).toContain(`\`${route}\``);
});
