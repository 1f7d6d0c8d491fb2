import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { OPERATIONS } from "../../node/http/openapi/document.js";
import { COLLECTION_FILE } from "../../scripts/postman/collection.js";
import { openNodes, type TestNodes } from "./api-support.js";

interface Report {
  readonly run: {
    readonly stats: { readonly requests: { readonly total: number }; readonly assertions: { readonly total: number } };
    readonly failures: readonly {
      readonly source?: { readonly name: string };
      readonly error: { readonly message: string };
    }[];
  };
}

const newman = join(dirname(createRequire(import.meta.url).resolve("newman/package.json")), "bin", "newman.js");
const folder = mkdtempSync(join(tmpdir(), "quorumlog-postman-"));
let nodes: TestNodes;
beforeAll(async () => {
  nodes = await openNodes();
});
afterAll(async () => {
  await nodes?.stop();
  rmSync(folder, { recursive: true });
});

async function run(url: string): Promise<Report> {
  const report = join(folder, "report.json");
  const given = ["--env-var", `baseUrl=${url}`, "--reporters", "json", "--reporter-json-export", report];
  const args = [newman, "run", COLLECTION_FILE, ...given, "--timeout-request", "60000"];
  // Its exit code says no more than its report.
  // A proxy of the environment is not asked for nodes of this machine.
  const env = { ...process.env, NO_PROXY: "*", no_proxy: "*" };
  await promisify(execFile)(process.execPath, args, { env }).catch(() => undefined);
  return JSON.parse(readFileSync(report, "utf8")) as Report;
}

it("Postman's own runner gets from a follower what the collection says", async () => {
  const { stats, failures } = (await run(nodes.urls[0] as string)).run;
  expect(failures.map(({ source, error }) => `${source?.name}: ${error.message}`)).toEqual([]);
  expect(stats.requests.total).toBeGreaterThanOrEqual(OPERATIONS.length);
  expect(stats.assertions.total).toBeGreaterThanOrEqual(2 * OPERATIONS.length);
});
