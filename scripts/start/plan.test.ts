import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseEnvFile } from "../../node/host/env-file.js";
import { planNodes } from "../cluster/plan-nodes.js";
import { StartError } from "../lib/command.js";
import { UsageError } from "../lib/usage.js";
import { planStart } from "./plan.js";

const folder = mkdtempSync(join(tmpdir(), "quorumlog-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DATA_DIR = join(folder, "data");
const URI = "mongodb://127.0.0.1:27017/x";
const plan = (env: NodeJS.ProcessEnv = {}, dotenv = "", args: string[] = []) =>
  planStart(args, { DATA_DIR, ...env }, parseEnvFile(dotenv));
const nodesOf = ({ cluster }: ReturnType<typeof plan>) =>
  planNodes(cluster, cluster.dataDir, cluster.ports, () => "s".repeat(64));

describe("what npm start plans", () => {
  it("is three nodes, whatever others have put into the environment", () => {
    const planned = plan({ NODE_IP: "10.0.0.7", LOG_LEVEL: "INFO", NODE_ID: "n9", PRIORITY: "2" });
    expect(planned.warnings).toEqual([expect.stringContaining("did you mean NODE_ID?")]);
    expect(nodesOf(planned).map(({ env }) => [env.NODE_ID, env.PRIORITY])).toEqual([
      ["n1", undefined],
      ["n2", undefined],
      ["n3", undefined],
    ]);
  });

  it("takes the file where the environment says nothing, and a flag before both", () => {
    expect(plan({ PORT: "" }, "PORT=6060").cluster.ports).toEqual([6060, 6061, 6062]);
    expect(plan({ PORT: "5000" }, "PORT=6060").cluster.ports[0]).toBe(5000);
    expect(plan({ PORT: "none" }, "PORT=6060", ["--port=7000"]).cluster.ports[0]).toBe(7000);
    const secret = plan({ CLUSTER_SECRET: "e".repeat(40) }, "CLUSTER_SECRET_FILE=/nowhere");
    expect(nodesOf(secret)[0]?.env).toMatchObject({ CLUSTER_SECRET: "e".repeat(40) });
    expect(nodesOf(secret)[0]?.env.CLUSTER_SECRET_FILE).toBeUndefined();
  });

  it("allows faults only where a flag says so, whatever stands in the environment", () => {
    const CHAOS_URL = `http://${"t".repeat(64)}@127.0.0.1:4999`;
    const planned = plan({ CHAOS_URL, CHAOS_LINKS: "n2=http://127.0.0.1:5000" });
    expect(planned.options.allowsChaos).toBe(false);
    expect(nodesOf(planned)[0]?.env).not.toHaveProperty("CHAOS_URL");
    expect(nodesOf(planned)[0]?.env).not.toHaveProperty("CHAOS_LINKS");
    expect(plan({ HOST: "127.0.0.1" }, "", ["--demo"]).options.allowsChaos).toBe(true);
  });

  it("listens and is looked for at the same address", () => {
    for (const [HOST, url] of [
      ["192.0.2.2", "http://192.0.2.2:3000"],
      ["::1", "http://[::1]:3000"],
      ["0.0.0.0", "http://127.0.0.1:3000"],
    ] as const) {
      const [first] = nodesOf(plan({ HOST }));
      expect([first?.env.HOST, first?.url]).toEqual([HOST, url]);
      expect(first?.env.MEMBERS?.split(",")[0]).toBe(`n1=${url}`);
    }
  });
});

describe("what npm start refuses", () => {
  it("is told in one report, of names, lines and values, for whatever nodes", () => {
    const attempt = () =>
      plan({ HEARTBEAT_MS: "900", PORT: "0", MONGODB_URIS: `${URI},mongodb+srv://b/x,${URI}2` }, "PORT: 1\nFOO=1");
    expect(attempt).toThrow(StartError);
    expect(attempt).toThrow(
      [
        "The configuration has 5 mistakes:",
        "  - line 1 of .env is no NAME=value",
        "  - FOO is unknown (in .env)",
        '  - PORT must be a whole number from 1 to 65535, not "0"',
        "  - HEARTBEAT_MS (900) must be at most a third of ELECTION_TIMEOUT_MS (1000), or one lost heartbeat starts an election",
        "  - MONGODB_URIS, server 2, is not a MongoDB connection string for one server",
      ].join("\n"),
    );
  });

  it.each([
    [{ MONGODB_URIS: `${URI},,${URI}2` }, [], /nothing in it/],
    [{ MONGODB_URIS: `${URI},${URI}2,${URI}` }, [], /the same database twice/],
    [{}, ["--port", "65534"], /begin at 65533 or below/],
  ])("is wrong usage: %j with %j", (env, args, message) => {
    expect(() => plan(env as NodeJS.ProcessEnv, "", args)).toThrow(UsageError);
    expect(() => plan(env as NodeJS.ProcessEnv, "", args)).toThrow(message);
  });

  it.each([
    [{ HOST: "0.0.0.0" }, ["--allow-chaos"], /--allow-chaos would let whoever reaches HOST=0\.0\.0\.0 end nodes/],
    [{ HOST: "192.0.2.2" }, ["--demo"], /--demo would let whoever reaches/],
    [{ ALLOWED_HOSTS: "logs.example" }, ["--demo"], /--demo would let whoever comes by ALLOWED_HOSTS end nodes/],
    [{ ALLOWED_ORIGINS: "https://a.example" }, ["--allow-chaos"], /whoever comes by ALLOWED_ORIGINS/],
    [{ MONGODB_URI: URI }, ["--demo"], /--demo alters what nodes store/],
    [{ MONGODB_URIS: `${URI},${URI}2,${URI}3` }, ["--allow-chaos"], /for mongods that npm start runs/],
  ])("is chaos where others would suffer from it: %j with %j", (env, args, message) => {
    expect(() => plan(env, "", args)).toThrow(UsageError);
    expect(() => plan(env, "", args)).toThrow(message);
  });

  it.each(["127.0.0.1:80", "[::1]", "fe80::1%lo", "http://localhost", "a b"])(
    "is a HOST that is none, told once: %s",
    (HOST) => {
      expect(() => plan({ HOST })).toThrow(/^The configuration has one mistake:\n {2}- HOST must be a host name/);
    },
  );

  it("is a secret that cannot be read, and a data folder that is none", () => {
    expect(() => plan({ MONGODB_URI_FILE: "/nowhere" })).toThrow(/MONGODB_URI_FILE: cannot read \/nowhere \(ENOENT\)/);
    writeFileSync(join(folder, "file"), "");
    expect(() => plan({ DATA_DIR: join(folder, "file") })).toThrow(/a file stands where a folder belongs/);
  });
});
