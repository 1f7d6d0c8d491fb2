import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseEnvFile, readEnvFile } from "./env-file.js";

const folder = mkdtempSync(join(tmpdir(), "quorumlog-env-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a .env file", () => {
  it.each([
    ["PORT=6060", { PORT: "6060" }],
    ["\uFEFFPORT=6060\r\nHOST=127.0.0.1\r\n", { PORT: "6060", HOST: "127.0.0.1" }],
    ["  export PORT = 6060  ", { PORT: "6060" }],
    ["# a comment\n\nPORT=6060 # mine", { PORT: "6060" }],
    ["CLUSTER_SECRET=abc#def", { CLUSTER_SECRET: "abc#def" }],
    ['CLUSTER_SECRET="abc #def"  # mine', { CLUSTER_SECRET: "abc #def" }],
    ["CLUSTER_SECRET='a\"b'", { CLUSTER_SECRET: 'a"b' }],
    ["MONGODB_URI=mongodb://h/x?a=b=c", { MONGODB_URI: "mongodb://h/x?a=b=c" }],
    ["VERIFY_SCHEDULE=0 * * * *", { VERIFY_SCHEDULE: "0 * * * *" }],
    ["PORT=", { PORT: "" }],
    ["PORT= # nothing yet", { PORT: "" }],
  ])("%j says %j", (text, values) => expect(parseEnvFile(text)).toEqual({ values, mistakes: [] }));

  it.each([
    ["# first\nPORT: 6060", "line 2 of .env is no NAME=value"],
    ["set PORT=6060", "line 1 of .env is no NAME=value"],
    ["PORT", "line 1 of .env is no NAME=value"],
    ["=6060", "line 1 of .env is no NAME=value"],
    ["[node]", "line 1 of .env is no NAME=value"],
    ["PORT=1\nHOST=a\nPORT=2", "line 3 of .env: PORT stands in line 1 already"],
    ['HOST="a', 'line 1 of .env: HOST has an opening " and no closing one on its line'],
    ['HOST="a"b', 'line 1 of .env: HOST has something behind its closing "'],
    ["CLUSTER_SECRET=abc #def", "line 1 of .env: CLUSTER_SECRET has a #"],
    ["CLUSTER_SECRET=#def", "line 1 of .env: CLUSTER_SECRET has a #"],
  ])("%j is a mistake", (text, mistake) => {
    const { mistakes } = parseEnvFile(text);
    expect(mistakes).toEqual([expect.stringContaining(mistake)]);
    expect(mistakes.join()).not.toContain("def");
  });

  it("may be missing, but not unreadable or in another encoding", () => {
    expect(readEnvFile(join(folder, "none"))).toEqual({ values: {}, mistakes: [] });
    mkdirSync(join(folder, "folder"));
    expect(readEnvFile(join(folder, "folder")).mistakes[0]).toContain("cannot be read (EISDIR)");
    writeFileSync(join(folder, "wide"), Buffer.from("\uFEFFPORT=6060", "utf16le"));
    expect(readEnvFile(join(folder, "wide")).mistakes[0]).toContain("is not UTF-8 text");
  });
});
