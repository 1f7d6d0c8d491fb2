import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { freePorts } from "../../scripts/lib/processes.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { reapWithUs, temporaryFolder } from "../../scripts/mongod/reaper.js";
import { eventually } from "../support/eventually.js";
import { startMongod, type TestMongod } from "../support/mongod.js";
import { call } from "./api-support.js";

/** Far more lines than a pipe takes: 64 KiB on Linux. */
const REQUESTS = 1_000;

let mongod: TestMongod;
beforeAll(async () => {
  mongod = await startMongod();
});
afterAll(() => mongod.stop());

it("a node whose log nobody reads answers on, stops when it is asked to, and loses no line below the bound", async () => {
  const [port] = await freePorts(1);
  const { PATH } = process.env;
  const child = spawn(process.execPath, [join(projectRoot(), "dist/node/main.js")], {
    cwd: temporaryFolder("output"),
    env: { PATH, PORT: String(port), MONGODB_URI: mongod.uri, LOG_LEVEL: "debug" },
    // As `node dist/node/main.js | sleep 90` has it: nothing takes what is written.
    stdio: ["ignore", "pipe", "ignore"],
  });
  reapWithUs(child);
  onTestFinished(() => void child.kill("SIGKILL"));
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await call(`${url}/readyz`)).status === 200, 30_000, "the node is ready");
  for (let i = 0; i < REQUESTS; i++) expect((await call(`${url}/livez`)).status).toBe(200);

  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const ended = once(child, "close");
  child.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  expect(output.length).toBeGreaterThan(128 * 1024);
  const lines = output.trimEnd().split("\n");
  expect(lines.filter((line) => line.includes("/livez")).length).toBeGreaterThanOrEqual(REQUESTS);
  expect(JSON.parse(lines.at(-1) as string).msg).toBe("stopped");
});
