import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loopback } from "../../scripts/lib/loopback.js";
import { commandOf, exitOf, freePorts, isPortFree, poll } from "../../scripts/lib/processes.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { findMongod } from "../../scripts/mongod/ladder.js";
import { reapWithUs, temporaryFolder } from "../../scripts/mongod/reaper.js";
import { startMongod } from "../support/mongod.js";
import { call, postJson } from "./api-support.js";

const READY_MS = 360_000;
let binary: string;
let folder: string;
let port: number;
const started: NpmStart[] = [];

beforeAll(async () => {
  binary = await findMongod();
});
beforeEach(async () => {
  // As a person may have it.
  folder = temporaryFolder("start für Größe 1");
  port = await threeFreePorts();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.end("SIGTERM")));
});

/** What `npm start` runs, in a folder of its own: so its ./data and its .env are there too. */
class NpmStart {
  readonly process: ChildProcess;
  output = "";

  constructor(args: string[], env: NodeJS.ProcessEnv = {}) {
    const { PATH, HOME } = process.env;
    this.process = spawn(process.execPath, [join(projectRoot(), "scripts/start.mjs"), ...args], {
      cwd: folder,
      env: { PATH, HOME, MONGOD_BINARY: binary, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const collect = (chunk: Buffer) => {
      this.output += chunk;
    };
    this.process.stdout?.on("data", collect);
    this.process.stderr?.on("data", collect);
    reapWithUs(this.process);
    started.push(this);
  }

  async shows(text: string | RegExp, withinMs = READY_MS): Promise<void> {
    const isShown = () => (typeof text === "string" ? this.output.includes(text) : text.test(this.output));
    const done = await poll(() => isShown() || this.process.exitCode !== null, { withinMs });
    if (done === undefined || !isShown()) throw new Error(`npm start did not show ${text}, but:\n${this.output}`);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return this.exitCode();
  }

  async exitCode(): Promise<number | null> {
    await exitOf(this.process);
    return this.process.exitCode;
  }
}

async function threeFreePorts(): Promise<number> {
  for (;;) {
    const [base] = (await freePorts(1)) as [number];
    const others = await Promise.all([isPortFree(base + 1), isPortFree(base + 2)]);
    if (others.every(Boolean)) return base;
  }
}

function pidsIn(dataDir: string): number[] {
  const files = readdirSync(dataDir, { recursive: true }).map(String);
  return files.filter((file) => file.endsWith(".pid")).map((file) => Number(readFileSync(join(dataDir, file), "utf8")));
}

type Posted = { status: number; sequence: number; hash: string };
async function post(at: number, user: string, host = "127.0.0.1"): Promise<Posted> {
  const event = { eventType: "user.login", sourceAppId: "test", dataPayload: { user } };
  const { status, body } = await postJson(`http://${host}:${at}/api/v1/events`, event);
  return { ...(body as { sequence: number; hash: string }), status };
}

async function usersAt(at: number, host = "127.0.0.1"): Promise<unknown[]> {
  const { body } = await call(`http://${host}:${at}/api/v1/events?order=asc`);
  const { events } = body as { events: { dataPayload: { user: string } }[] };
  return events.map(({ dataPayload }) => dataPayload.user);
}

describe("npm start", () => {
  it("runs three nodes on mongods of their own, brings back what dies, stops without a trace, and goes on", async () => {
    const first = new NpmStart(["--port", String(port)]);
    await first.shows("Ctrl-C stops everything");
    expect(first.output).toMatch(new RegExp(`n1 +http://127.0.0.1:${port} `));
    expect(first.output).toMatch(/n\d leads \(term \d+\)/);
    expect(first.output).toContain("curl -X POST");
    for (const [index, user] of ["ada", "grace", "barbara"].entries()) {
      expect(await post(port + index, user)).toMatchObject({ status: 201, sequence: index });
    }

    const second = new NpmStart(["--port", String(port + 10)]);
    expect(await second.exitCode()).toBe(78);
    expect(second.output).toMatch(/in use by another start \(process \d+\)\. Stop that one first/);

    process.kill(Number(readFileSync(join(folder, "data/n1/node.pid"), "utf8")), "SIGKILL");
    process.kill(Number(readFileSync(join(folder, "data/n2/mongod.pid"), "utf8")), "SIGKILL");
    await first.shows("n1 is back.");
    await first.shows("mongod of n2 is back.");

    expect(await first.end("SIGINT")).toBe(0);
    expect(pidsIn(join(folder, "data"))).toHaveLength(6);
    expect(pidsIn(join(folder, "data")).filter((pid) => commandOf(pid) !== undefined)).toEqual([]);

    const third = new NpmStart(["--port", String(port)]);
    await third.shows("Ctrl-C stops everything");
    for (const at of [port, port + 1, port + 2]) expect(await usersAt(at)).toEqual(["ada", "grace", "barbara"]);
  });

  it("leaves no node behind when it is killed; the next start ends the mongods and continues the log", async () => {
    // On another address of this machine: there it is listened, there it is looked for.
    const HOST = process.platform === "linux" ? "127.0.0.2" : "127.0.0.1";
    const first = new NpmStart(["--port", String(port)], { HOST });
    await first.shows("Ctrl-C stops everything");
    expect(first.output).toMatch(new RegExp(`n1 +http://${HOST}:${port} `));
    await post(port, "ada", HOST);
    await first.end("SIGKILL");
    const second = new NpmStart(["--port", String(port)], { HOST });
    await second.shows("Stopped what an earlier start had left running");
    await second.shows("Ctrl-C stops everything");
    expect(await usersAt(port + 2, HOST)).toEqual(["ada"]);

    expect(await second.end("SIGHUP")).toBe(0);
    const third = new NpmStart(["--port", String(port), "--fresh"]);
    await third.shows(/1 event moved to .*data\.\d{8}T\d{6}Z/);
    await third.shows("Ctrl-C stops everything");
    expect(await usersAt(port)).toEqual([]);
  });

  it("runs on an address of IPv6 and on ports that browsers avoid, and asks no proxy of the environment", async () => {
    const hasV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
    const HOST = hasV6 ? "::1" : "127.0.0.1";
    const name = hasV6 ? "[::1]" : HOST;
    let asked = 0;
    const proxy = createServer((socket) => {
      asked++;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
      const env = { ...Object.fromEntries(names.map((one) => [one, url])), NODE_USE_ENV_PROXY: "1" };
      // What `fetch` refuses: 6665 to 6669.
      const start = new NpmStart(["--port", "6666"], { HOST, ...env });
      await start.shows("Ctrl-C stops everything");
      expect(start.output).toContain(`Dashboard: http://${name}:6666/`);
      const events = (at: number): string => `http://${name}:${at}/api/v1/events`;
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ eventType: "user.login", sourceAppId: "test", dataPayload: {} });
      for (const [sequence, at] of [6666, 6667, 6668].entries()) {
        const answer = await loopback(events(at), { method: "POST", headers, body });
        expect(answer.status).toBe(201);
        expect(await answer.json()).toMatchObject({ sequence });
      }
      expect(asked).toBe(0);
      expect(await start.end("SIGINT")).toBe(0);
    } finally {
      proxy.close();
    }
  });

  it.each([
    ["at the first signal", "", 0],
    ["at once at a second one", "trap '' TERM; ", 130],
  ])(
    "leaves the data alone and ends what counts their events when --fresh is stopped: %s",
    async (_, trap, exitCode) => {
      const MONGOD_BINARY = join(folder, "mongod");
      // It tells its pid and never answers, like one that recovers.
      const script = `[ "$1" = --version ] && echo "db version v7.0.1" && exit\n${trap}echo $$ > "$2/../mongod.pid"\nexec sleep 600`;
      writeFileSync(MONGOD_BINARY, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const data = join(folder, "data");
      mkdirSync(join(data, "n1", "db"), { recursive: true });
      const start = new NpmStart(["--port", String(port), "--fresh", "--yes"], { MONGOD_BINARY });
      await start.shows("Counting the events");
      const [pid = 0] = pidsIn(data);
      expect(commandOf(pid)).toBeDefined();
      if (exitCode !== 0) {
        start.process.kill("SIGINT");
        await start.shows("once more to stop at once");
      }
      expect(await start.end("SIGINT")).toBe(exitCode);
      expect(await poll(() => commandOf(pid) === undefined, { withinMs: READY_MS })).toBe(true);
      expect(start.output).not.toMatch(/deleted|Starting/);
      expect(existsSync(join(data, "n1", "db"))).toBe(true);
    },
  );

  it("fills the log for a first look and makes faults on demand, when that is asked for, and ends them with itself", async () => {
    const demo = new NpmStart(["--port", String(port), "--demo"]);
    await demo.shows("can kill, pause and cut off nodes");
    expect(demo.output).toMatch(new RegExp(`Dashboard: http://127.0.0.1:${port}/\n\nQuorumlog runs: 3 nodes`));
    expect(demo.output).toContain("300 events of a company's day are in the log.");
    const of = async (path: string, at = port) => (await call(`http://127.0.0.1:${at}/api/v1/${path}`)).body;
    // Whichever node took them, the others have them a moment later.
    const isLevel = async (at: number) =>
      ((await of("events?limit=500", at)) as { events?: { sequence: number }[] }).events?.length === 300;
    for (const at of [port, port + 1]) expect(await poll(() => isLevel(at), { withinMs: READY_MS })).toBe(true);
    const strike = async (action: string, node: string): Promise<number> =>
      (await postJson(`http://127.0.0.1:${port}/api/v1/chaos`, { action, node })).status;
    expect(await strike("tamper", "n2")).toBe(200);
    type Alerts = { alerts: { kind: string; accused: string; sequence: number }[] };
    const isFound = async () =>
      ((await of("alerts")) as Alerts).alerts.some(
        (one) => one.kind === "payload_modified" && one.accused === "n2" && one.sequence === 299,
      );
    expect(await poll(isFound, { withinMs: READY_MS })).toBe(true);
    expect(await strike("cut", "n2")).toBe(200);
    expect(await strike("cut", "n2")).toBe(409);
    type Status = { state: string; nodes: { id: string; role: string; address: string }[] };
    const isCut = async () =>
      ((await of("cluster")) as Status).nodes.some(({ id, role }) => id === "n2" && role === "unknown");
    expect(await poll(isCut, { withinMs: READY_MS })).toBe(true);
    const { nodes } = (await of("cluster")) as Status;
    expect(nodes.map(({ address }) => address)).toEqual([0, 1, 2].map((i) => `http://127.0.0.1:${port + i}`));
    expect(await strike("join", "n2")).toBe(200);
    expect(await strike("pause", "n3")).toBe(200);
    expect(await demo.end("SIGINT")).toBe(0);
    expect(pidsIn(join(folder, "data")).filter((pid) => commandOf(pid) !== undefined)).toEqual([]);
  });

  it("runs one node on the server that .env names, as the reference documents describe", async () => {
    const mongod = await startMongod({ replSet: false });
    try {
      writeFileSync(join(folder, ".env"), `PORT=${port}\nMONGODB_URI=mongodb://127.0.0.1:${mongod.port}/eventLogs\n`);
      const single = new NpmStart([]);
      await single.shows("Ctrl-C stops everything");
      expect(single.output).toContain("one node");
      expect(await post(port, "ada")).toMatchObject({ status: 201, sequence: 0 });
      expect(readdirSync(join(folder, "data", "n1"))).not.toContain("mongod.pid");
      expect(await single.end("SIGTERM")).toBe(0);
      expect(commandOf(mongod.pid)).toBeDefined();
    } finally {
      await mongod.stop();
    }
  });

  it("says why and where the log is when a node cannot run, and ends with its exit code", async () => {
    const mongod = await startMongod();
    const client = new MongoClient(mongod.uri);
    try {
      await client.db("shop").collection("orders").insertOne({ total: 1 });
      const env = { PORT: String(port), MONGODB_URI: `mongodb://127.0.0.1:${mongod.port}/shop?directConnection=true` };
      const single = new NpmStart([], env);
      expect(await single.exitCode()).toBe(78);
      expect(single.output).toMatch(/n1 stays down: .*Its log: data\/n1\/node\.log/);
    } finally {
      await client.close();
      await mongod.stop();
    }
  });

  it("says what to do about a taken port", async () => {
    const other = createServer().listen(port + 1, "127.0.0.1");
    try {
      const start = new NpmStart(["--port", String(port)]);
      expect(await start.exitCode()).toBe(78);
      expect(start.output).toMatch(new RegExp(`Port ${port + 1} is taken by another program\\. .*--port`));
    } finally {
      other.close();
    }
  });

  it("says within seconds for what it waits, and goes on waiting", async () => {
    const start = new NpmStart(["--port", String(port)], { MONGODB_URI: "mongodb://nowhere.invalid/x" });
    await start.shows("Starting one node");
    const begun = performance.now();
    await start.shows(
      "n1 waits: The name of the MongoDB at nowhere.invalid is not known (ENOTFOUND). Correct MONGODB_URI",
    );
    const tookMs = Math.round(performance.now() - begun);
    process.stdout.write(`npm start said after ${tookMs} ms for what it waits\n`);
    expect(tookMs).toBeLessThan(90_000);
    expect(start.process.exitCode).toBeNull();
  });

  it("serves on where its notes and old logs cannot be written, and says so", async () => {
    const n1 = join(folder, "data", "n1");
    const blocked = ["mongod.pid", "node.pid", "mongod.port", ...[1, 2, 3].map((age) => `node.log.${age}/full`)];
    for (const name of blocked) mkdirSync(join(n1, name), { recursive: true });
    writeFileSync(join(n1, "node.log"), "x".repeat(9_000_000));
    const start = new NpmStart(["--port", String(port), "--nodes", "1"]);
    await start.shows("Ctrl-C stops everything");
    await start.shows(/n1: The older lines of .*node\.log cannot be kept/);
    for (const name of ["mongod.pid", "node.pid", "mongod.port"])
      expect(start.output).toMatch(new RegExp(`n1/${name} cannot be written: a folder stands where a file belongs`));
    expect(await post(port, "ada")).toMatchObject({ status: 201 });
    await start.end("SIGKILL");
    // mongod keeps a note of its own.
    const again = new NpmStart(["--port", String(port)]);
    await again.shows(/Stopped what an earlier start had left running: .*mongod of n1/);
    await again.shows("Ctrl-C stops everything");
    expect(await usersAt(port)).toEqual(["ada"]);
  });

  it("ends at once, for good and without advice that loses data when a mongod cannot open its data", async () => {
    const MONGOD_BINARY = join(folder, "mongod");
    writeFileSync(MONGOD_BINARY, '#!/bin/sh\n[ "$1" = --version ] && echo "db version v7.0.1" || exit 62\n', {
      mode: 0o755,
    });
    const start = new NpmStart(["--port", String(port)], { MONGOD_BINARY });
    expect(await start.exitCode()).toBe(78);
    expect(start.output).toMatch(/mongod of n1 stays down: its data were written by another version of MongoDB/);
    expect(start.output).not.toMatch(/Starting it again|away/);
  });

  it.each([
    [
      ["--port", "1"],
      { HOST: "203.0.113.9" },
      /HOST=203\.0\.113\.9 is no address of this machine .*Set HOST to one of/,
    ],
    [
      [],
      { LOG_LEVEL: "loud", PORT: "99999", NODE_IP: "10.0.0.7" },
      /2 mistakes:\n +- PORT must be.*\n +- LOG_LEVEL must/,
    ],
    [
      [],
      { DATA_DIR: "/dev/null/data" },
      /The data folder \/dev\/null\/data cannot be read: a file stands .*set DATA_DIR/,
    ],
    [[], { MONGODB_URI: "mongodb://a:1,b:2/x" }, /MONGODB_URI is not a MongoDB connection string for one server/],
  ])("judges all settings before anything starts: %j with %j", async (args, env, message) => {
    const start = new NpmStart(args, env as NodeJS.ProcessEnv);
    expect(await start.exitCode()).toBe(78);
    expect(start.output).toMatch(message);
    expect(start.output).not.toMatch(/taken|Starting/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("names the lines of .env that say nothing, and starts nothing", async () => {
    writeFileSync(join(folder, ".env"), "\uFEFF# ours\nPORT: 6060\nCLUSTER_SECRET=abc #def\n");
    const start = new NpmStart([]);
    expect(await start.exitCode()).toBe(78);
    expect(start.output).toMatch(/line 2 of \.env is no NAME=value\n.*line 3 of \.env: CLUSTER_SECRET has a #/);
    expect(readdirSync(folder)).toEqual([".env"]);
  });

  it.each([
    [["--port", "65534"], {}, /3 nodes from port 65534 on would go beyond 65535: begin at 65533 or below/],
    [["--nodes", "2"], {}, /--nodes 2: .*Use 1 or 3\./],
    [["--frsh"], {}, /Did you mean --fresh\?/],
    [["--fresh"], { MONGODB_URI: "mongodb://127.0.0.1:1/x" }, /MONGODB_URI is set/],
    [[], { MONGODB_URIS: "mongodb://127.0.0.1:1/x,mongodb://127.0.0.1:2/x" }, /names 2 servers/],
  ])("refuses %j with %j as wrong usage", async (args, env, message) => {
    const start = new NpmStart(args, env as NodeJS.ProcessEnv);
    expect(await start.exitCode()).toBe(2);
    expect(start.output).toMatch(message);
  });

  it("continues with as many nodes as the data folder has, and refuses another number", async () => {
    // That of n5 is missing: it was moved away, to be made anew.
    for (const id of ["n1", "n2", "n3", "n4"]) mkdirSync(join(folder, "data", id, "db"), { recursive: true });
    const start = new NpmStart(["--nodes", "3"]);
    expect(await start.exitCode()).toBe(2);
    expect(start.output).toMatch(/holds the data of 5 nodes, so --nodes 3 cannot use it/);
  });
});
